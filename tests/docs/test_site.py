"""The site that `slipway docs` makes: whole, without a broken link, and with nothing from another server."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from slipway.local import site

DOCS = {path.with_suffix(".html").name for path in Path("docs").glob("*.md")}


class Page(HTMLParser):
    """Links, other servers' addresses among what is loaded, and names of one page of the site."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.names: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names |= {str(given["id"])} if "id" in given else set()
        target = given.get("href") or given.get("src") or ""
        if tag == "a":
            self.links.append(target)
        elif target and tag in {"img", "link", "script"}:
            self.loaded.append(target)


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`slipway` with what makes the site, in an environment of its own: it is not among what the tests have."""
    command = [str(Path(sys.executable).parent / "uv"), "run", "--quiet", "--frozen", "--isolated"]
    command += ["--no-default-groups", "--group", "docs", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def built() -> Path:
    done = run("python", "-c", "from slipway.local import site; site.render()")
    assert 0 == done.returncode, done.stderr
    return site.SITE


def test_links_and_files_are_there_on_the_site(built):
    known = {path: Page(path) for path in built.glob("*.html") if path.name != "404.html"}
    assert DOCS == {path.name for path in known}
    for path, page in known.items():
        for target in [*page.links, *page.loaded]:
            file, _, name = target.partition("#")
            if re.match(r"[a-z]+:", file):
                continue
            aim = path.parent / file if file and file != "." else path
            assert aim.exists(), f"{path}: {target}"
            assert not name or name in known[aim].names | {"__search"}, f"{path}: {target}"


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
    assert "slipway: docs: a link leads nowhere" in done.stderr
