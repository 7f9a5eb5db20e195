"""Scoring of one file with a verified model: of raw data through `problem.read`, or of rows as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import problem
from slipway.errors import DataError, UserError
from slipway.schema.csv_file import Dialect
from slipway.score import tables
from slipway.score.run import ScoreJob, ScoreResult, score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.score.input_sample import InputSample
    from slipway.settings.serving import ScoreSection


@dataclass(frozen=True)
class VerifiedModel:
    """Folder of a model whose hashes were verified, and its version as the service reports it."""

    folder: Path
    released: str


def score_file(
    source: Path,
    target: Path,
    model: VerifiedModel,
    skip_bad: Path | None,
    limits: ScoreSection,
    provenance: Mapping[str, str] | None = None,
    sample: InputSample | None = None,
) -> ScoreResult:
    """Score `source` into `target`, whose metadata records `provenance` too, and draw a sample of the rows.

    Raises UserError, which names `source`.
    """
    dialect = Dialect(**getattr(problem, "CSV", {}))
    with TemporaryDirectory() as scratch:
        prepared = _prepared(source, dialect, Path(scratch))
        job = ScoreJob(
            prepared, target, model.folder, model.released, problem.Row, skip_bad, dialect, dict(provenance or {})
        )
        try:
            return score(job, limits, sample)
        except UserError as error:
            error.args = (str(error).replace(str(prepared), str(source)),)
            raise


def _prepared(source: Path, dialect: Dialect, scratch: Path) -> Path:
    """Return the file to score: `source`, or the result of `problem.read` if it has the columns of raw data."""
    names = tables.schema_of(source, dialect).names
    required = [name for name, field in problem.Row.model_fields.items() if field.is_required()]
    if set(required) <= set(names) or not hasattr(problem, "read"):
        return source
    try:
        frame = problem.read(source)
    except ValueError as error:
        raise DataError(str(error)) from None
    if frame.columns.empty or frame[required].isna().all().all():
        return source  # not raw data either; the missing column is reported as for any file
    path = scratch / f"{source.name}.parquet"
    frame.to_parquet(path, index=False)
    return path
