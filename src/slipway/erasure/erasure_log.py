"""The log of erasures, `erasures.json`, which is committed: when, how much, and which objects replaced which.

It holds neither the key nor a row. The key has a hash under a secret that stays in this clone, so that a killed erasure
continues only with its own key.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from slipway.errors import UnreadableFileError, restore_command
from slipway.files import write_json, write_new
from slipway.schema.bounds import Absent

LOG = Path("erasures.json")
SECRET = Path(".dvc/tmp/erasure-secret")
SECRET_BYTES = 32


class Erasure(BaseModel):
    """One erasure. Counts are those of its last run, which may have continued a killed one."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    started: str
    """Time, UTC; it identifies the erasure."""
    finished: Absent[str] = None
    """None while it is incomplete."""
    key: str
    """Hash of the key under the secret of the clone that started it."""
    column: str
    rows: int = 0
    """Removed from files of the data, over all versions."""
    logged: int = 0
    """Removed from the prediction log, raw and collected."""
    replaced: dict[str, str] = {}
    """New MD5 of each erased object; a digest that ends in `.dir` is a version of a folder."""
    dropped: list[str] = []
    """MD5 of each output of a stage that was removed from caches and remotes; `dvc repro` makes it again."""
    releases: list[str] = []
    """Releases that were trained on an erased row."""


class ErasureLog(BaseModel):
    """Content of `erasures.json`, oldest first."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    erasures: list[Erasure] = []

    @property
    def replaced(self) -> dict[str, str]:
        """Return the new MD5 of every object that was ever erased."""
        return {old: new for erasure in self.erasures for old, new in erasure.replaced.items()}

    @property
    def unfinished(self) -> Erasure | None:
        """Return the erasure to continue."""
        return next((erasure for erasure in self.erasures if erasure.finished is None), None)

    def with_erasure(self, changed: Erasure) -> ErasureLog:
        """Return the log with an erasure added, or in place of its earlier state."""
        others = [erasure for erasure in self.erasures if erasure.started != changed.started]
        return ErasureLog(erasures=[*others, changed])


def read() -> ErasureLog:
    """Return the log; an empty one where there is none. Raises UserError for other content."""
    try:
        return ErasureLog.model_validate_json(LOG.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ErasureLog()
    except (ValidationError, json.JSONDecodeError):
        raise UnreadableFileError(f"{LOG}: not a log of erasures; run {restore_command(LOG)}") from None


def write(log: ErasureLog) -> None:
    """Write the log."""
    write_json(LOG, log.model_dump(mode="json"))


def hashed(key: str) -> str:
    """Return the hash of a key under this clone's secret, which is created if there is none."""
    if not SECRET.exists():
        SECRET.parent.mkdir(parents=True, exist_ok=True)
        write_new(SECRET, secrets.token_bytes(SECRET_BYTES), 0o600)
    return hmac.new(SECRET.read_bytes(), key.encode(), hashlib.sha256).hexdigest()
