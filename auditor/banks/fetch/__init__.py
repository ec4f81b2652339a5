"""Image sets that may be fetched."""
