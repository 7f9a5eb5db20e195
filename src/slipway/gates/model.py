"""Gates on the candidate alone: parity of the exported model with the trained one, and a floor for its quality."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from slipway import figures
from slipway.evaluation import metrics
from slipway.gates.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.gates.training_evidence import Export
    from slipway.settings.training import GatesSection


def parity(export: Export | None, tolerance: float) -> Verdict:
    """Require that the exported model predicts what the trained one does, within `tolerance`.

    Parity is measured on every test row, and on rows derived from `Row` for values that the test rows may lack.
    """
    threshold = f"difference ≤ {tolerance:.0e}"
    if export is None or math.isnan(export.parity):
        return Verdict("export parity", Outcome.FAIL, threshold, "missing", "parity was not measured")
    outcome = Outcome.PASS if export.parity <= tolerance else Outcome.FAIL
    rows = f"{export.rows:,} test rows and {export.derived_rows:,} derived from Row"
    return Verdict("export parity", outcome, threshold, f"{export.parity:.1e} on {rows}")


def floor(measured: Mapping[str, float], limits: GatesSection, task: str) -> Verdict:
    """Require that the primary metric is at least as good as `gates.floor`. `measured` has the model's metrics."""
    metric = metrics.primary(task, limits.primary)
    threshold = f"{metric.name} {'≥' if metric.higher_is_better else '≤'} {limits.floor:g}"
    observed = measured.get(metric.name, math.nan)
    if math.isnan(observed):
        return Verdict("floor", Outcome.FAIL, threshold, "missing", f"{metric.name} is missing or not a number")
    passed = metric.gain(observed - limits.floor) >= 0
    return Verdict(
        "floor", Outcome.PASS if passed else Outcome.FAIL, threshold, f"{metric.name} {figures.as_text(observed)[0]}"
    )
