"""The evidence file of the stage `data`, read without pandas, so that `slipway data` starts quickly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from slipway.gates.data_evidence import DataEvidence

if TYPE_CHECKING:
    from pathlib import Path


def read_evidence(path: Path) -> DataEvidence | None:
    """Return the evidence at `path`; None where it is missing or invalid, so that everything is checked again."""
    try:
        return DataEvidence.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
