"""Banks whose images auditor draws itself."""
