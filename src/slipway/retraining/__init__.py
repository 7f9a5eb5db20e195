"""Continuous training: from a trigger to a pull request, which goes the ordinary way.

`trigger` decides, `bring` fetches new data, `run` trains on it, and `propose` opens the pull request or updates it.
"""
