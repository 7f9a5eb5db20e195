"""What a request is told that is not served."""

from __future__ import annotations

from typing import Any

REFUSALS = {
    400: "Not JSON",
    408: "The body did not arrive in time",
    413: "The body has too many bytes",
    415: "The body is not application/json in UTF-8",
    422: "The body breaks the contract: `details` names row, field and rule",
    500: "The service failed; its log says why",
    503: "Too many requests at once; try again after Retry-After seconds",
    504: "Not done in time",
}
"""What each status tells a client, as the service documents it."""
BROKEN = "the body breaks the contract of the rows"


class RefusedError(Exception):
    """A request that is not served: the status, the reason as a label, the message, and where it breaks which rule."""

    def __init__(self, status: int, reason: str, message: str, details: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.details = details or [detail(rule=message)]


def detail(row: int | None = None, field: str | None = None, rule: str = "") -> dict[str, Any]:
    """One broken rule; `row` counts from 0, and what concerns the whole body has neither row nor field."""
    return {"row": row, "field": field, "rule": rule}


def broken(*details: dict[str, Any]) -> RefusedError:
    """A body that is JSON, and breaks these rules."""
    return RefusedError(422, "contract", BROKEN, list(details))
