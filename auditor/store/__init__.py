"""The audit on disk: the directory, the attachments of a PDF, signatures."""
