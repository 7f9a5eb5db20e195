"""GitHub's API, comments and check runs, and CML, which posts comments."""
