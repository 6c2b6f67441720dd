"""Here so that tests of all folders can import the helpers that lie beside it."""
