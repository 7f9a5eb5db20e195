"""The task of a worker of the cluster: one file of a folder, with the code that scores a single file.

A task may run twice: a worker that the cluster has given up may still be alive. The lock of the output lets one of them
write, and the other finds the complete output. Its metadata has a hash of all that it depends on.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

import problem
import slipway
from slipway import output
from slipway.dvc.files import blobs
from slipway.errors import BusyError, UserError
from slipway.files import sha256
from slipway.release.manifest import RELEASE
from slipway.score.one_file import VerifiedModel, score_file
from slipway.score.run import SKIPPED, TOOLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.score.input_sample import InputSample
    from slipway.settings.serving import ScoreSection

INPUTS = "slipway.inputs"
"""Key of the metadata of an output: hash of file, model, code and packages."""
LOCK_INTERVAL_SECONDS = 1


@dataclass(frozen=True)
class FileJob:
    """A file of a folder, its output, and everything that a worker needs; paths are absolute."""

    source: Path
    target: Path
    skip_bad: Path | None
    model: VerifiedModel
    limits: ScoreSection
    code: Mapping[str, str]
    """Code and packages of the client, see `code`."""
    sample: InputSample | None = None
    """Empty; the outcome has it with rows of the file."""


@dataclass(frozen=True)
class FileOutcome:
    """Result of a file, in rows; for a file that cannot be scored, the reason in one line."""

    scored: int = 0
    broken: int = 0
    resumed: int = 0
    """Rows that an earlier run completed."""
    error: str = ""
    sample: InputSample | None = None
    """None of a file whose output was complete."""


class OtherCodeError(Exception):
    """The worker has other code or packages than the client, so its predictions may differ."""


@functools.cache
def code() -> dict[str, str]:
    """Return the versions of this process: hashes of the source of problem and engine, and packages."""
    packages = {name: version(name) for name in TOOLS} | {"Python": platform.python_version()}
    return {module.__name__: _digest(Path(str(module.__file__)).parent) for module in (problem, slipway)} | packages


def _digest(folder: Path) -> str:
    sources = {source.relative_to(folder).as_posix(): sha256(source) for source in folder.rglob("*.py")}
    return hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).hexdigest()[:12]


def run(job: FileJob) -> FileOutcome:
    """Score the file of a job unless its output is complete. Raises OtherCodeError."""
    if different := [
        f"{name} {code()[name]}, not {value}" for name, value in job.code.items() if code()[name] != value
    ]:
        raise OtherCodeError(f"{platform.node()} has {', '.join(different)}")
    try:
        with output.session(["--quiet"]):
            return _scored(job, _inputs(job))
    except UserError as error:
        return FileOutcome(error=str(error))
    except OSError as error:
        return FileOutcome(error=f"{error.filename or job.source}: {error.strerror or error}; fix it, and run again")


def _inputs(job: FileJob) -> str:
    """Return the hash of everything that the output depends on."""
    model, _ = blobs(job.model.folder, without=RELEASE)
    content = [sha256(job.source), job.source.suffix, model, job.model.released, dict(job.code)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _scored(job: FileJob, inputs: str) -> FileOutcome:
    while True:
        if complete := _complete(job, inputs):
            return complete
        try:
            sample = copy.deepcopy(job.sample)
            done = score_file(job.source, job.target, job.model, job.skip_bad, job.limits, {INPUTS: inputs}, sample)
            return FileOutcome(done.scored, done.broken, done.resumed, sample=sample)
        except BusyError:
            time.sleep(LOCK_INTERVAL_SECONDS)


def _complete(job: FileJob, inputs: str) -> FileOutcome | None:
    """Return the result of an earlier run whose output is complete and has the same inputs, or None."""
    if not job.target.exists():
        return None
    try:
        metadata = pq.read_metadata(job.target)
    except pa.ArrowException:
        return None  # a file of someone else, which is replaced
    recorded = metadata.metadata or {}
    skipped = int(recorded.get(SKIPPED.encode(), b"0"))
    has_all = not skipped or (job.skip_bad is not None and job.skip_bad.exists())
    if recorded.get(INPUTS.encode()) != inputs.encode() or not has_all:
        return None
    return FileOutcome(metadata.num_rows, skipped, metadata.num_rows + skipped)
