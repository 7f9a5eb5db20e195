"""Start of a release in an environment that holds only what it installs, before any environment gets it.

A build runs where every package of the repository is installed, so a package that the release lacks is noticed here
first. The release must predict its known rows as the build did.
"""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING

from slipway.environment import client
from slipway.errors import ReleaseFailedError
from slipway.files.tail import last_line
from slipway.gates import Outcome
from slipway.release import packages, smoke_rows
from slipway.serving import prediction_log
from slipway.serving.run import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.release.manifest import Release

POLL_SECONDS = 0.05
STOP_SECONDS = 10  # for the service to end
MISSING_MODULE = re.compile(r"No module named '([\w.]+)'")


def require_start(release: Release, folder: Path, ready_seconds: float, *, installs_problem: bool) -> None:
    """Start `release` with its own packages, and request its known rows. `folder` is for what this writes.

    `installs_problem` is whether the release installs the dependency group `problem`. Raises UserError with the reason
    if the service ends, is not ready after `ready_seconds` or predicts anything else.
    """
    environment, scratch, log = folder / "environment", folder / "scratch", folder / "service.log"
    scratch.mkdir(parents=True)
    packages.install(release, environment)
    port = free_port()
    command, variables = packages.command(release, environment, port, scratch)
    variables.pop(prediction_log.FOLDER_VARIABLE, None)
    with log.open("wb") as output:
        service = subprocess.Popen(command, cwd=release.folder, env=variables, stdout=output, stderr=output)
    try:
        if problem := _problem(service, release, f"http://127.0.0.1:{port}", ready_seconds):
            end = last_line(log)
            quoted = f"; its log ends with: {end}" if end else ""
            fix = _fix(log, installs_problem=installs_problem)
            raise ReleaseFailedError(
                f"{release.version}: fails with the packages that it installs: {problem}{quoted}{fix}"
            )
    finally:
        _stop(service)


def _problem(service: subprocess.Popen[bytes], release: Release, url: str, ready_seconds: float) -> str:
    """Return what the service did not do; empty if it predicted its known rows."""
    deadline = time.monotonic() + ready_seconds
    while not client.is_ready(url):
        if service.poll() is not None:
            return "it does not start"
        if time.monotonic() > deadline:
            return f"it is not ready after {ready_seconds:g} s"
        time.sleep(POLL_SECONDS)
    expected = release.smoke_test()
    verdict = smoke_rows.judge_predictions(expected, smoke_rows.request_predictions(url, expected))
    return (
        ""
        if verdict.outcome is Outcome.PASS
        else f"it returns different predictions for its known rows ({verdict.observed})"
    )


def _fix(log: Path, *, installs_problem: bool) -> str:
    """Return what to do about a missing module; empty if the log names none."""
    modules = MISSING_MODULE.findall(log.read_text(encoding="utf-8", errors="replace"))
    if not modules:
        return ""
    package = modules[-1].split(".")[0]
    if installs_problem:
        return f"; run `uv add --group problem` with the package of {package}, commit, and build again"
    return (
        f"; import {package} inside the functions of src/problem that need it, because the service imports `Row` only"
    )


def _stop(service: subprocess.Popen[bytes]) -> None:
    """Stop the service, whose workers end with it."""
    service.terminate()
    try:
        service.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        service.kill()
        service.wait()
