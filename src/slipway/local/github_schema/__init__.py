"""Excerpts of GitHub's API and webhook schemas, with validation and completion of requests, responses and payloads."""

from slipway.local.github_schema.schemas import Operation, Operations, Schema, events, rest

__all__ = ["Operation", "Operations", "Schema", "events", "rest"]
