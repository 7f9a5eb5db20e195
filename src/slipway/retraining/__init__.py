"""Continuous training: from a trigger to a pull request, which passes the same gates as any other.

`trigger` decides, `bring` adds new data, `run` trains on it, and `propose` opens or updates the pull request.
"""
