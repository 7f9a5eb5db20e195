"""What an answer to one row must look like, whoever sends the load."""

from __future__ import annotations

import json
import math


def read_answer(response) -> tuple[str, str]:
    """Which release answered, and what is wrong with the answer to one row (empty when nothing is)."""
    if response.status_code != 200:
        return "", f"status {response.status_code}" if response.status_code else f"no answer ({response.error!r})"
    try:
        answer = json.loads(response.content)
        release, predictions = str(answer["release"]), answer["predictions"]
    except (ValueError, KeyError, TypeError):
        return "", "not the JSON of a prediction"
    if not isinstance(predictions, list) or len(predictions) != 1:
        return release, "not one prediction for one row"
    return release, "" if is_finite(predictions[0]) else "not a finite number"


def is_finite(prediction: object) -> bool:
    """Whether a prediction is a finite number, or one for each class, named or in order."""
    if isinstance(prediction, dict):
        prediction = list(prediction.values())
    if isinstance(prediction, list):
        return bool(prediction) and all(is_finite(number) for number in prediction)
    return isinstance(prediction, int | float) and not isinstance(prediction, bool) and math.isfinite(prediction)
