"""The history as text: a line for each run and release, and the differences of two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slipway.history.entries import Entry
    from slipway.history.records import SnapshotDiff

ABSENT = "—"
HEADER = ("NAME", "WHEN", "BY", "COMMIT", "DATA", "MODEL", "METRIC", "CHAMPION", "DECISION")


def table(entries: list[Entry]) -> str:
    """Return a table with a line for each entry, below a header."""
    rows = [HEADER, *(_row(entry) for entry in entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(entry: Entry) -> tuple[str, ...]:
    primary = str(entry.files.parameters.get("gates.primary", ""))
    value = entry.files.metrics.get(f"evaluate.model.{primary}")
    decision = entry.decisions[-1] if entry.decisions else ("not promoted" if entry.digest else ABSENT)
    return (
        entry.name,
        entry.time[:16].replace("T", " "),
        entry.by,
        entry.commit[:8],
        next((md5[:8] for md5 in entry.files.data.values()), ABSENT),
        entry.files.outputs.get("model", ABSENT)[:8],
        f"{primary} {value:.4f}" if value is not None else ABSENT,
        entry.champion or ABSENT,
        decision,
    )


def diff(comparison: SnapshotDiff) -> str:
    """Return the result of `History.diff` as text: a section for each part, a line for each difference."""
    lines = [f"{comparison.before} → {comparison.after}"]
    for part, pairs in comparison.parts.items():
        lines += ["", f"{part}: {len(pairs) or 'the same'}"]
        lines += [f"  {name}: {_text(old)} → {_text(new)}" for name, (old, new) in pairs.items()]
    commits = comparison.commits
    lines += ["", f"commits: {len(commits) or 'the same'}", *(f"  {line}" for line in commits)]
    return "\n".join(lines)


def _text(value: Any) -> str:
    return ABSENT if value is None else f"{value:g}" if isinstance(value, float) else str(value)
