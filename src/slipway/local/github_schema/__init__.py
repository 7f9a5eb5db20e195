"""What GitHub's descriptions say of its API and its events: requests, responses and payloads, complete and checked."""

from slipway.local.github_schema.schemas import Operation, Operations, Schema, events, rest

__all__ = ["Operation", "Operations", "Schema", "events", "rest"]
