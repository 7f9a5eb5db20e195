"""The chain of trust from a release back to reviewed source code, verified link by link."""
