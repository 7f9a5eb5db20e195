"""HTTP requests to a service or a gateway: its release, its readiness and its JSON pages.

The first request imports httpx, because `slipway status` often sends none.
"""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from slipway.environment.release_facts import ReleaseFacts

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 5  # for one response


@cache
def client() -> httpx.Client:
    """Return the shared HTTP client, which keeps no connections because services come and go.

    It is created once, since creating a client reads every certificate.
    """
    import httpx

    return httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def get_release(url: str, seconds: float = TIMEOUT_SECONDS) -> ReleaseFacts | None:
    """Return the response of `GET /release`; None when the request fails or the body is no release."""
    body = get_json(f"{url}/release", seconds)
    try:
        return None if body is None else ReleaseFacts.model_validate(body)
    except ValidationError:
        return None


def get_json(url: str, seconds: float = TIMEOUT_SECONDS) -> dict[str, Any] | None:
    """Return the JSON object at `url`; None when the request fails or the body is no JSON object."""
    response = _get(url, seconds)
    if response is None or response.status_code != HTTPStatus.OK:
        return None
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def is_ready(url: str, seconds: float = TIMEOUT_SECONDS) -> bool:
    """Return whether `GET /readyz` responds with status 200."""
    return is_ok(f"{url}/readyz", seconds)


def is_ok(url: str, seconds: float = TIMEOUT_SECONDS) -> bool:
    """Return whether `GET url` responds with status 200."""
    response = _get(url, seconds)
    return response is not None and response.status_code == HTTPStatus.OK


def serves(url: str, version: str, commit: str, seconds: float = TIMEOUT_SECONDS) -> bool:
    """Return whether `url` serves the release `version` built from `commit`."""
    release = get_release(url, seconds)
    return release is not None and (release.version, release.commit) == (version, commit)


def is_reachable(url: str, seconds: float = TIMEOUT_SECONDS) -> bool:
    """Return whether `url` responds at all, with any status."""
    return _get(url, seconds) is not None


def _get(url: str, seconds: float) -> httpx.Response | None:
    """Return the response of `GET url`, or None when there is none."""
    import httpx

    try:
        return client().get(url, timeout=seconds)
    except httpx.HTTPError:
        return None
