"""GitHub's own workflow parser, language service and expression evaluator, which run in Node; see languageservice/."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.local import npm
from tests.conftest import require_tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SOURCE = Path(__file__).parent / "languageservice"
CACHE = Path("build/languageservice")
PURPOSE = "GitHub's own parser"


def run_script(script: str, content: Any) -> Any:
    """Run a script of languageservice/ on `content`, and return its JSON output. Skip the test without npm."""
    require_tool("npm")
    folder = npm.install(SOURCE, CACHE, PURPOSE)
    done = subprocess.run(
        ["node", "--import", "./json.mjs", script],
        cwd=folder,
        input=json.dumps(content),
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


def findings(files: Iterable[Path], actions: Mapping[str, Any]) -> dict[Path, list[str]]:
    """Return the language service's messages by file. `actions` describes the pinned actions."""
    contents = {str(path): path.read_text(encoding="utf-8") for path in files}
    messages = run_script("check.mjs", {"files": contents, "actions": actions})
    return {Path(path): lines for path, lines in messages.items()}
