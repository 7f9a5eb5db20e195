"""Assess stable and broken rows of a problem without a time, for the task on the command line.

`test_tasks.py` runs it in a separate process, because it replaces the package `problem`. It prints the failed checks.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, Field

TASK, FAULT = sys.argv[1:]
CLASSES = ["low", "mid", "top"] if TASK == "multiclass" else []
START = datetime(2026, 1, 10, tzinfo=UTC)


class Row(BaseModel):
    size: float | None = Field(ge=0, le=1000)
    double: float = Field(ge=0, le=3000)
    machine: Literal["small", "large"]


problem = sys.modules["problem"] = ModuleType("problem")
problem.TASK, problem.TARGET, problem.TIME_COLUMN, problem.SEGMENTS = TASK, "y", None, ("machine",)
problem.Row, problem.LABEL_KEY = Row, ("request_id", "index")
problem.split = lambda frame, _: (frame.iloc[: len(frame) // 2], frame.iloc[len(frame) // 2 :])

from slipway.monitoring.alarm_state import MonitorState  # noqa: E402  problem must be defined first
from slipway.monitoring.assess import assess  # noqa: E402
from slipway.monitoring.log_columns import KEY, LOGGED, PREDICTION  # noqa: E402
from slipway.monitoring.reference import Reference, ReleaseBaseline, predict  # noqa: E402
from slipway.monitoring.window import LiveWindow, logged  # noqa: E402
from slipway.settings import read_settings  # noqa: E402


def rows(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    size = random.uniform(0, 100, count)
    machine = random.choice(["small", "large"], count)
    frame = pd.DataFrame({"size": size, "double": 2 * size + random.normal(20, 1, count).clip(0), "machine": machine})
    score = size + 20 * (machine == "small") + random.normal(0, 15, count)
    target = {
        "regression": score,
        "binary": (score > 60).astype(int),
        "multiclass": np.array(["low", "mid", "top"])[np.digitize(score, [40, 80])],
    }
    return frame.assign(y=target[TASK])


class Model:
    """A model that knows how the target is generated."""

    signature: ClassVar = {
        "task": TASK,
        "classes": CLASSES,
        "columns": [{"name": "size", "kind": "number"}, {"name": "machine", "kind": "category"}],
    }

    def predict(self, columns):
        score = np.asarray(columns["size"], float) + 20 * (np.asarray(columns["machine"]) == "small")
        if TASK == "regression":
            return score
        chance = 1 / (1 + np.exp(-(score - 60) / 10))
        if TASK == "binary":
            return chance
        top = 1 / (1 + np.exp(-(score - 80) / 10))
        low = 1 / (1 + np.exp((score - 40) / 10))
        return np.column_stack([low, 1 - low - top, top]).clip(0)


def live(count: int, seed: int, start: datetime, days: int) -> pd.DataFrame:
    frame = rows(count, seed)
    time = pd.Series(pd.date_range(start, start + timedelta(days=days), count + 1)[:-1]).dt.as_unit("ms")
    about = ("v1", time, [f"{seed}-{place // 2}" for place in range(count)], [place % 2 for place in range(count)])
    return answered(frame.assign(**dict(zip(LOGGED, about, strict=False))))


def answered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(**{PREDICTION: logged(predict(Model(), frame), Model.signature)})


def main() -> None:
    settings = read_settings()
    params = settings.for_problem()
    primary = {"regression": "rmse", "binary": "roc_auc", "multiclass": "log_loss"}[TASK]
    gates = settings.gates.model_copy(update={"primary": primary})
    changes = {"decay_margin": 3.0 if TASK == "regression" else 0.1, "resamples": 50}
    limits = settings.monitoring.model_copy(update=changes)
    settings = settings.model_copy(update={"gates": gates, "monitoring": limits})
    frame = rows(8000, 1)
    built = START - timedelta(days=5)
    reference = Reference.of(ReleaseBaseline("v1", built, {}, {"size": 1.0}), frame, Model(), params)
    from slipway.evaluation import metrics
    from slipway.monitoring.segments import targets

    y = targets(reference.test, CLASSES)
    deciding = metrics.deciding(TASK, primary)
    expected = {metric.name: metric.value(y, reference.test_predictions) for metric in deciding}
    reference = Reference.of(ReleaseBaseline("v1", built, expected, {"size": 1.0}), frame, Model(), params)
    state = MonitorState()
    for number in range(2):
        start = START + timedelta(days=7 * number)
        previous, now = live(4000, 10 + number, start - timedelta(days=28), 28), live(2000, 20 + number, start, 7)
        labels = pd.concat([previous, now])[[*KEY, "y"]].rename(columns=lambda name: name.removeprefix("log."))
        if FAULT == "stuck":
            now = answered(now.assign(size=50.0))
        if FAULT == "shuffled":
            labels = labels.assign(y=np.random.default_rng(1).permutation(labels["y"]))
        if FAULT == "one class":
            labels = labels.assign(y=0)
        unlabeled = [rows.drop(columns="y") for rows in (now, previous)]
        window = LiveWindow(start, start + timedelta(days=7), *unlabeled, labels)
        assessment = assess(window, reference, state, settings)
        state = assessment.state
    content = json.loads(assessment.evidence.model_dump_json())
    worst = content["checks"]["skew"]["findings"][0]["column"]
    moved = content["checks"]["predictions"]["findings"][0]
    print(
        json.dumps(
            {
                "failed": [verdict.gate for verdict in assessment.verdicts if verdict.outcome == "fail"],
                "thresholds": {verdict.gate: verdict.threshold for verdict in assessment.verdicts},
                "outcomes": {verdict.gate: verdict.outcome for verdict in assessment.verdicts},
                "worst": worst,
                "causes": list(moved.get("contributions", {})),
                "retrain": content["retrain"],
            }
        )
    )


main()
