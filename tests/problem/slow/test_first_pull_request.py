"""Tests of the tutorial: every command in order, in a clone, and the output that the page shows.

The figures depend on the sample, so this file belongs to it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from slipway.local import push_rule
from tests.docs import pages

ROOT = Path.cwd()
PAGE = Path("docs/first-pull-request.md").read_text(encoding="utf-8")
SKIPPED = {"make setup"}  # this checkout's packages serve; tests/workflows/test_bootstrap.py runs it
METRIC = re.compile(r"^metrics/evaluate\.json +model\.(\w+) +([\d.]+) +([\d.]+)", re.MULTILINE)
GATE = re.compile(r"^(baselines|calibration): pass: (.+)$", re.MULTILINE)
METRIC_TOLERANCE = 0.002  # processors round differently


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """Return a newcomer's clone of this repository, with `main` and an origin, after `make setup`."""
    folder = tmp_path_factory.mktemp("newcomer")
    subprocess.run(["git", "clone", "-q", "--bare", str(ROOT), str(folder / "origin")], check=True)
    push_rule.install(folder / "origin")
    subprocess.run(["git", "-C", str(folder / "origin"), "branch", "-q", "--force", "main", "HEAD"], check=True)
    subprocess.run(["git", "clone", "-q", "-b", "main", str(folder / "origin"), str(folder / "clone")], check=True)
    for name in (".venv", ".venv-checks"):
        (folder / "clone" / name).symlink_to(ROOT / name)
    return folder / "clone"


@pytest.fixture(scope="module")
def printed(clone) -> str:
    """Return the output of all commands of the page."""
    lines = [line for line in pages.shell(PAGE) if line not in SKIPPED]
    script = "\n".join(["set -euo pipefail", f"PATH={Path(sys.executable).parent}:$PATH", *lines])
    identity = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.invalid"}
    identity |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in identity.items()}
    env = os.environ | identity | {"SLIPWAY_HOME": str(clone.parent / "home"), "DVC_NO_ANALYTICS": "1"}
    for name in ("SLIPWAY_STORE", "GITHUB_BASE_REF", "GITHUB_STEP_SUMMARY", "NEEDS"):
        env.pop(name, None)
    done = subprocess.run(["bash", "-c", script], cwd=clone, env=env, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_every_command_runs_and_prints_the_metrics_that_the_page_shows(printed):
    documented, measured = METRIC.findall(PAGE), METRIC.findall(printed)
    assert [name for name, *_ in documented] == [name for name, *_ in measured]
    for (_, *expected), (_, *actual) in zip(documented, measured, strict=True):
        assert list(map(float, expected)) == pytest.approx(list(map(float, actual)), abs=METRIC_TOLERANCE)


def test_the_report_is_blocked_only_by_jobs_that_did_not_run(clone, printed):
    verdict = json.loads((clone / "results/report/verdict.json").read_text(encoding="utf-8"))
    assert verdict["title"].endswith("Blocked: test, lint")


def test_the_gates_print_what_the_page_shows(printed):
    documented, measured = (dict(GATE.findall(text)) for text in (PAGE, printed))
    assert {"baselines", "calibration"} == documented.keys() & measured.keys()
    for gate in documented:
        assert numbers(documented[gate]) == pytest.approx(numbers(measured[gate]), abs=METRIC_TOLERANCE)


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[+-]?\d+\.\d+", text)]


def test_the_pull_request_has_the_files_that_the_page_lists(clone, printed):
    command = ["git", "-C", str(clone.parent / "origin"), "diff", "--name-only", "main", "half-the-trees"]
    changed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert {"params.yaml", "dvc.lock", "metrics/evaluate.json"} <= set(changed)
    assert {"params.yaml", "dvc.lock", "metrics"} == {name.split("/")[0] for name in changed}
