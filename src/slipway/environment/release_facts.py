"""Content of `release.json`: what a running release reports about itself at `/release`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ReleaseFacts(BaseModel):
    """Facts about a release. Other versions of the template may have more keys, which are kept and compared."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    version: str
    """Version, such as `v0.1.0`."""
    commit: str | None = None
    """Commit from which the release was built; None for a model in development."""
    built: str | None = None
    """Time of the commit in ISO 8601."""
    data: str | None = None
    """MD5 of the data, by DVC."""
    model: str | None = None
    """MD5 of the model, by DVC."""
    files: dict[str, str] = {}
    """SHA-256 of each file of the model."""
