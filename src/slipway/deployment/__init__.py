"""Promotion of a release into an environment: desired state, waiting, smoke test, report."""
