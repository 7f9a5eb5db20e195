"""Fixture that measures the width of a page in a real browser."""

from __future__ import annotations

import re
import subprocess

import pytest

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
SCREEN = """<!doctype html><iframe src="{page}" width="{width}" height="900" style="border: 0"></iframe>
<script>onmessage = (event) => { document.title = event.data }</script>"""
REPORT_WIDTH = """<script>
addEventListener("load", () => parent.postMessage(document.documentElement.scrollWidth + " of " + innerWidth, "*"))
</script></body>"""


@pytest.fixture(scope="session")
def browser(tool) -> str:
    """Return the path of Chromium."""
    return tool("Chromium")


@pytest.fixture
def content_width(browser, tmp_path):
    """Return a function that measures a page's width in pixels on a screen of a given width.

    A page wider than its screen scrolls sideways. The page is in a frame, since Chromium's window has at least 500.
    """

    def measure(text: str, width: int) -> int:
        page, screen = tmp_path / "page.html", tmp_path / "screen.html"
        page.write_text(text.replace("</body>", REPORT_WIDTH), encoding="utf-8")
        screen.write_text(SCREEN.replace("{page}", page.name).replace("{width}", str(width)), encoding="utf-8")
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            *QUIET,
            f"--user-data-dir={tmp_path / 'own'}",
        ]
        command += ["--window-size=1600,1000", "--virtual-time-budget=5000", "--dump-dom", screen.as_uri()]
        dom = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        content, _, window = re.search(r"<title>(.*?)</title>", dom)[1].partition(" of ")
        assert width == int(window)
        return int(content)

    return measure
