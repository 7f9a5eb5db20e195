"""Evidence about a release, kept beside it in the store: results of its checks, load test and deployment.

A release is sealed before any of it exists, so it cannot be part of one. Each file has the time of its run in its name,
and stays as it was: a check that is run again adds files.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway import results
from slipway.delivery.home import ENVIRONMENTS
from slipway.delivery.versions import VERSION
from slipway.errors import UserError
from slipway.results import JobResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slipway.delivery.desired_state import DeployBranch
    from slipway.delivery.store import Store

KEPT_BACK = 3  # versions of an environment at least: what it runs, what it ran last, and where a rollback would go
RESULT_FILE = re.compile(r"(.+)-(\d{8}T\d{6}Z)\.json")
"""Name of a result that is kept beside a release: job, with the environment before it if there was one, and time."""
PAGES = ("report.html", "report.md")  # what a job may leave beside its JSON, in results/<job>/


def store_results(store: Store, version: str | None, directory: Path = results.RESULTS) -> dict[str, list[str]]:
    """Keep each result in `directory` with the release that it names, or else with `version`.

    Returns the names of the files by version. A result that names no release in the store is left out.
    """
    stored, kept = set(store.versions()), {}
    with TemporaryDirectory() as scratch:
        for job, result in results.read(directory).items():
            about = result.evidence.get("release", version)
            if about in stored:
                kept.setdefault(about, []).extend(_copies(directory, job, result, Path(scratch)))
        for about, files in kept.items():
            store.add_evidence(about, files)
    return {about: [file.name for file in files] for about, files in kept.items()}


def results_of(store: Store, version: str, job: str) -> Iterator[JobResult]:
    """Every result of `job` that is kept beside a release, of whatever environment, the newest first."""
    names = {f"{where}{job}" for where in ("", *(f"{one}-" for one in ENVIRONMENTS))}
    found = (
        match for name in store.evidence_names(version) if (match := RESULT_FILE.fullmatch(name)) and match[1] in names
    )
    for match in sorted(found, key=lambda one: one[2], reverse=True):
        yield JobResult.model_validate_json(store.read_evidence(version, match[0]))


def _copies(directory: Path, job: str, result: JobResult, scratch: Path) -> list[Path]:
    """The result and its pages, under the names that they are kept by."""
    where = result.evidence.get("environment")
    name = "-".join(
        [*([where] if where in ENVIRONMENTS else []), job, f"{result.started.astimezone(UTC):%Y%m%dT%H%M%SZ}"]
    )
    files = [directory / f"{job}.json", *(directory / job / page for page in PAGES)]
    return [Path(shutil.copyfile(file, scratch / f"{name}{file.suffix}")) for file in files if file.is_file()]


def circumstances() -> dict[str, str]:
    """Who and what ran this: it differs from run to run, so it is evidence, and no part of a release's digest."""
    return {
        "by": os.environ.get("GITHUB_ACTOR") or os.environ.get("USER") or "unknown",
        "run": run_url() or "by hand",
        "machine": platform.platform(),
        "python": platform.python_version(),
    }


def run_url() -> str | None:
    """Address of the workflow run that this is part of; None outside of one."""
    server, repository, run = (os.environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else None


def superfluous(stored: list[str], named: set[str], keep: int) -> list[str]:
    """Releases that may go: none of the newest `keep` of `stored`, given oldest first, and none that is `named`."""
    return [version for version in stored[:-keep] if version not in named]


def in_use(branch: DeployBranch, environment: str) -> set[str]:
    """Every version that the newest contents of an environment's file name, so that a rollback finds its release.

    Raises UserError when one of these contents cannot be read: a release that is in use could be deleted.
    """
    branch.read(environment)
    found: dict[str, None] = {}
    for promotion in branch.history(environment):
        if len(found) >= KEPT_BACK:
            break
        if promotion.problem:
            raise UserError(f"commit {promotion.commit[:12]}: {promotion.problem}")
        if promotion.content is not None:
            found |= dict.fromkeys(match[0] for match in VERSION.finditer(promotion.content.model_dump_json()))
    return set(found)
