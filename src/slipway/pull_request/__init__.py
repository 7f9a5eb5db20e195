"""The jobs of a pull request: linters, tests, comparison, report, comment."""
