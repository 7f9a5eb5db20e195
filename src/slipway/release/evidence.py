"""Evidence about a release, stored with it: results of its checks, load tests and deployments.

A release is sealed before its evidence exists, so evidence is not part of it. The name of a file contains the time of
its run, and files never change: another run of a check adds files.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway import output, results
from slipway.environment.place import ENVIRONMENTS
from slipway.environment.versions import VERSION
from slipway.errors import UnreadableFileError
from slipway.github import workflows
from slipway.github.api import IMMUTABLE, ApiError
from slipway.results import JobResult
from slipway.schema.bounds import Absent, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.environment.desired_state import DesiredState
    from slipway.release.store import Store

VERSIONS_IN_USE_MIN = 3  # of an environment: the running release, the one before it, and the target of a rollback
RESULT_FILE = re.compile(r"(.+)-(\d{8}T\d{6}Z)\.json")
"""Name of a stored result: `[<environment>-]<job>-<time>.json`."""
PAGES = ("report.html", "report.md")  # that a job may write in results/<job>/


def store_results(store: Store, version: str | None, directory: Path = results.RESULTS) -> dict[str, list[str]]:
    """Store each result in `directory` with the release that it names, or with `version` when it names none.

    Returns the names of the stored files by version. A result whose release is not in the store is skipped.
    """
    stored, files_by_version = set(store.versions()), defaultdict[str, list[Path]](list)
    with TemporaryDirectory() as scratch:
        for job, result in results.read(directory).items():
            release = version if result.release is None else result.release
            if release in stored:
                files_by_version[release].extend(_copies(directory, job, result, Path(scratch)))
        for release, files in files_by_version.items():
            store.add_evidence(release, files)
    return {release: [file.name for file in files] for release, files in files_by_version.items()}


@contextmanager
def unless_immutable(consequence: str) -> Iterator[None]:
    """Suppress the refusal of GitHub's immutable releases to accept evidence: it becomes a line in the job summary."""
    try:
        yield
    except ApiError as error:
        if IMMUTABLE not in str(error):
            raise
        note = f"No evidence was stored with the release: {error}, or set SLIPWAY_STORE to another store. {consequence}"
        output.warn(note)
        workflows.add_to_summary(f"\n{note}\n")


def results_of(store: Store, version: str, job: str) -> Iterator[JobResult]:
    """Yield every stored result of `job` about a release, of any environment, newest first."""
    names = {f"{prefix}{job}" for prefix in ("", *(f"{environment}-" for environment in ENVIRONMENTS))}
    matches = (RESULT_FILE.fullmatch(name) for name in store.evidence_names(version))
    for match in sorted((match for match in matches if match and match[1] in names), key=_time, reverse=True):
        yield JobResult.model_validate_json(store.read_evidence(version, match[0]))


def _time(match: re.Match[str]) -> str:
    return match[2]


def _copies(directory: Path, job: str, result: JobResult, scratch: Path) -> list[Path]:
    """Copy a result and its pages into `scratch` under the names by which they are stored."""
    environment, time = result.environment, f"{result.started.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    name = "-".join([*([environment] if environment in ENVIRONMENTS else []), job, time])
    files = [directory / f"{job}.json", *(directory / job / page for page in PAGES)]
    return [Path(shutil.copyfile(file, scratch / f"{name}{file.suffix}")) for file in files if file.is_file()]


class BuildEvidence(Evidence):
    """Circumstances of a build. They differ between runs, so they are not part of a release, which is reproducible."""

    by: str
    """User who ran it."""
    run: str
    """URL of the workflow run."""
    machine: str
    python: str
    """Version of Python, such as 3.11.9."""
    release: Absent[str] = None
    digest: Absent[str] = None


def circumstances() -> BuildEvidence:
    """Return the user, workflow run, machine and Python of this process."""
    return BuildEvidence(
        by=workflows.actor() or os.environ.get("USER") or "unknown",
        run=workflows.run_url() or "by hand",
        machine=platform.platform(),
        python=platform.python_version(),
    )


def prunable(stored: list[str], used: set[str], keep: int) -> list[str]:
    """Return the versions in `stored`, oldest first, that are neither among the newest `keep` nor in `used`."""
    return [version for version in stored[:-keep] if version not in used]


def in_use(desired_state: DesiredState) -> set[str]:
    """Return the versions in the newest desired states of an environment, at least those that a rollback needs.

    Raises UserError when one of these states cannot be read, because a release in use could then be deleted.
    """
    desired_state.read()
    used: set[str] = set()
    for promotion in desired_state.history():
        if len(used) >= VERSIONS_IN_USE_MIN:
            break
        if promotion.problem:
            raise UnreadableFileError(f"commit {promotion.commit[:12]}: {promotion.problem}")
        if promotion.content is not None:
            used |= {match[0] for match in VERSION.finditer(promotion.content.model_dump_json())}
    return used
