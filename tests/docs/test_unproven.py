"""Each claim that only GitHub can prove is listed with the symptom of its failure."""

from __future__ import annotations

import re
from pathlib import Path


def rows() -> list[list[str]]:
    """Return the rows of the table: claim and symptom."""
    section = Path("docs/workflows.md").read_text(encoding="utf-8").split("## Not yet run on GitHub")[1]
    lines = re.findall(r"^\| (.+) \|$", section.split("\n## ")[0], re.MULTILINE)
    return [line.split(" | ") for line in lines[1:]]


def test_every_claim_has_a_symptom():
    assert 15 <= len(rows())
    assert [] == [row for row in rows() if len(row) != 2 or not all(cell.strip() for cell in row)]
