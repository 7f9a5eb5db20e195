"""Links of the documentation lead somewhere, and every page can be found."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from slipway.local import site
from tests.docs import pages

NAVIGATION = tomllib.loads(site.CONFIGURATION.read_text(encoding="utf-8"))["project"]["nav"]
DOCS = sorted(path.name for path in Path("docs").glob("*.md"))
ON_GITHUB = {"../../security/advisories/new"}  # pages of GitHub itself, relative to the repository's


def broken(page: Path, text: str) -> list[str]:
    """Links of a page whose file or heading is not there."""
    found = []
    for target in pages.links(text):
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        there = path.exists() or target in ON_GITHUB
        if not there or (anchor and anchor not in pages.anchors(path.read_text(encoding="utf-8"))):
            found.append(target)
    return found


@pytest.mark.parametrize("page", pages.PAGES, ids=str)
def test_links_lead_somewhere_on_github(page):
    assert [] == broken(page, page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("link", ["nowhere.md", "index.md#nothing", "#nothing", "assets/nothing.png"])
def test_a_link_that_leads_nowhere_is_found(link):
    assert [link] == broken(Path("docs/index.md"), f"# A page\n\n[x]({link})\n")


def leaves(branch: object) -> list[str]:
    if isinstance(branch, str):
        return [branch]
    inner = branch.values() if isinstance(branch, dict) else branch
    return [leaf for one in inner for leaf in leaves(one)]


def test_every_page_stands_once_in_the_navigation():
    assert DOCS == sorted(leaves(NAVIGATION)), f"`nav` in {site.CONFIGURATION} and docs/*.md differ"


def test_every_page_is_reached_from_readme_or_the_first_page():
    said = "\n\n".join(path.read_text(encoding="utf-8") for path in (Path("README.md"), Path("docs/index.md")))
    reached = {Path(link.partition("#")[0]).name for link in pages.links(said)}
    assert [] == [name for name in DOCS if name not in reached | {"index.md"}]
