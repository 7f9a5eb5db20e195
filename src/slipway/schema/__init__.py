"""What `Row` means: columns, fields, features, and rows in files and requests."""
