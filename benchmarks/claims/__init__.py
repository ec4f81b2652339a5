"""What is claimed of groups and crops, and what should not be: ``python -m benchmarks.claims --help``."""
