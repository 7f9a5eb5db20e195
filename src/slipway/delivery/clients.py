"""What a service or a front door says over HTTP."""

from __future__ import annotations

from typing import Any

import httpx

SECONDS = 5  # for one answer


def shown_release(url: str) -> dict[str, Any] | None:
    """What `GET /release` says; None when there is no answer, or one that is not a release."""
    try:
        answer = httpx.get(f"{url}/release", timeout=SECONDS, trust_env=False)
        shown = answer.json() if answer.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, ValueError):
        return None
    return shown if isinstance(shown, dict) else None


def is_ready(url: str) -> bool:
    """Whether `GET /readyz` says so."""
    try:
        return httpx.get(f"{url}/readyz", timeout=SECONDS, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def serves(url: str, version: str, commit: str) -> bool:
    """Whether the release shown at `url` is this one."""
    shown = shown_release(url)
    return shown is not None and (shown.get("version"), shown.get("commit")) == (version, commit)


def listens(url: str) -> bool:
    """Whether anything answers at `url`, whatever it says."""
    try:
        httpx.get(url, timeout=SECONDS, trust_env=False)
    except httpx.HTTPError:
        return False
    return True
