"""Validation of a response to one row, for both locustfiles."""

from __future__ import annotations

import json
import math


def read_response(response) -> tuple[str, str]:
    """Return the release that responded and the reason why the response is invalid, empty for a valid one."""
    if response.status_code != 200:
        return "", f"status {response.status_code}" if response.status_code else f"no response ({response.error!r})"
    try:
        body = json.loads(response.content)
        release, predictions = str(body["release"]), body["predictions"]
    except (ValueError, KeyError, TypeError):
        return "", "body is not a prediction in JSON"
    if not isinstance(predictions, list) or len(predictions) != 1:
        return release, "expected one prediction for one row"
    return release, "" if is_finite(predictions[0]) else "prediction is not a finite number"


def is_finite(prediction: object) -> bool:
    """Return whether a prediction is a finite number, or a list or mapping of finite numbers, one per class."""
    if isinstance(prediction, dict):
        prediction = list(prediction.values())
    if isinstance(prediction, list):
        return bool(prediction) and all(is_finite(number) for number in prediction)
    return isinstance(prediction, int | float) and not isinstance(prediction, bool) and math.isfinite(prediction)
