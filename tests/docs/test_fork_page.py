"""The one list of what a fork owns is what the verbs go by, and the other pages link to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from slipway.scaffold import new, render, upgrade
from tests import forks

PAGE = Path("docs/fork.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?P<paths>`[^|]+`) \| [^|]* \| (?P<new>[^|]*)\| (?P<upgrade>[^|]+) \|$", re.MULTILINE)
LINK = "(fork.md#what-is-yours)"


def listed(**wanted: str) -> set[str]:
    """Paths of the rows whose cells of these columns match the wanted patterns."""
    rows = [row for row in ROW.finditer(PAGE) if all(re.match(cell, row[name]) for name, cell in wanted.items())]
    return {path for row in rows for path in re.findall(r"`([^`]+)`", row["paths"])}


def test_what_an_upgrade_keeps_is_what_the_page_says():
    assert {*upgrade.OWN} == listed(upgrade="keeps yours")
    assert {upgrade.LOCK} == listed(upgrade="locks anew")


def test_what_slipway_new_writes_and_what_a_problem_touches_is_listed():
    written = listed(new=r"\w")
    assert {str(render.PACKAGE), str(render.TESTS), str(new.PARAMS), str(new.STORE)} <= written
    assert "README.md" not in written
    assert {path.rstrip("/") for path in (*forks.THE_FORKS, *forks.BY_A_VERB)} <= listed()


@pytest.mark.parametrize("page", ["new.md", "upgrading.md", "make-it-yours.md"])
def test_other_pages_link_to_the_list(page):
    assert LINK in Path("docs", page).read_text(encoding="utf-8")
