"""The engine that takes a pull request to production. Column names and models live in `problem`."""
