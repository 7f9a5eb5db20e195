"""Probe of the relation between features and label: the skill of a linear model, fitted on the reference, on new data.

Shuffled labels keep every distribution, so no drift check detects them. A model of older rows then has no skill.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import problem
from slipway import predictor
from slipway.evaluation.baselines import baselines
from slipway.evaluation.skill import skill
from slipway.gates.data_evidence import CheckOutcome
from slipway.schema.features import to_features

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

CHECK = "Label Follows Features"


class Probe:
    """A linear model of the reference, fitted once for any number of new frames."""

    def __init__(self, reference: pd.DataFrame) -> None:
        self.reference = reference

    @cached_property
    def model(self) -> BaseEstimator:
        """Return the fitted model. Raises ValueError when the reference has a single class."""
        model = baselines(problem.TASK, problem.Row)["linear"]
        return model.fit(to_features(self.reference, problem.Row), self.reference[problem.TARGET])

    def skill(self, new: pd.DataFrame) -> float:
        """Return the skill on `new` rows: 0 is chance, 1 is perfect."""
        scores = predictor.score(self.model, to_features(new, problem.Row), problem.TASK)
        classes = list(getattr(self.model, "classes_", []))
        return skill(problem.TASK, classes, new[problem.TARGET].to_numpy(), scores)

    def check(self, new: pd.DataFrame, limit: float) -> CheckOutcome:
        """Return the outcome as that of another check of the suites; `limit` is the minimum skill."""
        condition = f"Skill of a linear model fitted on the reference is at least {limit}"
        try:
            skill = self.skill(new)
        except ValueError as error:
            outcome, observed = "not run", str(error).splitlines()[0]
        else:
            outcome, observed = "pass" if skill >= limit else "fail", f"Skill is {skill:.3f}"
        return CheckOutcome(check=CHECK, condition=condition, outcome=outcome, observed=observed)
