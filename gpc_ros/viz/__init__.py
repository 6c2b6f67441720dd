"""Pictures: of runs and of trainings."""
