"""Audit what a released image classifier has learned to associate with a class."""

__version__ = "0.1.0"
