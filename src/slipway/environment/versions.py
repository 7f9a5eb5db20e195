"""Names of version tags and stage tags, in the grammar of GTO.

`model@v0.1.0` registers a version; `model#production#3` is the third assignment of the stage `production`. Both are
annotated tags on a release commit, so `gto show` and `dvc artifacts get . model --stage production` can read them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from slipway.dvc.files import ARTIFACT

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = re.compile(r"v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
FIRST = "v0.1.0"
STAGES = "refs/slipway/stages/"


def version_tag(version: str) -> str:
    """Return the tag that registers `version`."""
    return f"{ARTIFACT}@{version}"


def stage_tag(stage: str, number: int | str) -> str:
    """Return the tag of the assignment `number` of `stage`; `*` gives a pattern for all of them."""
    return f"{ARTIFACT}#{stage}#{number}"


def stage_refs(stage: str) -> str:
    """Return the refspec that fetches the tags of a stage into STAGES, separate from the user's own tags."""
    return f"+refs/tags/{stage_tag(stage, '*')}:{STAGES}{stage_tag(stage, '*')}"


def all_stage_refs() -> str:
    """Return the refspec that fetches the tags of every stage into STAGES."""
    return f"+refs/tags/{ARTIFACT}#*:{STAGES}{ARTIFACT}#*"


def versions(tags: Iterable[str]) -> list[str]:
    """Return the versions that `tags` register, oldest first."""
    names = (tag.removeprefix(f"{ARTIFACT}@") for tag in tags if tag.startswith(f"{ARTIFACT}@"))
    return sorted((name for name in names if VERSION.fullmatch(name)), key=order)


def order(version: str) -> tuple[int, ...]:
    """Return the sort key of a version, its numbers."""
    return tuple(int(part) for part in version[1:].split("."))


def next_version(registered: list[str]) -> str:
    """Return the next minor version after the newest registered one; FIRST without any."""
    if not registered:
        return FIRST
    major, minor, _ = order(max(registered, key=order))
    return f"v{major}.{minor + 1}.0"


def next_assignment(tags: Iterable[str], stage: str) -> int:
    """Return the number of the next assignment of `stage`; the first is 1."""
    prefix = f"{ARTIFACT}#{stage}#"
    numbers = (tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix))
    return 1 + max((int(number) for number in numbers if number.isdigit()), default=0)
