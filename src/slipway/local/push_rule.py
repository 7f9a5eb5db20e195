"""GitHub's rule for workflow files in what the built-in token pushes, applied by a bare repository of this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

HOOK = Path(__file__).with_name("push-rule.sh")


def install(origin: Path) -> None:
    """Let the bare repository `origin` refuse what GitHub would refuse; see the hook."""
    hooks = origin / "hooks"
    hooks.mkdir(exist_ok=True)
    shutil.copy(HOOK, hooks / "pre-receive")
