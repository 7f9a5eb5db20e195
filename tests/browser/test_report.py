"""The report in a real browser: Mermaid draws its charts, and the page fits a phone and a desktop screen.

Needs Chromium and Node; Mermaid comes from npm, as for the site of docs/.
"""

from __future__ import annotations

import html as escaping
import re
import subprocess
from pathlib import Path

import pytest

from slipway.local import site
from slipway.report import html, markdown
from slipway.report.document import Chart, Code, Heading, Series, Table, paragraph

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
POINTS = [(1, 0.52), (11, 0.49), (21, 0.48)]
CHART = Chart("Loss: of “training”", "iteration; of 21", "loss", [Series("train", POINTS), Series("te%st", POINTS)])
PAGE = """<!doctype html><meta charset="utf-8">{charts}
<script src="{mermaid}"></script>
<script>mermaid.initialize({{startOnLoad: false}});
mermaid.run().then(() => document.title = "drawn", error => document.title = "failed: " + error.message)</script>"""


@pytest.fixture(scope="session")
def mermaid(tool) -> Path:
    """Return the path of Mermaid's browser script, at the locked version."""
    tool("npm")
    return site.mermaid().absolute()


def _dom(browser: str, page: Path, profile: Path, size: str = "1200,900") -> str:
    """Return the page's DOM after its scripts have run."""
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", *QUIET, f"--user-data-dir={profile}"]
    command += [f"--window-size={size}", "--virtual-time-budget=10000", "--dump-dom", page.as_uri()]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def _title(dom: str) -> str:
    return re.search(r"<title>(.*?)</title>", dom, re.DOTALL)[1]


def _drawn(browser: str, mermaid: Path, folder: Path, chart: str) -> str:
    source = re.search(r"```mermaid\n(.*?)```", chart, re.DOTALL)[1]
    page = folder / "page.html"
    page.write_text(
        PAGE.format(charts=f'<pre class="mermaid">{escaping.escape(source)}</pre>', mermaid=mermaid.as_uri())
    )
    return _dom(browser, page, folder / "profile")


def test_mermaid_draws_a_line_for_each_series(browser, mermaid, tmp_path):
    dom = _drawn(browser, mermaid, tmp_path, markdown.render([CHART]))
    assert "drawn" == _title(dom)
    assert 2 == len(re.findall(r'class="line-plot-\d"', dom))


def test_mermaid_rejects_a_broken_chart(browser, mermaid, tmp_path):
    broken = markdown.render([CHART]).replace("xychart-beta", "xychart-gamma")
    assert "failed" in _title(_drawn(browser, mermaid, tmp_path, broken))


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_does_not_scroll_sideways(content_width, width):
    wide = Table(("Segment", "Value"), [(Code("column=" + "x" * 80), "0.7152 [0.7056, 0.7246]")] * 3, frozenset({1}))
    text = html.render([Heading("❌ Blocked: data", 1), paragraph("Why. " * 50), wide, CHART], "Report")
    assert content_width(text, width) <= width
