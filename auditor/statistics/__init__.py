"""Arrays in, frozen records out: NumPy and SciPy only, each statistic with a slow twin in the tests."""
