"""Beside each environment: makes what runs be what the branch `deploy` says, and shows what it did."""
