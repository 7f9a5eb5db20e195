"""What the history shows of a stored result, and of the differences of two snapshots."""

from __future__ import annotations

import json
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from slipway.schema.bounds import Absent, Evidence

Pair = tuple[Any, Any]
"""The values before and after; None for a missing one."""


class ChampionRecord(BaseModel):
    """The release that a model was compared with."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    version: str | None = None


class JobRecord(BaseModel):
    """Start, duration and circumstances of a job. Any version of the template may have written it."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    started: AwareDatetime
    seconds: float
    by: Absent[str] = None
    run: Absent[str] = None
    machine: Absent[str] = None
    python: Absent[str] = None
    stages: Absent[dict[str, float]] = None
    """Seconds of each stage that ran."""
    resources: Absent[dict[str, Any]] = None
    stale: Absent[list[str]] = None
    changed_files: Absent[list[str]] = None
    champion: Absent[ChampionRecord] = None
    candidate: Absent[str] = None
    """Hash of the model in dvc.lock."""

    @classmethod
    def parse(cls, text: str | bytes) -> JobRecord:
        """Return the record of a result in JSON. Raises ValueError for another form."""
        result = json.loads(text)
        return cls.model_validate(result["evidence"] | {name: result[name] for name in ("started", "seconds")})


class SnapshotDiff(Evidence):
    """The differences of two snapshots by the name of each differing item, and the commits between them."""

    before: str
    after: str
    parameters: dict[str, Pair]
    metrics: dict[str, Pair]
    data: dict[str, Pair]
    outputs: dict[str, Pair]
    packages: dict[str, Pair]
    commits: list[str]
    """A line for each, with `+` or `-`, newest first."""

    @property
    def parts(self) -> dict[str, dict[str, Pair]]:
        """Return the differences by the part of the snapshot."""
        return {
            "parameters": self.parameters,
            "metrics": self.metrics,
            "data": self.data,
            "outputs": self.outputs,
            "packages": self.packages,
        }
