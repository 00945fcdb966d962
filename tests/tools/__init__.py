"""What `make` runs besides the suite."""
