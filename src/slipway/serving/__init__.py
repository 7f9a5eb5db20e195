"""The prediction service: rows in, predictions out."""
