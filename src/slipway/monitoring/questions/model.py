"""Is it the release's own model that answers? Logged rows are scored again: other predictions are another model's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.monitoring.reference import predict
from slipway.monitoring.window import scores

if TYPE_CHECKING:
    from slipway.monitoring.look import Look

ROWS = 2000  # scored again; a model that answers one request in a hundred is missed once in 500 million windows


def evidence(look: Look) -> dict[str, Any]:
    """Share of the rows that got another prediction than the release's model gives them, and the largest difference."""
    if look.hidden:
        return {"missing": f"the log leaves out {', '.join(look.hidden)}, so that no row can be scored again"}
    if look.own.empty:
        return {"missing": f"no row was answered by {look.reference.promise.release}"}
    rows = look.own.sample(min(len(look.own), ROWS), random_state=look.params["seed"])
    model = look.reference.model
    apart = (
        np.abs(predict(model, rows) - scores(rows["prediction"], model.signature)).reshape(len(rows), -1).max(axis=1)
    )
    other = float((~(apart <= look.limits["model_tolerance"])).mean())
    said = f"{other:.1%} of {len(rows):,} rows were answered otherwise, by up to {np.nanmax(apart):.2g}"
    finding = {
        "column": "prediction",
        "what": "another model",
        "score": other / look.limits["model_ratio"],
        "said": said,
    }
    return {"rows": len(rows), "findings": [finding]}
