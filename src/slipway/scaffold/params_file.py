"""Line edits of params.yaml: they change values with their comments, and keep all other lines."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

LINE = re.compile(r"(?P<indent> *)(?P<key>\w+):(?P<value> *[^#\s][^#]*?)?(?P<gap> +)?(?P<comment># .*)?$")


@dataclass(frozen=True)
class Change:
    """New value and comment of a key; `renamed` is its new name, if any."""

    value: Any
    comment: str
    renamed: str = ""


def edit(text: str, changes: Mapping[str, Change], removed: Collection[str] = ()) -> str:
    """Return `text` with `changes` by path, such as `gates.floor`, and without the keys in `removed`.

    Raises UserError when `text` lacks a key to change, because then it is not the template's file.
    """
    lines, missing = [], {*changes}
    for path, line in _placed(text):
        missing.discard(path)
        if path in changes:
            lines.append(_changed(line, changes[path]))
        elif path not in removed:
            lines.append(line)
    if missing:
        raise SettingError(f"params.yaml: {min(missing)}: missing; restore the key from the template's file")
    return "\n".join(lines) + "\n"


def places(text: str) -> set[str]:
    """Return the path of every key in `text`."""
    return {path for path, _ in _placed(text)}


def _placed(text: str) -> Iterator[tuple[str, str]]:
    """Yield (path of its key, line) for each line; the path is empty for a line without a key."""
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = LINE.match(line)
        if not match:
            yield "", line
            continue
        depth = len(match["indent"])
        above = [(indent, key) for indent, key in above if indent < depth] + [(depth, match["key"])]
        yield ".".join(key for _, key in above), line


def _changed(line: str, change: Change) -> str:
    match = LINE.match(line)
    assert match  # noqa: S101  `_placed` matched it
    key = f"{match['indent']}{change.renamed or match['key']}:"
    content = f"{key} {_written(change.value)}" if change.value is not None else key
    return f"{content.ljust(match.start('comment') - 1)} # {change.comment}"


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and value != int(value) else str(value)
