"""The history as people read it: a line for each run and release, and what differs between two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.history.entries import Entry

ABSENT = "—"
HEAD = ("NAME", "WHEN", "BY", "COMMIT", "DATA", "MODEL", "METRIC", "CHAMPION", "DECISION")
PARTS = ("parameters", "metrics", "data", "outputs", "packages")


def table(entries: list[Entry]) -> str:
    """A line for each entry, under a head."""
    rows = [HEAD, *(_row(one) for one in entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(one: Entry) -> tuple[str, ...]:
    primary = str(one.files.parameters.get("gates.primary", ""))
    value = one.files.metrics.get(f"evaluate.model.{primary}")
    decision = one.decisions[-1] if one.decisions else ("not promoted" if one.digest else ABSENT)
    return (
        one.name,
        one.time[:16].replace("T", " "),
        one.by,
        one.commit[:8],
        next((md5[:8] for md5 in one.files.data.values()), ABSENT),
        one.files.outputs.get("model", ABSENT)[:8],
        f"{primary} {value:.4f}" if value is not None else ABSENT,
        one.champion or ABSENT,
        decision,
    )


def diff(found: Mapping[str, Any]) -> str:
    """A comparison in words: each part that differs, a line for each difference."""
    lines = [f"{found['before']} → {found['after']}"]
    for part in PARTS:
        pairs = found[part]
        lines += ["", f"{part}: {len(pairs) or 'the same'}"]
        lines += [f"  {name}: {_shown(old)} → {_shown(new)}" for name, (old, new) in pairs.items()]
    lines += ["", f"commits: {len(found['commits']) or 'the same'}", *(f"  {line}" for line in found["commits"])]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return ABSENT if value is None else f"{value:g}" if isinstance(value, float) else str(value)
