"""AfI stage one, and what rests on it: occluder, channels, meta-detector, reference classes, pictures."""
