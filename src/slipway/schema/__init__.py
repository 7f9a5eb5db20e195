"""Meaning of `Row`: columns, fields, features, and rows in files and requests."""
