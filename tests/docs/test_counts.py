"""The number of tests in the documentation agrees with what pytest collects."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.suites import ROOT, is_selective

GROWTH = 1.2
"""Largest ratio of the collected to the stated number, which is rounded down."""


@pytest.fixture(scope="module")
def collected(request: pytest.FixtureRequest) -> int:
    """Return the number of tests: those of this session, and of the files that it lacks those of another collection."""
    items = [] if is_selective(request.config) else request.session.items
    missing = sorted({*(ROOT / "tests").rglob("test_*.py")} - {item.path for item in items})
    return len(items) + _count(missing)


def _count(files: list[Path]) -> int:
    if not files:
        return 0
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "-p", "no:cacheprovider", *map(str, files)]
    env = os.environ | {"PYTEST_ADDOPTS": ""}  # options of a user change the output
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout[-2000:]
    return int(re.findall(r"^(\d+) tests? collected", done.stdout, re.MULTILINE)[-1])


@pytest.mark.parametrize("page", ["README.md", "docs/comparison.md"])
def test_number_of_tests(page, collected):
    (number,) = re.findall(r"more than ([\d,]+) tests", Path(page).read_text(encoding="utf-8"))
    stated = int(number.replace(",", ""))
    assert stated <= collected <= stated * GROWTH
