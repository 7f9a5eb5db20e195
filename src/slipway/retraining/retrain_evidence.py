"""Evidence of the job `retrain`, in results/retrain.json, which the command `propose` reads."""

from __future__ import annotations

from typing import Final

from slipway.results import Job, JobResult
from slipway.schema.bounds import Evidence, Maybe


class RetrainEvidence(Evidence):
    """The trigger of a retraining, and what it made. One without a proposal has no commit, file, outcome or change."""

    trigger: str
    because: str
    """Evidence of the trigger as text."""
    proposal: bool = False
    base: str = ""
    """Commit on which the retraining ran."""
    files: list[str] = []
    """Names of the new data files."""
    outcomes: dict[str, str] = {}
    """Outcome of the gates of each job."""
    changes: list[str] = []
    """Paths that the proposal changes."""


RETRAIN: Final = Job("retrain", JobResult[Maybe[RetrainEvidence]])
