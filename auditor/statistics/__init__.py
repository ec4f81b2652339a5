"""Statistics in NumPy and SciPy: arrays in, frozen records out. Each has a slow oracle in the tests."""
