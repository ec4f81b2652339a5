"""Planted truth: models whose use of a concept is known because it was planted and can be measured."""
