"""What a service or a front door says over HTTP."""

from __future__ import annotations

from functools import cache
from typing import Any

import httpx

SECONDS = 5  # for one answer


@cache
def client() -> httpx.Client:
    """One for all, because making one reads every certificate; no connection is kept, because peers come and go."""
    return httpx.Client(timeout=SECONDS, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def shown_release(url: str) -> dict[str, Any] | None:
    """What `GET /release` says; None when there is no answer, or one that is not a release."""
    return json_page(f"{url}/release")


def json_page(url: str) -> dict[str, Any] | None:
    """The JSON object at `url`; None when there is no answer, or another one."""
    try:
        answer = client().get(url)
        shown = answer.json() if answer.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, ValueError):
        return None
    return shown if isinstance(shown, dict) else None


def is_ready(url: str) -> bool:
    """Whether `GET /readyz` says so."""
    return is_found(f"{url}/readyz")


def is_found(url: str) -> bool:
    """Whether `url` itself answers."""
    try:
        return client().get(url).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def serves(url: str, version: str, commit: str) -> bool:
    """Whether the release shown at `url` is this one."""
    shown = shown_release(url)
    return shown is not None and (shown.get("version"), shown.get("commit")) == (version, commit)


def listens(url: str) -> bool:
    """Whether anything answers at `url`, whatever it says."""
    try:
        client().get(url)
    except httpx.HTTPError:
        return False
    return True
