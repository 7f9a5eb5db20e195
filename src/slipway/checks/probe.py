"""Does the new data's label still follow its features? A quick linear model, fitted on the reference, finds out.

Shuffled labels keep every distribution, so no drift check sees them; but then what older rows teach about newer ones
is worth nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import problem
from slipway import predictor
from slipway.baselines import baselines
from slipway.features import to_features
from slipway.metrics import for_task

if TYPE_CHECKING:
    import pandas as pd

CHECK = "Label Follows Features"


def check(new: pd.DataFrame, reference: pd.DataFrame, limit: float) -> dict[str, str]:
    """The outcome in the form that the suites' checks have; `limit` is the least skill, in [0, 1]."""
    condition = f"Skill of a linear model fitted on the reference is at least {limit}"
    try:
        observed = skill(new, reference)
    except ValueError as error:
        return {"check": CHECK, "condition": condition, "outcome": "not run", "observed": str(error).splitlines()[0]}
    outcome = "pass" if observed >= limit else "fail"
    return {"check": CHECK, "condition": condition, "outcome": outcome, "observed": f"Skill is {observed:.3f}"}


def skill(new: pd.DataFrame, reference: pd.DataFrame) -> float:
    """How well `new` rows are ordered by a linear model fitted on `reference`: 0 is chance, 1 is perfect.

    Twice the area under the ROC curve, less one; averaged over classes for `multiclass`, of the upper half of the
    targets for `regression`. Raises ValueError when the reference holds one class only.
    """
    model = baselines(problem.TASK, problem.Row)["linear"]
    model.fit(to_features(reference, problem.Row), reference[problem.TARGET])
    scores = predictor.score(model, to_features(new, problem.Row), problem.TASK)
    areas = [_area(positive, score) for positive, score in _questions(model, new[problem.TARGET].to_numpy(), scores)]
    return float(2 * np.nanmean(areas) - 1)


def _questions(model: Any, target: np.ndarray, scores: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """(is positive, score) of each question that the area is asked about."""
    if problem.TASK == "multiclass":
        return [(target == label, scores[:, index]) for index, label in enumerate(model.classes_)]
    return [(target == 1 if problem.TASK == "binary" else target > np.median(target), scores)]


def _area(positive: np.ndarray, score: np.ndarray) -> float:
    return for_task("binary")["roc_auc"].value(positive.astype(float), score)
