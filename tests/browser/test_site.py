"""The site of docs/ in a real browser without a network: diagrams are drawn, and pages fit a phone and a desktop.

Needs Chromium, and Node for Mermaid. One run measures all pages, each in a frame as wide as a screen.
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
const measure = () => {{
  if (!frames.every(settled) && (tries += 1) < 200) return setTimeout(measure, 100)
  document.title = JSON.stringify(Object.fromEntries(frames.map((frame, at) => [pages[at], {{
    over: frame.contentDocument.documentElement.scrollWidth - {width},
    diagrams: frame.contentDocument.querySelectorAll("pre.diagram svg").length,
    pictures: [...frame.contentDocument.images].filter((image) => image.naturalWidth === 0).length,
  }}])))
}}
let tries = 0
onload = measure
</script>"""


@pytest.fixture(scope="module")
def address(browser, tool) -> str:
    """Serve the whole site on this machine, and return its URL."""
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
    """Serves files without logging."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def measure(browser: str, address: str, width: int, profile: Path, pattern: str = "*") -> dict[str, dict[str, int]]:
    """Return excess width in pixels, drawn diagrams and missing pictures of each page."""
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
    pages = measure(browser, address, width, tmp_path / "profile")
    assert {} == {name: page for name, page in pages.items() if page["over"] > 0 or page["pictures"]}
    assert DIAGRAMS == {name for name, page in pages.items() if page["diagrams"]}


def test_a_page_that_is_too_wide_and_a_missing_picture_are_detected(browser, address, tmp_path):
    page = site.SITE / "decisions.html"
    whole = page.read_text(encoding="utf-8")
    broken = whole.replace("</h1>", '</h1><img src="gone.png"><div style="width: 2000px">wide</div>', 1)
    page.write_text(broken, encoding="utf-8")
    measured = measure(browser, address, 390, tmp_path / "profile", "decisions")["decisions.html"]
    page.write_text(whole, encoding="utf-8")
    assert (True, 1) == (measured["over"] > 0, measured["pictures"])
