"""Do live rows look like those that the model was trained on, whatever the season?

Each column alone: missing, equal, unknown and round values, and the shape that is nearest of any period. And beside the
others: what they say of it. A column that is beyond is named, the furthest first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import problem

if TYPE_CHECKING:
    from slipway.monitoring.look import Look

SAY = {
    "missing": "{value:.1%} missing",
    "equal": "{value:.1%} of the values are one and the same",
    "unknown": "{value:.1%} are values that training never saw",
    "shape": "distance {value:.2f} to the period that is most alike",
    "relation": "{value:.1f} times as far as usual from what the other columns say of it",
    "lean": "{value:+.1f} mean errors to one side of what the other columns say of it",
    "moved": "distance {value:.2f} to the time before",
}


def evidence(look: Look) -> dict[str, Any]:
    """Statistics of every column of `Row` beside their range in the reference, the furthest beyond first."""
    if few := look.few(look.window.rows):
        return {"missing": few}
    statistics = {key: value for key, value in look.statistics.items() if key[1] in problem.Row.model_fields}
    found = look.beyond({key: value for key, value in statistics.items() if key[0] != "moved"})
    return {"rows": len(look.window.rows), "findings": [said(one) for one in found]}


def said(one: dict[str, Any]) -> dict[str, Any]:
    """With a sentence."""
    words = SAY.get(one["what"], "{value:.1%} are " + one["what"]).format(value=one["value"])
    share = "%" in words
    low, high = (f"{one[end]:.1%}" if share else f"{one[end]:.2f}" for end in ("low", "high"))
    return one | {"said": f"{one['column']}: {words}; in training {low} to {high}"}
