"""The site that `slipway docs` builds is complete, has no broken link, and loads nothing from another server."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from slipway.errors import ArgumentError, ToolError
from slipway.local import site
from slipway.report import html

DOCS = {path.with_suffix(".html").name for path in Path("docs").glob("*.md")}


class Page(HTMLParser):
    """The links, loaded files and anchors of one page of the site."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.anchors |= {str(attributes["id"])} if "id" in attributes else set()
        target = attributes.get("href") or attributes.get("src") or ""
        if tag == "a":
            self.links.append(target)
        elif target and tag in {"img", "link", "script"}:
            self.loaded.append(target)


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in a separate environment with the packages that build the site, which the tests lack."""
    command = [str(Path(sys.executable).parent / "uv"), "run", "--quiet", "--frozen", "--isolated"]
    command += ["--no-default-groups", "--group", "docs", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def built() -> Path:
    done = run("python", "-c", "from slipway.local import site; site.render()")
    assert 0 == done.returncode, done.stderr
    return site.SITE


def test_links_and_files_of_the_site_exist(built):
    documents = {path: Page(path) for path in built.glob("*.html") if path.name != "404.html"}
    assert DOCS == {path.name for path in documents}
    for path, page in documents.items():
        for target in [*page.links, *page.loaded]:
            file, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", file):
                continue
            linked = path.parent / file if file and file != "." else path
            assert linked.exists(), f"{path}: {target}"
            assert not anchor or anchor in documents[linked].anchors | {"__search"}, f"{path}: {target}"


def test_the_site_loads_nothing_from_another_server(built):
    loaded = {target for path in built.glob("*.html") for target in Page(path).loaded}
    assert [] == [target for target in loaded if re.match(r"(\w+:)?//", target)]


@pytest.mark.parametrize("fault", ["[x](nowhere.md)", "[x](other.md#nothing)"])
def test_a_site_with_a_broken_link_is_not_built(tmp_path, fault):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text(f"# A page\n\n{fault}\n", encoding="utf-8")
    (docs / "other.md").write_text("# Another\n", encoding="utf-8")
    configuration = '[project]\nsite_name = "x"\nsite_dir = "build/site"\n'
    (tmp_path / site.CONFIGURATION).write_text(configuration, encoding="utf-8")
    done = run("--project", str(Path.cwd()), "slipway", "docs", cwd=tmp_path)
    assert 2 == done.returncode
    assert "slipway: docs: the site was not built" in done.stderr


# --- the screenshot of a report ---


@pytest.mark.parametrize(
    "content", [None, b"seed: 1\n", b"\x89PNG\r\n\x1a\n", b"<!doctype html><title>Slipway</title>"]
)
def test_a_file_that_is_not_a_report_is_rejected(tmp_path, monkeypatch, content):
    monkeypatch.setattr(site, "SCREENSHOT", tmp_path / "report.png")
    path = tmp_path / "report.html"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ArgumentError, match=r"report\.html: .*; name the report\.html that `slipway report` writes"
    ) as error:
        site.picture(path)
    assert "\n" not in str(error.value)


@pytest.mark.tool("Chromium")
def test_the_screenshot_is_a_picture_of_the_requested_size(tmp_path, monkeypatch):
    report = tmp_path / "report.html"
    report.write_text(html.render([], "A report"), encoding="utf-8")
    monkeypatch.setattr(site, "SCREENSHOT", tmp_path / "report.png")
    site.picture(report)
    assert (tmp_path / "report.png").read_bytes().startswith(site.PNG_START)


@pytest.mark.parametrize("content", [b"", b"<html>", site.PNG_START, site.PNG_START + bytes(12) + site.PNG_END])
def test_an_incomplete_screenshot_leaves_the_picture_alone(tmp_path, monkeypatch, content):
    report, browser, picture = tmp_path / "report.html", tmp_path / "chromium", tmp_path / "report.png"
    report.write_text(html.render([], "A report"), encoding="utf-8")
    picture.write_bytes(b"the old one")
    (tmp_path / "content").write_bytes(content)
    script = (
        f'for word; do case "$word" in --screenshot=*) cp {tmp_path}/content "${{word#--screenshot=}}";; esac; done'
    )
    browser.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    browser.chmod(0o755)
    monkeypatch.setattr(site.tools, "require", lambda _: str(browser))
    monkeypatch.setattr(site, "SCREENSHOT", picture)
    with pytest.raises(ToolError, match=r"report\.png: Chromium wrote no complete picture"):
        site.picture(report)
    assert b"the old one" == picture.read_bytes()
