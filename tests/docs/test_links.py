"""Links of the documentation resolve, and every page can be reached."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from slipway.local import site
from tests.docs import pages

NAVIGATION = tomllib.loads(site.CONFIGURATION.read_text(encoding="utf-8"))["project"]["nav"]
DOCS = sorted(path.name for path in Path("docs").glob("*.md"))
ON_GITHUB = {"../../security/advisories/new"}
"""Pages of GitHub itself, relative to the repository's."""


def broken(page: Path, text: str) -> list[str]:
    """Return the links of a page whose file or heading does not exist."""
    targets = []
    for target in pages.links(text):
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        exists = path.exists() or target in ON_GITHUB
        if not exists or (anchor and anchor not in pages.anchors(path.read_text(encoding="utf-8"))):
            targets.append(target)
    return targets


@pytest.mark.parametrize("path", [*pages.PAGES, Path("CHANGELOG.md")], ids=str)
def test_links_resolve_on_github(path):
    assert [] == broken(path, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("link", ["nowhere.md", "index.md#nothing", "#nothing", "assets/nothing.png"])
def test_a_broken_link_fails(link):
    assert [link] == broken(Path("docs/index.md"), f"# A page\n\n[x]({link})\n")


def leaves(branch: object) -> list[str]:
    """Return the pages of a branch of the navigation."""
    if isinstance(branch, str):
        return [branch]
    children = branch.values() if isinstance(branch, dict) else branch
    return [leaf for child in children for leaf in leaves(child)]


def test_every_page_is_once_in_the_navigation():
    assert DOCS == sorted(leaves(NAVIGATION)), f"`nav` in {site.CONFIGURATION} and docs/*.md differ"


def test_every_page_is_linked_from_readme_or_the_first_page():
    contents = [path.read_text(encoding="utf-8") for path in (Path("README.md"), Path("docs/index.md"))]
    linked = {Path(link.partition("#")[0]).name for content in contents for link in pages.links(content)}
    assert [] == [name for name in DOCS if name not in linked | {"index.md"}]
