"""A bank on disk becomes a bank in memory."""
