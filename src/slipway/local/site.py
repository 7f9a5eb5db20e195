"""The verb `docs`: docs/ as a site in build/site, which asks no other server for anything.

Zensical renders it and refuses a link that leads nowhere. It draws no diagrams: Mermaid does, in the reader's browser,
from the script that is put into the site, of the version and hash that mermaid/package-lock.json names.
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
KEPT = Path("build/mermaid")  # not in git; npm needs the package once
PICTURE = Path("docs/assets/report.png")
PICTURE_SIZE = "960,640"  # pixels; GitHub shows a README about as wide


def build() -> None:
    """Write the site, and results/docs.json. Raises UserError when a link leads nowhere, or a tool is missing."""
    with recorded("docs") as result:
        render()
        shutil.copy(mermaid(), SITE / "assets")
        pages = f"{sum(1 for _ in SITE.glob('*.html'))} pages"
        result.verdicts = [Verdict("links", Outcome.PASS, "each leads somewhere", pages)]
    print(f"{SITE}: {pages}; look at {SITE}/index.html")


def render() -> None:
    """Render all pages, without what draws diagrams. Raises UserError when a link leads nowhere."""
    zensical = Path(sys.executable).parent / "zensical"
    if not zensical.exists():
        raise UserError("zensical: not found; `uv run --no-default-groups --group docs slipway docs` installs it")
    shutil.rmtree(SITE, ignore_errors=True)
    command = [str(zensical), "build", "--clean", "--strict", "--config-file", str(CONFIGURATION)]
    plain = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run(command, env=plain, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(done.stdout.split("Traceback")[0].rstrip(), file=sys.stderr)
        raise UserError("docs: a link leads nowhere; the lines above say where it stands")


def picture(report: Path) -> None:
    """Take the picture of a report that README.md shows. Raises UserError without Chromium, or without the report."""
    if not report.is_file():
        raise UserError(f"{report}: no such file; `slipway report` writes results/report/report.html")
    browser = tools.require("Chromium")
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={profile}", f"--window-size={PICTURE_SIZE}", f"--screenshot={PICTURE}"]
        subprocess.run([*command, report.absolute().as_uri()], check=True, capture_output=True)
    print(PICTURE)


def mermaid() -> Path:
    """Mermaid's script for browsers, of the locked version. Raises UserError without npm."""
    return npm.install(LOCKED, KEPT, "the diagrams of the site") / "node_modules/mermaid/dist/mermaid.min.js"
