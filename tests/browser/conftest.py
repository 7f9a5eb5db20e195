"""How wide a page is on a screen, in a real browser."""

from __future__ import annotations

import re
import subprocess

import pytest

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
SCREEN = """<!doctype html><iframe src="{page}" width="{width}" height="900" style="border: 0"></iframe>
<script>onmessage = (event) => { document.title = event.data }</script>"""
TELL = """<script>
addEventListener("load", () => parent.postMessage(document.documentElement.scrollWidth + " of " + innerWidth, "*"))
</script></body>"""


@pytest.fixture(scope="session")
def browser(tool) -> str:
    """Path of Chromium."""
    return tool("Chromium")


@pytest.fixture
def content_width(browser, tmp_path):
    """Pixels that a page takes on a screen of so many; more, and it scrolls sideways.

    In a frame, because Chromium's own window is never narrower than 500.
    """

    def measure(text: str, width: int) -> int:
        page, screen = tmp_path / "page.html", tmp_path / "screen.html"
        page.write_text(text.replace("</body>", TELL), encoding="utf-8")
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
