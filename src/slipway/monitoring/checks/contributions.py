"""What each column adds to a shift of the mean prediction, by the explainer of the service's `/explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import problem
from slipway import figures
from slipway.explainer import Explainer
from slipway.monitoring.expectation import DRIFT, prediction_columns
from slipway.schema.features import to_features

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from slipway.gates.monitoring_evidence import Finding
    from slipway.monitoring.context import CheckContext

ROWS_MAX = 1000  # of each side; takes 0.3 s for 19 columns, with standard errors below 0.005 in the sample
WALKS = 1  # pairs from each background row; more rows lower the standard errors more than more walks
QUOTED_MAX = 3  # columns in a message
ERRORS_MIN = 2.0  # standard errors of a contribution that is quoted


def with_contributions(context: CheckContext, finding: Finding) -> Finding:
    """Return a finding on predictions with the contribution of each column to the shift of their mean.

    The release's rows of the window are compared with the previous windows if the finding is about these, else with
    training rows. The finding is unchanged where the log redacts a column, since no row can be scored again.
    """
    if context.hidden:
        return finding
    previous = context.window.previous if finding.what == DRIFT and context.has_previous else None
    before = context.reference.rows if previous is None else previous
    explainer = Explainer(context.reference.model, _sample(context, before), WALKS)
    explanation = explainer.explain(_sample(context, context.own))
    names = [*prediction_columns(explanation.prediction[None])]
    place = names.index(finding.column) if finding.column in names else 0
    values, errors = explanation.contributions[:, place].tolist(), explanation.standard_errors[:, place].tolist()
    parts = sorted(zip(explanation.columns, values, errors, strict=True), key=lambda part: -abs(part[1]))
    then, now = figures.as_text(float(explanation.base[place]), float(explanation.prediction[place]))
    origin = "training rows" if previous is None else "the previous windows"
    moved = [part for part in parts if abs(part[1]) > ERRORS_MIN * part[2]][:QUOTED_MAX]
    quoted = ", ".join(_quoted(*part) for part in moved) or "no column"
    shift = f"scored again, their mean is {now}, that of {origin} {then}: the shift comes from {quoted}"
    contributions = {name: {"value": value, "standard_error": error} for name, value, error in parts}
    return finding.model_copy(update={"message": f"{finding.message}; {shift}", "contributions": contributions})


def _quoted(name: str, value: float, error: float) -> str:
    text, uncertainty = figures.as_text(value, error)
    return f"`{name}` {'' if value < 0 else '+'}{text} ± {uncertainty}"


def _sample(context: CheckContext, rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the features of rows in random order."""
    drawn = rows.sample(min(len(rows), ROWS_MAX), random_state=context.settings.seed)
    features = to_features(drawn, problem.Row)
    return {str(name): values.to_numpy() for name, values in features.items()}
