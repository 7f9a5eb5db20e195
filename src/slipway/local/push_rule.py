"""GitHub's rule against pushing workflow files with the built-in token, enforced by a local bare repository."""

from __future__ import annotations

import shutil
from pathlib import Path

HOOK = Path(__file__).with_name("push-rule.sh")


def install(origin: Path) -> None:
    """Make the bare repository `origin` reject the pushes that GitHub rejects. push-rule.sh has the rule."""
    hooks = origin / "hooks"
    hooks.mkdir(exist_ok=True)
    shutil.copy(HOOK, hooks / "pre-receive")
