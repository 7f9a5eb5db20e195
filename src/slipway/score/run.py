"""The verb `score`: read, check, predict and write, chunk by chunk; killed at any point, the next run goes on."""

from __future__ import annotations

import inspect
import json
import sys
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

from slipway import predictor
from slipway.checks.contract import quoted
from slipway.csv_file import Dialect
from slipway.delivery.dvc_files import blobs
from slipway.delivery.release import RELEASE
from slipway.errors import UserError
from slipway.files import sha256
from slipway.score import tables
from slipway.score.parts import BROKEN, SCORED, Parts
from slipway.score.rows import Checker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from slipway.score.rows import Checked
    from slipway.score.tables import Chunk

ROW, RULES, PREDICTION, PROBABILITY = "row", "broken", "prediction", "probability_"
LOOK_SECONDS = 1  # between two lines of progress
TOOLS = ("numpy", "onnxruntime", "pyarrow", "pydantic", "scikit-learn")
"""What a prediction may depend on besides file, model and `Row`."""


@dataclass(frozen=True)
class Job:
    """What to score, by which model, and where the answers go."""

    source: Path
    target: Path
    model: Path
    released: str
    """Version of the model, as the service would show it."""
    row: type[BaseModel]
    skip_bad: Path | None = None
    """Where to write broken rows; without it, the first one ends the run."""
    dialect: Dialect = field(default_factory=Dialect)
    """How CSV is written."""


@dataclass(frozen=True)
class Done:
    """What became of a job."""

    scored: int
    broken: int
    resumed: int
    """Rows that an earlier run had done."""
    seconds: float


def score(job: Job, params: Mapping[str, Any]) -> Done:
    """Score a file by `params`, the section `score` of params.yaml. Raises UserError."""
    start = time.monotonic()
    scorer = predictor.load(job.model)
    passed = _passed(job, scorer.signature)
    with Parts.of(job.target, _plan(job, params)) as parts:
        resumed = _fill(job, params, scorer, passed, parts)
        broken = tables.write(job.skip_bad, parts.folder, parts.get(BROKEN), {}) if job.skip_bad else 0
        model, _ = blobs(job.model, without=RELEASE)
        made_by = {"slipway.release": job.released, "slipway.model": model}
        scored = tables.write(job.target, parts.folder, parts.get(SCORED), made_by)
    return Done(scored, broken, resumed, time.monotonic() - start)


def _passed(job: Job, signature: Mapping[str, Any]) -> list[str]:
    """Columns that are handed through: all that the model does not take. Raises UserError for what cannot be."""
    outputs = [job.target, *([job.skip_bad] if job.skip_bad else [])]
    if len({path.resolve() for path in (job.source, *outputs)}) <= len(outputs):
        raise UserError(f"{job.target}: input and outputs must be different files; name another")
    found, fields = tables.schema_of(job.source, job.dialect), job.row.model_fields
    if absent := [name for name, field in fields.items() if name not in found.names and field.is_required()]:
        raise UserError(f"{job.source}: has no column {absent[0]}, which {job.row.__name__} asks for; add it")
    passed = [name for name in found.names if name not in fields]
    if taken := sorted(set(passed) & set(_names(signature))):
        raise UserError(f"{job.source}: has a column {taken[0]}, as the answers do; rename it")
    for path in outputs:
        tables.refuse_unwritable(path, [found.field(name) for name in passed])
    return passed


def _plan(job: Job, params: Mapping[str, Any]) -> dict[str, Any]:
    """All that the parts depend on."""
    return {
        "source": [sha256(job.source), job.source.suffix, repr(job.dialect)],
        "model": blobs(job.model)[0],
        "row": [json.dumps(job.row.model_json_schema()), sha256(Path(inspect.getfile(job.row)))],
        "chunk_rows": params["chunk_rows"],
        "tools": {name: version(name) for name in TOOLS},
    }


def _fill(job: Job, params: Mapping[str, Any], scorer: predictor.Predictor, passed: list[str], parts: Parts) -> int:
    """Do every chunk that is not done. Returns the rows of those that were.

    This thread reads and checks, so that the first broken row is told whatever finishes first; others predict.
    """
    checker, progress, resumed = Checker(job.row), Progress(), 0
    threads = params["threads"]
    with ThreadPoolExecutor(threads, "score") as pool:
        waiting: deque[tuple[Future[None], Chunk]] = deque()
        for chunk in tables.read(job.source, job.row, params["chunk_rows"], job.dialect):
            if parts.has(chunk.number):
                resumed += len(chunk.raw)
                progress.skip(len(chunk.raw))
                continue
            checked = checker.check(_complete(chunk, job.row), chunk.odd)
            _refuse(job, chunk, checked)
            work = pool.submit(_do, chunk, checked, scorer, passed, parts)
            waiting.append((work, chunk))
            while len(waiting) > threads:
                _finish(waiting, progress)
        while waiting:
            _finish(waiting, progress)
    progress.say(1.0)
    return resumed


def _finish(waiting: deque[tuple[Future[None], Chunk]], progress: Progress) -> None:
    work, chunk = waiting.popleft()
    work.result()
    progress.add(len(chunk.raw), chunk.share)


def _complete(chunk: Chunk, row: type[BaseModel]) -> pa.RecordBatch:
    """The columns of `row`, each that the file lacks with its default."""
    present = dict(zip(chunk.columns.schema.names, chunk.columns.columns, strict=True))
    for name, about in row.model_fields.items():
        if name not in present:
            present[name] = pa.repeat(to_jsonable_python(about.get_default(call_default_factory=True)), len(chunk.raw))
    return pa.RecordBatch.from_arrays(list(present.values()), list(present))


def _refuse(job: Job, chunk: Chunk, checked: Checked) -> None:
    if checked.broken and not job.skip_bad:
        at = min(checked.broken)
        raise UserError(
            f"{job.source}: row {chunk.start + at}: {_told(chunk, at, checked)};"
            " mend it, or have such rows written aside with --skip-bad FILE"
        )


def _told(chunk: Chunk, at: int, checked: Checked) -> str:
    """The broken rules of a row in one line, each with the value that breaks it."""
    rules = ((one["field"], " ".join(one["rule"].split())) for one in checked.broken[at])
    return "; ".join(f"{field} {_shown(chunk, at, field)}: {rule}" if field else rule for field, rule in rules)


def _shown(chunk: Chunk, at: int, name: str) -> str:
    value = chunk.raw.column(name)[at].as_py() if name in chunk.raw.schema.names else None
    return "is missing" if value is None else f"is {quoted(value)!r}"


def _do(chunk: Chunk, checked: Checked, scorer: predictor.Predictor, passed: list[str], parts: Parts) -> None:
    """Predict the valid rows of a chunk, and keep them and the broken ones."""
    table, values = pa.table(chunk.raw), checked.values
    if ROW not in table.column_names:
        table = table.add_column(0, ROW, pa.array(np.arange(chunk.start, chunk.start + len(table))))
    kept, bad = table, table.slice(0, 0)
    if checked.broken:
        good = np.full(len(table), True)
        good[list(checked.broken)] = False
        kept, bad = table.filter(pa.array(good)), table.filter(pa.array(~good))
        values = {name: column[good] for name, column in values.items()}
    parts.put(chunk.number, BROKEN, _with_rules(bad, chunk, checked))
    kept = kept.select(list(dict.fromkeys([ROW, *passed])))
    for name, answer in _answers(scorer, values, len(kept)).items():
        kept = kept.append_column(name, answer)
    parts.put(chunk.number, SCORED, kept)


def _with_rules(bad: pa.Table, chunk: Chunk, checked: Checked) -> pa.Table:
    """Broken rows as they stand in the file, and the rules that each breaks; those that an earlier run told go."""
    rules = pa.array([_told(chunk, row, checked) for row in sorted(checked.broken)], pa.string())
    others = bad.drop_columns([RULES]) if RULES in bad.column_names else bad
    told = others.add_column(1, RULES, rules)
    return tables.as_text(told) if chunk.is_text else told


def _names(signature: Mapping[str, Any]) -> list[str]:
    """Columns of the answers."""
    of_classes = [f"{PROBABILITY}{name}" for name in signature["classes"]] if signature["task"] == "multiclass" else []
    return [PREDICTION, *of_classes]


def _answers(scorer: predictor.Predictor, values: Mapping[str, np.ndarray], rows: int) -> dict[str, pa.Array]:
    """The prediction of each row; of several classes the likeliest by its name, and the probability of each."""
    names, classes = _names(scorer.signature), scorer.signature["classes"]
    scores = scorer.predict(values) if rows else np.empty((0, len(classes)))
    if len(names) == 1:
        return {PREDICTION: pa.array(scores.reshape(-1) if rows else [], pa.float64())}
    likeliest = pa.array([str(name) for name in classes]).take(pa.array(scores.argmax(axis=1)))
    return dict(zip(names, [likeliest, *(pa.array(one, pa.float64()) for one in scores.T)], strict=True))


class Progress:
    """Says on stderr how far a run is, and how fast."""

    def __init__(self) -> None:
        self._start = self._said = time.monotonic()
        self._rows = self._before = 0

    def skip(self, rows: int) -> None:
        """Count rows that an earlier run has done."""
        self._before += rows

    def add(self, rows: int, share: float) -> None:
        """Count rows that were done, after which `share` of the file is."""
        self._rows += rows
        if time.monotonic() - self._said > LOOK_SECONDS:
            self.say(share)

    def say(self, share: float) -> None:
        """Print a line."""
        self._said = time.monotonic()
        speed = self._rows / max(self._said - self._start, 1e-9)
        done = self._rows + self._before
        print(f"score: {done:,} rows, {share:.0%}, {speed:,.0f} rows/s", file=sys.stderr, flush=True)
