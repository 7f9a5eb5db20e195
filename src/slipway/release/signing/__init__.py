"""Trust in a release: signatures by trusted keys, and GitHub's attestations."""
