"""The site of docs/ in a real browser without a network: diagrams are drawn, and pages fit a phone and a desk.

Needs Chromium, and Node for Mermaid. All pages are looked at together, each in a frame as wide as a screen.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import threading
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from slipway.local import site
from tests.docs.test_site import run

DIAGRAMS = {f"{path.stem}.html" for path in Path("docs").glob("*.md") if "```mermaid" in path.read_text("utf-8")}
FRAMES = """<!doctype html><meta charset="utf-8"><title>loading</title><body><script>
const pages = {pages}
const settled = (frame) => {{
  const page = frame.contentDocument
  return page?.readyState === "complete" && page.querySelectorAll("pre.diagram:not(:has(svg))").length === 0
}}
const frames = pages.map((name) => {{
  const frame = Object.assign(document.createElement("iframe"), {{src: name, width: {width}, height: 900}})
  document.body.append(frame)
  return frame
}})
const look = () => {{
  if (!frames.every(settled) && (tries += 1) < 200) return setTimeout(look, 100)
  document.title = JSON.stringify(Object.fromEntries(frames.map((frame, at) => [pages[at], {{
    over: frame.contentDocument.documentElement.scrollWidth - {width},
    diagrams: frame.contentDocument.querySelectorAll("pre.diagram svg").length,
    pictures: [...frame.contentDocument.images].filter((image) => image.naturalWidth === 0).length,
  }}])))
}}
let tries = 0
onload = look
</script>"""


@pytest.fixture(scope="module")
def address(browser, tool) -> str:
    """Address of the whole site, served on this machine."""
    tool("npm")
    done = run("slipway", "docs")
    assert 0 == done.returncode, done.stderr
    handler = functools.partial(Quiet, directory=str(site.SITE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_: object) -> None:
        """Keep the test's output quiet."""


def look(browser: str, address: str, width: int, profile: Path, pattern: str = "*") -> dict[str, dict[str, int]]:
    """What the browser sees on each page: pixels that are too wide, diagrams drawn, pictures that are not there."""
    names = sorted(path.name for path in site.SITE.glob(f"{pattern}.html") if path.stem != "404")
    (site.SITE / "frames.html").write_text(FRAMES.format(pages=json.dumps(names), width=width), encoding="utf-8")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={profile}",
    ]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--virtual-time-budget=60000", "--dump-dom"]
    dom = subprocess.run([*command, f"{address}/frames.html"], capture_output=True, text=True, check=True, timeout=120)
    (site.SITE / "frames.html").unlink()
    return json.loads(unescape(re.search(r"<title>(.*?)</title>", dom.stdout, re.DOTALL)[1]))


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_the_screen_and_show_their_diagrams_and_pictures(browser, address, width, tmp_path):
    seen = look(browser, address, width, tmp_path / "profile")
    assert {} == {name: one for name, one in seen.items() if one["over"] > 0 or one["pictures"]}
    assert DIAGRAMS == {name for name, one in seen.items() if one["diagrams"]}


def test_a_page_that_is_too_wide_and_a_picture_that_is_gone_are_found(browser, address, tmp_path):
    page = site.SITE / "decisions.html"
    whole = page.read_text(encoding="utf-8")
    broken = whole.replace("</h1>", '</h1><img src="gone.png"><div style="width: 2000px">wide</div>', 1)
    page.write_text(broken, encoding="utf-8")
    seen = look(browser, address, 390, tmp_path / "profile", "decisions")["decisions.html"]
    page.write_text(whole, encoding="utf-8")
    assert (True, 1) == (seen["over"] > 0, seen["pictures"])
