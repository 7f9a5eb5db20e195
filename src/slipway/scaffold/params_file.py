"""params.yaml line by line: some values with their reasons are changed, all else stays as it is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

LINE = re.compile(r"(?P<indent> *)(?P<key>\w+):(?P<value> *[^#\s][^#]*?)?(?P<gap> +)?(?P<why># .*)?$")


@dataclass(frozen=True)
class Change:
    """Another value of a key, and why it is so; `renamed` is another name for the key."""

    value: Any
    why: str
    renamed: str = ""


def edit(text: str, changes: Mapping[str, Change], removed: Collection[str] = ()) -> str:
    """`text` with `changes`, by their place such as `gates.floor`, and without those of the keys in `removed` it has.

    Raises UserError when `text` lacks a key that is to change, because then it is not the template's file.
    """
    lines, open_ = [], {*changes}
    for path, line in _placed(text):
        open_.discard(path)
        if path in changes:
            lines.append(_changed(line, changes[path]))
        elif path not in removed:
            lines.append(line)
    if open_:
        raise UserError(f"params.yaml: no {min(open_)}; it is needed, so take the template's file")
    return "\n".join(lines) + "\n"


def places(text: str) -> set[str]:
    """The place of every key in `text`."""
    return {path for path, _ in _placed(text)}


def _placed(text: str) -> Iterator[tuple[str, str]]:
    """Each line with the place of its key, or with nothing."""
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        found = LINE.match(line)
        if not found:
            yield "", line
            continue
        depth = len(found["indent"])
        above = [(indent, key) for indent, key in above if indent < depth] + [(depth, found["key"])]
        yield ".".join(key for _, key in above), line


def _changed(line: str, change: Change) -> str:
    found = LINE.match(line)
    assert found  # noqa: S101  `_placed` matched it
    key = f"{found['indent']}{change.renamed or found['key']}:"
    said = f"{key} {_written(change.value)}" if change.value is not None else key
    return f"{said.ljust(found.start('why') - 1)} # {change.why}"


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and value != int(value) else str(value)
