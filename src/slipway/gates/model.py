"""Gates on the candidate alone: parity of the exported model with the trained one, and a floor for its quality."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from slipway import figures
from slipway.evaluation import metrics
from slipway.gates.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping


def parity(export: Mapping[str, Any], tolerance: float) -> Verdict:
    """Require that the exported model predicts what the trained one does, within `tolerance`.

    `export` is `metrics/export.json`. Parity is measured on every test row, and on rows derived from `Row` for values
    that the test rows may lack.
    """
    threshold = f"difference ≤ {tolerance:.0e}"
    observed = float(export.get("parity", math.nan))
    if math.isnan(observed):
        return Verdict("export parity", Outcome.FAIL, threshold, "missing", "parity was not measured")
    outcome = Outcome.PASS if observed <= tolerance else Outcome.FAIL
    return Verdict(
        "export parity",
        outcome,
        threshold,
        f"{observed:.1e} on {export['rows']:,} test rows and {export.get('derived_rows', 0):,} derived from Row",
    )


def floor(evaluation: Mapping[str, Any], params: Mapping[str, Any], task: str) -> Verdict:
    """Require that the primary metric is at least as good as `gates.floor`. `evaluation` is `metrics/evaluate.json`."""
    metric = metrics.primary(task, params["primary"])
    threshold = f"{metric.name} {'≥' if metric.higher_is_better else '≤'} {params['floor']:g}"
    observed = float(evaluation.get("model", {}).get(metric.name, math.nan))
    if math.isnan(observed):
        return Verdict("floor", Outcome.FAIL, threshold, "missing", f"{metric.name} is missing or not a number")
    passed = metric.gain(observed - params["floor"]) >= 0
    return Verdict(
        "floor", Outcome.PASS if passed else Outcome.FAIL, threshold, f"{metric.name} {figures.as_text(observed)[0]}"
    )
