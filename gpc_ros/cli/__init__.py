"""The command line `gpc`."""
