"""What a request is told that is not served."""

from __future__ import annotations

from typing import Any

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
