"""What GitHub alone can show is listed, with the sign by which a user would notice that it is otherwise."""

from __future__ import annotations

import re
from pathlib import Path


def rows() -> list[list[str]]:
    section = Path("docs/workflows.md").read_text(encoding="utf-8").split("## Not yet run on GitHub")[1]
    lines = re.findall(r"^\| (.+) \|$", section.split("\n## ")[0], re.MULTILINE)
    return [line.split(" | ") for line in lines[1:]]


def test_every_line_says_how_it_would_be_noticed():
    assert 15 <= len(rows())
    assert [] == [row for row in rows() if len(row) != 2 or not all(cell.strip() for cell in row)]
