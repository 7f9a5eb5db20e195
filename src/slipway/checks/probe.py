"""Does the new data's label still follow its features? A quick linear model, fitted on the reference, finds out.

Shuffled labels keep every distribution, so no drift check sees them; but then what older rows teach about newer ones
is worth nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import problem
from slipway import predictor
from slipway.baselines import baselines
from slipway.checks.skill import skill
from slipway.features import to_features

if TYPE_CHECKING:
    import pandas as pd

CHECK = "Label Follows Features"


def check(new: pd.DataFrame, reference: pd.DataFrame, limit: float) -> dict[str, str]:
    """The outcome in the form that the suites' checks have; `limit` is the least skill, in [0, 1]."""
    condition = f"Skill of a linear model fitted on the reference is at least {limit}"
    try:
        observed = measured(new, reference)
    except ValueError as error:  # the reference holds one class only
        return {"check": CHECK, "condition": condition, "outcome": "not run", "observed": str(error).splitlines()[0]}
    outcome = "pass" if observed >= limit else "fail"
    return {"check": CHECK, "condition": condition, "outcome": outcome, "observed": f"Skill is {observed:.3f}"}


def measured(new: pd.DataFrame, reference: pd.DataFrame) -> float:
    """Skill on `new` rows of a linear model fitted on `reference`."""
    model = baselines(problem.TASK, problem.Row)["linear"]
    model.fit(to_features(reference, problem.Row), reference[problem.TARGET])
    scores = predictor.score(model, to_features(new, problem.Row), problem.TASK)
    classes = list(getattr(model, "classes_", []))
    return skill(problem.TASK, classes, new[problem.TARGET].to_numpy(), scores)
