"""Assembly of the application from the folder of a model, for every server of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import problem
from slipway.serving import model_folder
from slipway.settings import read_section

if TYPE_CHECKING:
    from slipway.serving.app import App
    from slipway.serving.observer import Observer

SETTINGS = read_section("serving", model_folder.root() / "params.yaml")


def make_app() -> App:
    """Load the model and return the application of a worker.

    Raises UserError for a model that fails verification, or whose columns are not those of `problem.Row`.
    """
    from slipway import predictor
    from slipway.serving import pages
    from slipway.serving.app import App
    from slipway.serving.contract import RowContract
    from slipway.serving.explanations import Explanations, read_explainer
    from slipway.serving.open_inference import OpenInference
    from slipway.serving.scorer import Scorer

    folder = model_folder.locate()
    release = model_folder.verify(folder)
    model_folder.refuse_other_columns(folder, problem.Row)
    model = predictor.load(folder, SETTINGS["provider"])
    scorer = Scorer(model, SETTINGS["inline_seconds"], SETTINGS["timeout_seconds"])
    observer = _observer(release, model.signature)
    app = App(release, RowContract(problem.Row, SETTINGS["max_rows"]), scorer, observer, SETTINGS)
    app.add_protocol(OpenInference(problem.Row, model.signature, release["version"]))
    explainer = read_explainer(folder, model, SETTINGS["explain"])
    if explainer:
        explanations = Explanations(explainer, problem.Row, release["version"], SETTINGS["timeout_seconds"])
        app.add_explanations(explanations, SETTINGS["explain"]["max_concurrency"])
    pages.add(app, problem, release["version"], SETTINGS, explained=explainer is not None)
    return app


def _observer(release: dict[str, Any], signature: dict[str, Any]) -> Observer:
    from slipway.serving import logs, prediction_log
    from slipway.serving.metrics import Metrics
    from slipway.serving.observer import Observer

    metrics = Metrics(release, signature, SETTINGS["prediction_edges"])
    logs.configure(release["version"], metrics.line_dropped)
    log = prediction_log.from_environment(release["version"], problem.Row, SETTINGS["prediction_log"], metrics.logged)
    return Observer(metrics, SETTINGS, log)
