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


def get_release(url: str, seconds: float = SECONDS) -> dict[str, Any] | None:
    """What `GET /release` says; None when there is no answer, or one that is not a release."""
    return get_json(f"{url}/release", seconds)


def get_json(url: str, seconds: float = SECONDS) -> dict[str, Any] | None:
    """The JSON object at `url`; None when there is no answer, or another one."""
    try:
        answer = client().get(url, timeout=seconds)
        shown = answer.json() if answer.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, ValueError):
        return None
    return shown if isinstance(shown, dict) else None


def is_ready(url: str, seconds: float = SECONDS) -> bool:
    """Whether `GET /readyz` says so."""
    return is_ok(f"{url}/readyz", seconds)


def is_ok(url: str, seconds: float = SECONDS) -> bool:
    """Whether `url` itself answers."""
    try:
        return client().get(url, timeout=seconds).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def serves(url: str, version: str, commit: str, seconds: float = SECONDS) -> bool:
    """Whether the release shown at `url` is this one."""
    shown = get_release(url, seconds)
    return shown is not None and (shown.get("version"), shown.get("commit")) == (version, commit)


def is_reachable(url: str, seconds: float = SECONDS) -> bool:
    """Whether anything answers at `url`, whatever it says."""
    try:
        client().get(url, timeout=seconds)
    except httpx.HTTPError:
        return False
    return True
