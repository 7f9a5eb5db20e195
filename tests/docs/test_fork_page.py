"""The list of what a fork owns agrees with the commands, and the other pages link to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slipway.scaffold import new, render, upgrade
from tests import forks

PAGE = Path("docs/fork.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<paths>`[^|]+`) \| [^|]* \| (?P<new>[^|]*)\| (?P<upgrade>[^|]+) \|$", re.MULTILINE)
LINK = "(fork.md#what-is-yours)"


def listed(**patterns: str) -> set[str]:
    """Return the paths of the rows whose cells match `patterns`, a regular expression by column."""
    rows = [row for row in ROW.finditer(PAGE) if all(re.match(cell, row[name]) for name, cell in patterns.items())]
    return {path for row in rows for path in re.findall(r"`([^`]+)`", row["paths"])}


def test_an_upgrade_keeps_the_files_that_the_page_lists():
    assert {*upgrade.OWN} == listed(upgrade="keeps yours")
    assert {upgrade.LOCK} == listed(upgrade="locks again")


def test_files_of_new_and_of_a_problem_are_listed():
    written = listed(new=r"\w")
    assert {str(render.PACKAGE), str(render.TESTS), str(new.PARAMS), str(new.STORE)} <= written
    assert "README.md" not in written
    assert {path.rstrip("/") for path in (*forks.OWNED_BY_FORKS, *forks.GENERATED)} <= listed()


@pytest.mark.parametrize("name", ["new.md", "upgrading.md", "make-it-yours.md"])
def test_other_pages_link_to_the_list(name):
    assert LINK in Path("docs", name).read_text(encoding="utf-8")
