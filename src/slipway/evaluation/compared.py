"""Results of an evaluation: intervals of metrics, comparisons of two models, calibration, errors, an explanation."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import model_validator

from slipway.schema.bounds import GROUPS_MAX, ITEMS_MAX, Absent, Count, Evidence, Name, Number, max_items


class Interval(Evidence):
    """An estimate and its percentile interval; NaN where undefined."""

    value: Number
    low: Number
    high: Number

    @property
    def ends(self) -> tuple[float, float, float]:
        """The estimate, and the lower and the upper end."""
        return self.value, self.low, self.high

    @property
    def is_defined(self) -> bool:
        """Whether all three numbers are finite."""
        return all(map(math.isfinite, self.ends))


class Comparison(Evidence):
    """One metric of two models on the same rows; `gain` is positive where the candidate is better."""

    metric: Name
    rows: Count
    candidate: Interval
    champion: Interval
    gain: Interval


class Decile(Evidence):
    """Mean prediction and mean outcome of one decile of the rows."""

    predicted: Number
    observed: Number
    low: Absent[Number] = None
    """Lower end of the interval of the mean outcome."""
    high: Absent[Number] = None


class Residuals(Evidence):
    """Quantiles of outcome minus prediction in one decile of the predictions of a regression."""

    predicted: Number
    """Mean prediction."""
    low: Number
    median: Number
    high: Number


class RocPoint(Evidence):
    """A point of the ROC curve: true positive rate at a false positive rate, with its interval."""

    false_positives: Number
    true_positives: Number
    low: Number
    high: Number
    champion: Absent[Number] = None
    """True positive rate of the champion."""


Counts = Annotated[list[Annotated[list[Count], max_items(ITEMS_MAX)]], max_items(ITEMS_MAX)]
"""Rows by actual and predicted class, each in the order of `Confusion.classes`."""


class Confusion(Evidence):
    """Rows by actual and predicted class, and what the errors cost."""

    classes: Annotated[list[Name], max_items(ITEMS_MAX)]
    candidate: Counts
    champion: Absent[Counts] = None
    threshold: Absent[Number] = None
    """Score from which a row counts as positive; None for multiclass, where the likeliest class counts."""
    cost: Absent[Comparison] = None
    """Mean cost of a row at the threshold."""
    cost_unit: Name = ""

    @model_validator(mode="after")
    def _is_square(self) -> Confusion:
        size = len(self.classes)
        for counts in (self.candidate, self.champion or self.candidate):
            if [len(row) for row in counts] != [size] * size:
                raise ValueError("a confusion matrix that does not have a row and a column for each class")
        return self


class Contribution(Evidence):
    """What a column adds to a prediction."""

    column: Name
    value: Number
    standard_error: Number


class ExplainedRow(Evidence):
    """The prediction of the candidate for one test row, which is `base` plus the sum of the contributions."""

    row: Count
    """Position among the test rows, from 0."""
    category: Absent[Name] = None
    """Class whose probability is explained; None unless the task is `multiclass`."""
    prediction: Number
    base: Number
    """Mean prediction for the background rows."""
    champion: Absent[Number] = None
    """Prediction of the champion, where the candidate's differs."""
    contributions: Annotated[list[Contribution], max_items(GROUPS_MAX)]
    """Largest first."""
