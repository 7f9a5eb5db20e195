"""A manifest of a release, for tests whose subject is another part of the release."""

from __future__ import annotations

from typing import Any

from slipway.release.manifest import Manifest

COMMIT = "c" * 40


def manifest(version: str = "v0.1.0", **facts: Any) -> Manifest:
    """Return the manifest of `version` with the given facts in place of the usual ones."""
    usual = {
        "version": version,
        "commit": COMMIT,
        "built": "2026-01-02T00:00:00+02:00",
        "inputs": dict.fromkeys(("data", "model", "params", "requirements"), "0" * 32),
        "metrics": {},
        "service": {"command": ["{python}"], "environment": {}},
        "build": {"python": "3.11"},
    }
    return Manifest.model_validate({**usual, **facts})
