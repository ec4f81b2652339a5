"""Attacking for Interpretability: occluder, channel importance, meta-detector, responses."""
