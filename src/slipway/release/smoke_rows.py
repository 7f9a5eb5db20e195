"""The known rows of a release with the predictions of its build, and the verdict on those that a service returns."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from slipway.environment import client
from slipway.evaluation.parity import differences
from slipway.gates import Outcome, Verdict
from slipway.loadtest.traffic import SYNTHETIC_ID_PREFIX

if TYPE_CHECKING:
    from slipway.release.manifest import SmokeTest


def request_predictions(url: str, expected: SmokeTest) -> list[Any] | None:
    """Return what the service at `url` predicts for the rows; None without a valid response."""
    import httpx

    try:
        response = client.client().post(
            f"{url}/predict", json=expected.rows, headers={"X-Request-ID": f"{SYNTHETIC_ID_PREFIX}smoke"}
        )
        return response.json()["predictions"] if response.status_code == HTTPStatus.OK else None
    except (httpx.HTTPError, ValueError, KeyError):
        return None


def judge_predictions(expected: SmokeTest, predictions: list[Any] | None) -> Verdict:
    """Return the verdict on served predictions: each must match that of the build within the tolerance."""
    gate, threshold = "answers", f"difference at most {expected.tolerance:g}"
    if predictions is None:
        return Verdict(gate, Outcome.FAIL, threshold, "no response")
    if len(predictions) != len(expected.rows):
        return Verdict(gate, Outcome.FAIL, threshold, f"{len(predictions)} predictions")
    largest = max(map(_difference, expected.predictions, predictions))
    passed = largest <= expected.tolerance  # False for NaN
    observed = f"{largest:.1e} on {len(predictions)} rows"
    return Verdict(gate, Outcome.PASS if passed else Outcome.FAIL, threshold, observed)


def _difference(expected: Any, predicted: Any) -> float:
    """Return the largest difference of a prediction; infinity when its type or classes differ."""
    if isinstance(expected, dict):
        if not isinstance(predicted, dict) or expected.keys() != predicted.keys():
            return float("inf")
        return max(_difference(expected[name], predicted[name]) for name in expected)
    return float(differences(expected, predicted)) if isinstance(predicted, int | float) else float("inf")
