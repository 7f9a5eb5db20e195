"""Explanation of one test row in the evidence of `compare`: that whose prediction changes most with the candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from slipway import output, predictor
from slipway.evaluation.compared import Contribution, ExplainedRow
from slipway.serving.explanations import read_explainer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from slipway.settings import Settings


def explained_row(
    model: Path,
    features_of: Callable[[int], pd.DataFrame],
    scores: np.ndarray,
    champion: np.ndarray | None,
    settings: Settings,
) -> ExplainedRow | None:
    """Return the explanation of the prediction that differs most from that of the champion.

    model: folder of the candidate, next to the background rows of its release. Without these there is no explanation.
    features_of: returns the features of the test row at a place, shape (1, columns of Row).
    scores, champion: predictions for all test rows, as `Predictor.predict` documents. Without a champion, or where both
    predict the same, the prediction that differs most from the mean is explained.
    """
    explainer = read_explainer(model, predictor.load(model), settings.serving.explain.model_dump())
    if explainer is None:
        return None
    row, place, moved = _chosen(scores, champion)
    try:
        explanation = explainer.explain({str(name): values.to_numpy() for name, values in features_of(row).items()})
    except ValueError as error:
        output.step(f"compare: test row {row} is not explained: {error}")
        return None
    contributions = [
        Contribution(column=name, value=float(value[place]), standard_error=float(error[place]))
        for name, value, error in zip(
            explanation.columns, explanation.contributions, explanation.standard_errors, strict=True
        )
    ]
    return ExplainedRow(
        row=row,
        category=str(explainer.signature["classes"][place]) if scores.ndim > 1 else None,
        prediction=float(explanation.prediction[place]),
        base=float(explanation.base[place]),
        champion=float(champion.reshape(len(scores), -1)[row, place]) if champion is not None and moved else None,
        contributions=sorted(contributions, key=lambda contribution: -abs(contribution.value)),
    )


def _chosen(scores: np.ndarray, champion: np.ndarray | None) -> tuple[int, int, bool]:
    """Return the row and the class that differ most, and whether from the champion or else from the mean."""
    if champion is not None and np.nanmax(np.abs(scores - champion), initial=0.0) > 0:
        return *_largest(scores - champion), True
    return *_largest(scores - scores.mean(axis=0)), False


def _largest(differences: np.ndarray) -> tuple[int, int]:
    sizes = np.nan_to_num(np.abs(differences)).reshape(len(differences), -1)
    row, place = np.unravel_index(sizes.argmax(), sizes.shape)
    return int(row), int(place)
