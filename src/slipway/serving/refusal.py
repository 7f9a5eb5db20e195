"""Refusals: the error responses of the service."""

from __future__ import annotations

from typing import Any

REFUSALS = {
    400: "The body is not JSON",
    408: "The body did not arrive in time",
    413: "The body is too large",
    415: "The body is not application/json in UTF-8",
    422: "The body violates the contract: `details` lists row, field and rule",
    500: "The service failed; see its log",
    503: "Too many concurrent requests; retry after Retry-After seconds",
    504: "The prediction exceeded the time limit",
}
"""Description of each status in the API documentation."""
KEY_CHARACTERS_MAX = 80  # of a client's key that a refusal repeats
CONTRACT_MESSAGE = "the body violates the contract of the rows"


class RefusedError(Exception):
    """A request that is refused, with the status, the reason as a label, the message, and the violated rules."""

    def __init__(self, status: int, reason: str, message: str, details: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.details = details or [detail(rule=message)]


def detail(row: int | None = None, field: str | None = None, rule: str = "") -> dict[str, Any]:
    """Return a violated rule; `row` counts from 0, and row and field are None for a rule about the whole body."""
    return {"row": row, "field": field, "rule": rule}


def violation(*details: dict[str, Any]) -> RefusedError:
    """Return the refusal (422) of a body that is JSON but violates these rules."""
    return RefusedError(422, "contract", CONTRACT_MESSAGE, list(details))
