"""One file for each report format: an audit in, text or bytes out."""
