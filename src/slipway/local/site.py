"""`slipway docs`: the documentation site in build/site, which loads nothing from other servers.

Zensical renders the pages and rejects broken links. Mermaid draws the diagrams in the browser, from a script that the
site includes. mermaid/package-lock.json pins its version and hash.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from slipway import tools
from slipway.errors import UserError
from slipway.gates import Outcome, Verdict
from slipway.local import npm
from slipway.results import recorded

CONFIGURATION = Path("zensical.toml")
SITE = Path("build/site")
LOCKED = Path(__file__).parent / "mermaid"
INSTALLED = Path("build/mermaid")  # outside git, so that npm fetches the package only once
SCREENSHOT = Path("docs/assets/report.png")
SCREENSHOT_PIXELS = "960,640"  # about the width of a README on GitHub


def build() -> None:
    """Write the site and results/docs.json. Raises UserError for a broken link or a missing tool."""
    with recorded("docs") as result:
        render()
        shutil.copy(mermaid(), SITE / "assets")
        pages = f"{sum(1 for _ in SITE.glob('*.html'))} pages"
        result.verdicts = [Verdict("links", Outcome.PASS, "none is broken", pages)]
    print(f"{SITE}: {pages}; open {SITE}/index.html")


def render() -> None:
    """Render all pages, without Mermaid's script. Raises UserError for a broken link or without Zensical."""
    zensical = Path(sys.executable).parent / "zensical"
    if not zensical.exists():
        raise UserError("zensical: not installed; run `uv run --no-default-groups --group docs slipway docs`")
    shutil.rmtree(SITE, ignore_errors=True)
    command = [str(zensical), "build", "--clean", "--strict", "--config-file", str(CONFIGURATION)]
    plain = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run(command, env=plain, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(done.stdout.split("Traceback")[0].rstrip(), file=sys.stderr)
        raise UserError("docs: the site was not built; fix the links that are listed above")


def picture(report: Path) -> None:
    """Take README.md's screenshot of an HTML report. Raises UserError without Chromium or without the report."""
    if not report.is_file():
        raise UserError(f"{report}: no such file; run `slipway report`, which writes results/report/report.html")
    browser = tools.require("Chromium")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={profile}", f"--window-size={SCREENSHOT_PIXELS}", f"--screenshot={SCREENSHOT}"]
        subprocess.run([*command, report.absolute().as_uri()], check=True, capture_output=True)
    print(SCREENSHOT)


def mermaid() -> Path:
    """Return the path of Mermaid's script at the locked version, installed if needed. Raises UserError without npm."""
    return npm.install(LOCKED, INSTALLED, "the diagrams of the site") / "node_modules/mermaid/dist/mermaid.min.js"
