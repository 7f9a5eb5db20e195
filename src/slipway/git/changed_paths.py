"""Differences between two trees: every added, deleted or modified path, with its mode on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ABSENT, FILE = "000000", "100644"


@dataclass(frozen=True, order=True)
class ChangedPath:
    """A path whose content or mode differs. A rename is two of them: the deleted path and the added one."""

    path: str
    before: str
    """Mode before, or ABSENT."""
    after: str
    """Mode after, or ABSENT."""
    blobs: tuple[str, str] = ("", "")
    """Object ids of the content before and after; all zeros, or empty, where git has not stored it."""

    @property
    def kind(self) -> str:
        """Return `added`, `deleted`, `modified`, or `mode changed` when only the mode differs."""
        if self.before == ABSENT:
            return "added"
        if self.after == ABSENT:
            return "deleted"
        same_content = bool(self.blobs[0]) and self.blobs[0] == self.blobs[1]
        return "mode changed" if self.before != self.after and same_content else "modified"


def parse_raw(output: bytes) -> Iterator[ChangedPath]:
    """Parse the output of `diff-tree` or `diff-index` with `--raw -z --no-renames`."""
    fields = iter(output.decode(errors="surrogateescape").split("\0"))
    for meta in fields:
        if meta:
            before, after, old, new, _ = meta.removeprefix(":").split(" ")
            yield ChangedPath(next(fields), before, after, (old, new))


def renamed(changes: list[ChangedPath]) -> dict[str, str]:
    """Return old paths by new path, where exactly one deleted and one added path have the same content."""
    deleted: dict[str, list[str]] = {}
    added: dict[str, list[str]] = {}
    for change in changes:
        if change.kind == "deleted" and change.blobs[0]:
            deleted.setdefault(change.blobs[0], []).append(change.path)
        elif change.kind == "added" and change.blobs[1]:
            added.setdefault(change.blobs[1], []).append(change.path)
    pairs = ((added.get(blob, []), paths) for blob, paths in deleted.items())
    return {after[0]: before[0] for after, before in pairs if len(after) == len(before) == 1}
