"""Batch prediction: read, validate, predict and write, chunk by chunk. A killed run is resumed by the next one."""

from __future__ import annotations

import inspect
import json
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pydantic_core import to_jsonable_python

from slipway import output, predictor
from slipway.checks.contract import quoted
from slipway.dvc.files import blobs
from slipway.errors import ArgumentError, DataError
from slipway.files import sha256
from slipway.release.manifest import RELEASE
from slipway.schema.csv_file import Dialect
from slipway.score import tables
from slipway.score.parts import BROKEN, SCORED, Checkpoints
from slipway.score.rows import RowChecker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from slipway.score.input_sample import InputSample
    from slipway.score.rows import CheckedRows
    from slipway.score.tables import Chunk
    from slipway.settings.serving import ScoreSection

ROW, RULES, PREDICTION, PROBABILITY = "row", "broken", "prediction", "probability_"
SKIPPED = "slipway.skipped"
"""Key of the metadata of an output: number of invalid rows of the input."""
TOOLS = ("numpy", "onnxruntime", "pyarrow", "pydantic", "scikit-learn")
"""Packages on which a prediction may depend, in addition to file, model and `Row`."""


@dataclass(frozen=True)
class ScoreJob:
    """Input, output and model of a batch prediction."""

    source: Path
    target: Path
    model: Path
    released: str
    """Version of the model, as the service reports it."""
    row: type[BaseModel]
    skip_bad: Path | None = None
    """File for invalid rows. Without it, the first invalid row ends the run."""
    dialect: Dialect = field(default_factory=Dialect)
    """Dialect of CSV input."""
    provenance: dict[str, str] = field(default_factory=dict)
    """Additional metadata of the output."""


@dataclass(frozen=True)
class ScoreResult:
    """Result of a batch prediction, in rows."""

    scored: int
    broken: int
    resumed: int
    """Rows that an earlier run completed."""
    seconds: float


def score(job: ScoreJob, limits: ScoreSection, sample: InputSample | None = None) -> ScoreResult:
    """Score a file with `limits`, the section `score` of params.yaml, and draw a sample of it. Raises UserError."""
    start = time.monotonic()
    scorer = predictor.load(job.model)
    passthrough = _passthrough_columns(job, scorer.signature)
    with Checkpoints.of(job.target, _plan(job, limits)) as checkpoints:
        resumed = _score_chunks(job, limits, scorer, passthrough, checkpoints, sample)
        folder = checkpoints.folder
        broken = tables.write(job.skip_bad, folder, checkpoints.load(BROKEN), {}) if job.skip_bad else 0
        model, _ = blobs(job.model, without=RELEASE)
        provenance = {"slipway.release": job.released, "slipway.model": model, SKIPPED: str(broken)}
        scored = tables.write(job.target, folder, checkpoints.load(SCORED), provenance | job.provenance)
    return ScoreResult(scored, broken, resumed, time.monotonic() - start)


def _passthrough_columns(job: ScoreJob, signature: Mapping[str, Any]) -> list[str]:
    """Return the columns that are copied to the output: all that the model does not use.

    Raises UserError if the input lacks a column, or if the output cannot have one.
    """
    outputs = [job.target, *([job.skip_bad] if job.skip_bad else [])]
    if len({path.resolve() for path in (job.source, *outputs)}) <= len(outputs):
        raise ArgumentError(f"{job.target}: input and outputs must be different files; choose another name")
    schema, fields = tables.schema_of(job.source, job.dialect), job.row.model_fields
    if absent := [name for name, field in fields.items() if name not in schema.names and field.is_required()]:
        raise DataError(f"{job.source}: has no column {absent[0]}, which {job.row.__name__} requires; add it")
    passthrough = [name for name in schema.names if name not in fields]
    if conflicts := sorted(set(passthrough) & set(_prediction_columns(signature))):
        raise DataError(f"{job.source}: column {conflicts[0]} conflicts with a column of the predictions; rename it")
    for path in outputs:
        tables.refuse_unwritable(path, [schema.field(name) for name in passthrough])
    return passthrough


def _plan(job: ScoreJob, limits: ScoreSection) -> dict[str, Any]:
    """Return everything that the checkpoints depend on."""
    return {
        "source": [sha256(job.source), job.source.suffix, repr(job.dialect)],
        "model": blobs(job.model)[0],
        "row": [json.dumps(job.row.model_json_schema()), sha256(Path(inspect.getfile(job.row)))],
        "chunk_rows": limits.chunk_rows,
        "tools": {name: version(name) for name in TOOLS},
    }


def _score_chunks(
    job: ScoreJob,
    limits: ScoreSection,
    scorer: predictor.Predictor,
    passthrough: list[str],
    checkpoints: Checkpoints,
    sample: InputSample | None,
) -> int:
    """Score every incomplete chunk, and return the number of rows in the complete ones.

    This thread reads and validates in order, so that the first invalid row is reported; other threads predict.
    """
    checker, progress, resumed = RowChecker(job.row), output.ProgressReporter("score", "rows"), 0
    threads = limits.threads
    with ThreadPoolExecutor(threads, "score") as pool:
        waiting: deque[tuple[Future[None], Chunk]] = deque()
        for chunk in tables.read(job.source, job.row, limits.chunk_rows, job.dialect):
            features = _with_defaults(chunk, job.row)
            if sample:
                sample.add(chunk, features)
            if checkpoints.has(chunk.number):
                resumed += len(chunk.raw)
                progress.skip(len(chunk.raw), chunk.read_fraction)
                continue
            checked = checker.check(features, chunk.invalid)
            _refuse(job, chunk, checked)
            future = pool.submit(_score_chunk, chunk, checked, scorer, passthrough, checkpoints)
            waiting.append((future, chunk))
            while len(waiting) > threads:
                _finish(waiting, progress)
        while waiting:
            _finish(waiting, progress)
    progress.finish()
    return resumed


def _finish(waiting: deque[tuple[Future[None], Chunk]], progress: output.ProgressReporter) -> None:
    future, chunk = waiting.popleft()
    future.result()
    progress.add(len(chunk.raw), chunk.read_fraction)


def _with_defaults(chunk: Chunk, row: type[BaseModel]) -> pa.RecordBatch:
    """Return the columns of `row`; a column that the file lacks has its default."""
    present = dict(zip(chunk.columns.schema.names, chunk.columns.columns, strict=True))
    for name, definition in row.model_fields.items():
        if name not in present:
            present[name] = pa.repeat(
                to_jsonable_python(definition.get_default(call_default_factory=True)), len(chunk.raw)
            )
    return pa.RecordBatch.from_arrays(list(present.values()), list(present))


def _refuse(job: ScoreJob, chunk: Chunk, checked: CheckedRows) -> None:
    if checked.broken and not job.skip_bad:
        index = min(checked.broken)
        raise DataError(
            f"{job.source}: row {chunk.start + index}: {_violations(chunk, index, checked)};"
            " fix it, or write invalid rows to a file with --skip-bad FILE"
        )


def _violations(chunk: Chunk, index: int, checked: CheckedRows) -> str:
    """Return the violations of a row as one line, each with the invalid value."""
    rules = ((detail["field"], " ".join(detail["rule"].split())) for detail in checked.broken[index])
    return "; ".join(f"{field} {_describe(chunk, index, field)}: {rule}" if field else rule for field, rule in rules)


def _describe(chunk: Chunk, index: int, name: str) -> str:
    value = chunk.raw.column(name)[index].as_py() if name in chunk.raw.schema.names else None
    return "is missing" if value is None else f"is {quoted(value)!r}"


def _score_chunk(
    chunk: Chunk,
    checked: CheckedRows,
    scorer: predictor.Predictor,
    passthrough: list[str],
    checkpoints: Checkpoints,
) -> None:
    """Score the valid rows of a chunk, and save them and the invalid ones."""
    table, values = pa.table(chunk.raw), checked.values
    if ROW not in table.column_names:
        table = table.add_column(0, ROW, pa.array(np.arange(chunk.start, chunk.start + len(table))))
    scored, broken = table, table.slice(0, 0)
    if checked.broken:
        valid = np.full(len(table), True)
        valid[list(checked.broken)] = False
        scored, broken = table.filter(pa.array(valid)), table.filter(pa.array(~valid))
        values = {name: column[valid] for name, column in values.items()}
    checkpoints.save(chunk.number, BROKEN, _with_violations(broken, chunk, checked))
    scored = scored.select(list(dict.fromkeys([ROW, *passthrough])))
    for name, predictions in _predictions(scorer, values, len(scored)).items():
        scored = scored.append_column(name, predictions)
    checkpoints.save(chunk.number, SCORED, scored)


def _with_violations(broken: pa.Table, chunk: Chunk, checked: CheckedRows) -> pa.Table:
    """Return the invalid rows of the file with their violations, which replace those of an earlier run."""
    violations = pa.array([_violations(chunk, index, checked) for index in sorted(checked.broken)], pa.string())
    others = broken.drop_columns([RULES]) if RULES in broken.column_names else broken
    table = others.add_column(1, RULES, violations)
    return tables.as_text(table) if chunk.is_text else table


def _prediction_columns(signature: Mapping[str, Any]) -> list[str]:
    """Return the names of the columns with predictions."""
    of_classes = [f"{PROBABILITY}{name}" for name in signature["classes"]] if signature["task"] == "multiclass" else []
    return [PREDICTION, *of_classes]


def _predictions(scorer: predictor.Predictor, values: Mapping[str, np.ndarray], rows: int) -> dict[str, pa.Array]:
    """Return the predictions by column; for several classes, the most probable one and the probability of each."""
    names, classes = _prediction_columns(scorer.signature), scorer.signature["classes"]
    scores = scorer.predict(values) if rows else np.empty((0, len(classes)))
    if len(names) == 1:
        return {PREDICTION: pa.array(scores.reshape(-1) if rows else [], pa.float64())}
    top_class = pa.array([str(name) for name in classes]).take(pa.array(scores.argmax(axis=1)))
    probabilities = [pa.array(column, pa.float64()) for column in scores.T]
    return dict(zip(names, [top_class, *probabilities], strict=True))
