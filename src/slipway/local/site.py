"""`slipway docs`: the documentation site in build/site, which loads nothing from other servers.

Zensical renders the pages and rejects broken links. Mermaid draws the diagrams in the browser, from a script that the
site includes. mermaid/package-lock.json pins its version and hash.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

from slipway import output, tools
from slipway.errors import ArgumentError, MissingToolError, ToolError
from slipway.files import write_bytes
from slipway.gates import Outcome, Verdict
from slipway.local import npm
from slipway.report import html
from slipway.results import recorded

CONFIGURATION = Path("zensical.toml")
SITE = Path("build/site")
LOCKED = Path(__file__).parent / "mermaid"
INSTALLED = Path("build/mermaid")  # outside git, so that npm fetches the package only once
SCREENSHOT = Path("docs/assets/report.png")
SCREENSHOT_WIDTH, SCREENSHOT_HEIGHT = 960, 640  # pixels; about the width of a README on GitHub
PNG_START, PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def build() -> None:
    """Write the site and results/docs.json. Raises UserError for a broken link or a missing tool."""
    with recorded("docs") as result:
        render()
        shutil.copy(mermaid(), SITE / "assets")
        pages = f"{sum(1 for _ in SITE.glob('*.html'))} pages"
        result.verdicts = [Verdict("links", Outcome.PASS, "none is broken", pages)]
    output.result(result, f"{SITE}: {pages}; open {SITE}/index.html")


def render() -> None:
    """Render all pages, without Mermaid's script. Raises UserError for a broken link or without Zensical."""
    zensical = Path(sys.executable).parent / "zensical"
    if not zensical.exists():
        raise MissingToolError("zensical: not installed; run `uv run --no-default-groups --group docs slipway docs`")
    shutil.rmtree(SITE, ignore_errors=True)
    command = [str(zensical), "build", "--clean", "--strict", "--config-file", str(CONFIGURATION)]
    plain = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run(command, env=plain, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        output.warn(done.stdout.split("Traceback")[0].rstrip())
        raise ToolError("docs: the site was not built; fix the links that are listed above")


def picture(report: Path) -> None:
    """Take README.md's screenshot of an HTML report.

    Raises UserError without Chromium, for a file that is not a report, or for a screenshot that is not complete.
    """
    _require_report(report)
    browser = tools.require("Chromium")
    with tempfile.TemporaryDirectory() as folder:
        screenshot = Path(folder) / SCREENSHOT.name
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={folder}", f"--window-size={SCREENSHOT_WIDTH},{SCREENSHOT_HEIGHT}"]
        command += [f"--screenshot={screenshot}", report.absolute().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        content = screenshot.read_bytes() if screenshot.exists() else b""
    _require_png(content, done.stderr)
    write_bytes(SCREENSHOT, content)
    output.result({"file": str(SCREENSHOT)}, str(SCREENSHOT))


def _require_report(path: Path) -> None:
    """Raise UserError for a file that `slipway report` did not write."""
    advice = "name the report.html that `slipway report` writes, such as results/report/report.html"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ArgumentError(f"--picture {path}: {reason}; {advice}") from None
    if html.GENERATOR not in text:
        raise ArgumentError(f"--picture {path}: not a report in HTML; {advice}")


def _require_png(content: bytes, output: str) -> None:
    """Raise UserError for a screenshot that is not a complete PNG file of the requested size."""
    size = struct.pack(">II", SCREENSHOT_WIDTH, SCREENSHOT_HEIGHT)  # at bytes 16 to 24, in the header chunk
    if not (content.startswith(PNG_START) and content[16:24] == size and content.endswith(PNG_END)):
        reason = (output.strip().splitlines() or ["no output"])[-1]
        raise ToolError(f"{SCREENSHOT}: Chromium wrote no complete picture ({reason}); run the command again")


def mermaid() -> Path:
    """Return the path of Mermaid's script at the locked version, installed if needed. Raises UserError without npm."""
    return npm.install(LOCKED, INSTALLED, "the diagrams of the site") / "node_modules/mermaid/dist/mermaid.min.js"
