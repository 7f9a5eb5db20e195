"""Explanations of predictions: the contribution of each column to the prediction for one row.

They are computed on a thread of their own, one at a time and with a lower priority where the system has priorities of
threads, so that predictions do not wait for them.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from slipway.explainer import Explainer
from slipway.serving.contract import RowContract
from slipway.serving.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    from pydantic import BaseModel

    from slipway.predictor import Predictor
    from slipway.serving.observer import Caller

BACKGROUND = "build/background.json"
"""Rows of stage `background`, relative to the folder that contains the folder of the model."""
NICENESS = 10  # of the thread: a busy core gives it a tenth of the time


class Explanations:
    """Answers requests for explanations of the predictions of a release."""

    def __init__(self, explainer: Explainer, row: type[BaseModel], release: str, timeout_seconds: float) -> None:
        signature = explainer.signature
        self._explainer = explainer
        self._contract = RowContract(row, max_rows=1)
        self._classes = [str(name) for name in signature["classes"]] if signature["task"] == "multiclass" else None
        self._release = release
        self._timeout_seconds = timeout_seconds
        self._thread = ThreadPoolExecutor(1, "explainer", initializer=_lower_priority)

    async def answer(self, caller: Caller, body: bytearray) -> bytes:  # noqa: ARG002  the signature of answers
        """Return the explanation of the prediction for the row in `body`, as JSON.

        Raises RefusedError for a body that is not one row, or after `timeout_seconds` (504).
        """
        _, row = self._contract.parse(body)
        work = asyncio.get_running_loop().run_in_executor(self._thread, self._explainer.explain, row)
        try:
            explanation = await asyncio.wait_for(work, self._timeout_seconds)
        except TimeoutError:
            raise RefusedError(504, "timeout", f"the explanation exceeded {self._timeout_seconds} s") from None
        contributions = {
            name: {"value": self._by_class(value), "standard_error": self._by_class(error)}
            for name, value, error in zip(
                explanation.columns, explanation.contributions, explanation.standard_errors, strict=True
            )
        }
        return to_json(
            {
                "release": self._release,
                "prediction": self._by_class(explanation.prediction),
                "base": self._by_class(explanation.base),
                "contributions": contributions,
            }
        )

    def _by_class(self, values: np.ndarray) -> Any:
        numbers = values.tolist()
        return numbers[0] if self._classes is None else dict(zip(self._classes, numbers, strict=True))


def read_explainer(model: Path, predictor: Predictor, settings: Mapping[str, Any]) -> Explainer | None:
    """Return the explainer of the model in the folder `model`, or None where it has no background rows.

    `settings` is the section `serving.explain` of params.yaml.
    """
    path = model.parent / BACKGROUND
    if not path.is_file():
        return None
    background = json.loads(path.read_text(encoding="utf-8"))["columns"]
    return Explainer(predictor, background, settings["walks"])


def _lower_priority() -> None:
    with suppress(OSError, AttributeError):  # only Linux has priorities of threads
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
