"""The page about the ML Test Score: every proof exists, and the sums are those of the points."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from slipway.pull_request import engine

PAGE = Path("docs/ml-test-score.md").read_text(encoding="utf-8")
SECTIONS = ("Data", "Model", "Infrastructure", "Monitoring")
POINT = re.compile(
    r"^\| (?P<test>[^|]+) \| (?P<points>0|0\.5|1) \| `(?P<proof>[^`]+)`(?P<remark>[^|]*) \|$", re.MULTILINE
)


def points(page: str, section: str) -> list[re.Match[str]]:
    """Return the rows of a section."""
    return [*POINT.finditer(page.split(f"\n## {section}\n")[1].split("\n## ")[0])]


def faults(page: str) -> list[str]:
    """Return proofs that do not exist, half points without a remark, and sums that are wrong."""
    lines = []
    sums = {}
    for section in SECTIONS:
        rows = points(page, section)
        sums[section] = sum(float(row["points"]) for row in rows)
        lines += [f"{section}: {len(rows)} tests"] if len(rows) != 7 else []
        lines += [f"| {section} | {sums[section]:g} |"] if f"| {section} | {sums[section]:g} |" not in page else []
        for row in rows:
            lines += [row["test"]] if (row["points"] == "1") == bool(row["remark"]) else []
            lines += [row["proof"]] if not _exists(*row["proof"].split("::")) else []
    score = f"The score is {min(sums.values()):g}."
    return lines if score in page else [*lines, score]


def _exists(file: str, test: str | None = None) -> bool:
    """Return whether a file exists, and defines `test`; in a fork, also for tests of the sample, which it replaced."""
    if file.startswith("tests/problem/") and engine.LOCK.exists():
        return True
    if not Path(file).is_file():
        return False
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    return test is None or test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_point_has_its_proof_and_the_sums_are_right():
    assert [] == faults(PAGE)


@pytest.mark.parametrize(
    ("original", "fault"),
    [
        ("test_the_parity_gate", "test_another_gate"),
        ("tests/convergence/test_convergence.py", "tests/convergence/test_gone.py"),
        ("| Each feature helps. | 0.5 |", "| Each feature helps. | 1 |"),
        ("| Data | 6 |", "| Data | 7 |"),
        ("The score is 6.", "The score is 7."),
    ],
)
def test_faulty_page_is_detected(original, fault):
    assert original in PAGE
    assert faults(PAGE.replace(original, fault))


def test_no_section_has_fewer_than_six_points():
    assert all(sum(float(row["points"]) for row in points(PAGE, section)) >= 6 for section in SECTIONS)
