"""GitHub's own parser, language service and expressions, which run in Node; see languageservice/."""

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


def ask(script: str, question: Any) -> Any:
    """Answer of a script of the folder to `question`, both JSON. Skips the test where there is no Node."""
    require_tool("npm")
    folder = npm.install(SOURCE, CACHE, PURPOSE)
    done = subprocess.run(
        ["node", "--import", "./json.mjs", script],
        cwd=folder,
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


def findings(files: Iterable[Path], actions: Mapping[str, Any]) -> dict[Path, list[str]]:
    """What the language service has to say of each workflow or action, `actions` being the facts of the pinned ones."""
    texts = {str(path): path.read_text(encoding="utf-8") for path in files}
    return {Path(path): found for path, found in ask("check.mjs", {"files": texts, "actions": actions}).items()}
