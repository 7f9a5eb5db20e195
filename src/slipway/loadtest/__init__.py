"""Load tests and synthetic traffic: plans of requests, their payloads, and the measured responses."""

from pathlib import Path

PAYLOADS = Path("build/prepared/test.parquet")
"""Rows that are sent unless others are named; stage `prepare` of dvc.yaml writes them."""
