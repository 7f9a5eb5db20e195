"""A feature store: views that the problem defines once, joined to training rows and read by key for requests."""

from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("feast.txt")
"""File that locks the packages of Feast's environment."""
