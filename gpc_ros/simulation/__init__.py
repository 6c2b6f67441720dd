"""The plant: MuJoCo physics with sensor noise, delays, model error and faults."""
