"""Scoring of a folder: each file is a task of a Dask cluster, and its output is a Parquet file of the same name.

A file that cannot be scored is reported in one line, and the others complete. A later run scores only what is missing.
"""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from slipway import output
from slipway.dvc.files import blobs
from slipway.errors import ArgumentError, BusyError, DataError, MissingFileError, ToolError
from slipway.files import locks, make_folder, write_bytes
from slipway.score import cluster, input_checks, input_sample, task
from slipway.score.one_file import VerifiedModel
from slipway.score.task import FileJob, FileOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distributed import Client

    from slipway.score.input_sample import InputSample
    from slipway.settings import Settings

LOCK = ".lock"
HIDDEN = (".", "_")
"""First characters of the names that are no data, such as `_SUCCESS`."""


@dataclass
class FolderResult:
    """Result of a folder, in files and rows."""

    files: int
    scored: int = 0
    broken: int = 0
    resumed: int = 0
    """Rows that an earlier run completed."""
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)


def score_folder(
    source: Path,
    target: Path,
    model: VerifiedModel,
    skip_bad: Path | None,
    settings: Settings,
    scheduler: str | None,
) -> None:
    """Score every file of the folder `source` into the folder `target`, check a sample of them, and print the result.

    Files, outputs and the copy of the model must have the same paths on every machine of the cluster. Raises DataError
    if a file could not be scored.
    """
    limits = settings.score
    start, outputs = time.monotonic(), _outputs(source, target, skip_bad)
    with _alone(target), _shared(model, target) as shared:
        limits_of_task = limits.model_copy(update={"threads": 1})
        sample, empty = (input_sample.sampled(settings, len(outputs)) for _ in range(2))
        jobs = {
            str(path): FileJob(path, output_path, bad, shared, limits_of_task, task.code(), empty)
            for path, output_path, bad in outputs
        }
        with cluster.connected(scheduler, limits.threads) as client:
            result = _score(client, jobs, sample, source.resolve())
    result.seconds = time.monotonic() - start
    if result.errors:
        raise DataError(
            f"{source}: {len(result.errors)} of {result.files} files failed, the first: {result.errors[0]};"
            " the others are complete, and the same command continues"
        )
    if sample:
        result.findings = input_checks.report(source, sample, settings)
    skipped = f"; {result.broken:,} invalid rows in {skip_bad}" if skip_bad else ""
    text = f"{target}: {result.files:,} files, {result.scored:,} rows, {result.resumed:,} of them earlier,"
    text += f" scored by {model.released} in {result.seconds:.1f} s{skipped}"
    output.result({"release": model.released, **asdict(result)}, text)
    input_checks.refuse(source, result.findings, limits)


def _outputs(source: Path, target: Path, skip_bad: Path | None) -> list[tuple[Path, Path, Path | None]]:
    """Return (input, output, file for invalid rows) of each file, the largest first, with absolute paths.

    Raises UserError if a path is unusable.
    """
    source = source.resolve()
    for folder in (target, *([skip_bad] if skip_bad else [])):
        if folder.exists() and not folder.is_dir():
            raise ArgumentError(f"{folder}: is a file, and {source} is a folder; choose a folder")
        if folder.resolve().is_relative_to(source):
            raise ArgumentError(f"{folder}: is in {source}; choose a folder outside, so that no output is an input")
    paths = [path for path in source.rglob("*") if path.is_file() and not _is_hidden(path.relative_to(source))]
    if not paths:
        raise MissingFileError(f"{source}: has no files; enter the path of a folder with rows")
    names = {path: _output_name(path.relative_to(source)) for path in paths}
    first = {name: path for path, name in reversed(names.items())}
    if doubles := [path for path, name in names.items() if first[name] != path]:
        raise ArgumentError(f"{doubles[0]}: has the same output as {first[names[doubles[0]]]}; rename one")
    paths.sort(key=lambda path: (-path.stat().st_size, path))
    return [
        (path, target.resolve() / names[path], skip_bad.resolve() / names[path] if skip_bad else None) for path in paths
    ]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(HIDDEN) for part in path.parts)


def _output_name(path: Path) -> str:
    return str(path) if path.suffix == ".parquet" else f"{path}.parquet"


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Hold the lock on the output folder. Raises BusyError if another run holds it."""
    make_folder(target)
    try:
        lock = locks.take(target / LOCK, wait=False)
    except locks.LockedError:
        raise BusyError(f"{target}: another run is writing it; wait until it ends") from None
    with lock:
        yield


@contextmanager
def _shared(model: VerifiedModel, target: Path) -> Iterator[VerifiedModel]:
    """Yield a copy of the model in the output folder, which every worker can read; remove it after the run."""
    digest, _ = blobs(model.folder)
    folder = target.resolve() / f".model-{digest.split('.')[0]}"
    for file in model.folder.rglob("*"):
        if file.is_file():
            write_bytes(folder / file.relative_to(model.folder), file.read_bytes())
    try:
        yield VerifiedModel(folder, model.released)
    finally:
        shutil.rmtree(folder)


def _score(client: Client, jobs: dict[str, FileJob], sample: InputSample | None, source: Path) -> FolderResult:
    """Score every file of the folder `source`, collect their samples, and report the progress in bytes of the input."""
    sizes = {name: job.source.stat().st_size for name, job in jobs.items()}
    result, bytes_all, bytes_done = FolderResult(len(jobs)), sum(sizes.values()) or 1, 0
    progress = output.ProgressReporter("score", "rows")
    for count, (name, ended) in enumerate(cluster.outcomes(client, task.run, jobs), 1):
        outcome = ended if isinstance(ended, FileOutcome) else _failure(name, ended)
        if outcome.error:
            output.warn(f"score: {outcome.error}")
            result.errors.append(outcome.error)
        result.scored += outcome.scored
        result.broken += outcome.broken
        result.resumed += outcome.resumed
        if sample and outcome.sample:
            sample.merge(outcome.sample, str(jobs[name].source.relative_to(source)))
        bytes_done += sizes[name]
        rows, fraction = outcome.scored + outcome.broken, bytes_done / bytes_all
        progress.name = f"score: {count:,} of {len(jobs):,} files"
        if outcome.resumed == rows:
            progress.skip(rows, fraction)
        progress.add(rows - outcome.resumed, fraction)
    progress.finish()
    return result


def _failure(name: str, error: Exception) -> FileOutcome:
    """Return the outcome of a task that did not return one. Raises ToolError if no other file could succeed."""
    if isinstance(error, task.OtherCodeError | ImportError):
        raise ToolError(f"score: a worker cannot be used: {error}; install the same commit and packages on it")
    if cluster.died(error):
        reason = "the worker died each time, perhaps out of memory; lower score.chunk_rows in params.yaml"
        return FileOutcome(error=f"{name}: {reason}, or give workers more memory")
    return FileOutcome(error=f"{name}: {type(error).__name__}: {' '.join(str(error).split())}")
