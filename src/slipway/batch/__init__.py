"""Checks of a batch of rows against a reference: of a new file, and of a live window."""
