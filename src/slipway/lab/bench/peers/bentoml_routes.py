"""BentoML with its own routes: a method with a pydantic model as its parameter."""

from __future__ import annotations

from typing import Any

import bentoml

from problem import Row
from slipway.lab.bench import plain_model
from slipway.serving import model_folder


@bentoml.service(name="routes", workers=1)
class Routes:
    """Service that predicts for a row."""

    def __init__(self) -> None:
        self.predict_columns = plain_model.load(model_folder.locate())

    @bentoml.api  # type: ignore[untyped-decorator]  # BentoML publishes no types
    def predict(self, row: Row) -> list[Any]:
        """Score a row."""
        predictions: list[Any] = self.predict_columns(plain_model.as_columns(row)).tolist()
        return predictions
