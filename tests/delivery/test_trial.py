"""A release is started with its own packages before it is published; the services are stubs."""

from __future__ import annotations

import time

import psutil
import pytest

from slipway.errors import ReleaseFailedError
from slipway.release import manifest, packages, trial

READY_SECONDS = 10
PACKAGES = "; run `uv add --group problem` with the package of tiny_trees, commit, and build again"
ROW_ONLY = (
    "; import tiny_trees inside the functions of src/problem that need it, because the service imports `Row` only"
)


def _start(project, tmp_path, kind, ready_seconds=READY_SECONDS, *, installs_problem=True) -> manifest.Release:
    release = manifest.verify(project.build("v0.1.0", kind))
    before = manifest.digest_of(release.folder)
    try:
        trial.require_start(release, tmp_path / "trial", ready_seconds, installs_problem=installs_problem)
    finally:
        assert before == manifest.verify(release.folder).digest
        own = str(tmp_path / "trial")
        running = [
            process for process in psutil.process_iter(["cmdline"]) if own in " ".join(process.info["cmdline"] or [])
        ]
        assert [] == running
    return release


def test_a_release_that_predicts_its_known_rows_is_accepted(project, tmp_path):
    _start(project, tmp_path, "good")
    assert [] == [path.name for path in (tmp_path / "trial/environment").glob("lib/python*/site-packages/numpy")]


@pytest.mark.parametrize(("installs_problem", "fix"), [(True, PACKAGES), (False, ROW_ONLY)])
def test_a_release_that_lacks_a_package_is_refused_with_the_fix(project, tmp_path, installs_problem, fix):
    began = time.monotonic()
    with pytest.raises(ReleaseFailedError) as refused:
        _start(project, tmp_path, "bare", installs_problem=installs_problem)
    reason = "ModuleNotFoundError: No module named 'tiny_trees'"
    expected = f"v0.1.0: fails with the packages that it installs: it does not start; its log ends with: {reason}{fix}"
    assert expected == str(refused.value)
    assert time.monotonic() - began < READY_SECONDS


@pytest.mark.parametrize(
    ("kind", "seconds", "message"),
    [
        ("crash", READY_SECONDS, "it does not start; its log ends with: this release cannot start"),
        ("deaf", 1, "it is not ready after 1 s"),
        ("other", READY_SECONDS, r"it returns different predictions for its known rows \(\S+ on 2 rows\)"),
        ("renamed", READY_SECONDS, r"it returns different predictions for its known rows \(no response\)"),
    ],
)
def test_a_release_that_does_not_predict_its_known_rows_is_refused(project, tmp_path, kind, seconds, message):
    with pytest.raises(ReleaseFailedError, match=f"^v0.1.0: fails with the packages that it installs: {message}"):
        _start(project, tmp_path, kind, seconds)


def test_the_environment_of_the_build_is_not_inherited(project, tmp_path, monkeypatch):
    for name in packages.NOT_INHERITED:
        monkeypatch.setenv(name, "of the build")
    release = manifest.verify(project.build("v0.1.0"))
    _, variables = packages.command(release, tmp_path, 1, tmp_path)
    assert set() == packages.NOT_INHERITED & variables.keys()
