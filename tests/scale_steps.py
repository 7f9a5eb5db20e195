"""Steps that `tests.measure_scale` measures as it does stages: a comparison, and an assessment of a live window.

`python -m tests.scale_steps STEP FOLDER` reads FOLDER/data and the outputs of the stages in FOLDER; `monitor` reads
the log of `write`, too. The release in production is the model of this checkout.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import dataset

import problem
from problem import data
from slipway import predictor
from slipway.monitoring import job, training_rows
from slipway.monitoring.alarm_state import MonitorState
from slipway.monitoring.assess import assess
from slipway.monitoring.collect import Collection
from slipway.monitoring.log_columns import LOGGED
from slipway.monitoring.reference import Reference, ReleaseBaseline, predict
from slipway.pull_request import compare
from slipway.release.champion import Champion
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

MODEL, VERSION = Path("model"), "v1.0.0"
WINDOW_END = datetime(2013, 10, 15, tzinfo=UTC)
RESAMPLES = 128  # fewer than gates.resamples, to which the time of a comparison is proportional
WINDOWS = 5  # the assessed one, and four before it


def compared(folder: Path) -> None:
    """Compare the model of FOLDER with that of this checkout, on the test rows of FOLDER."""
    built = folder / "build"
    new = compare.Candidate(folder / "model", built / "prepared/test.parquet", built / "evaluated/predictions.parquet")
    settings = read_settings()
    gates = settings.gates.model_copy(update={"resamples": RESAMPLES})
    evidence = compare.measure(
        Champion(VERSION, "", "", MODEL), None, settings.model_copy(update={"gates": gates}), new
    )
    print(evidence.rows, "rows")


def write_log(folder: Path) -> None:
    """Write the rows of the windows as a collected log and as labels, unless they exist.

    Copies of a flight have one request ID, because a request ID names the minute of the departure.
    """
    if (folder / "collected").exists():
        return
    (folder / "labels").mkdir(exist_ok=True)
    model, start = predictor.load(MODEL), WINDOW_END - WINDOWS * _window()
    for number, batch in enumerate(_batches(folder / "data", start)):
        batch.to_parquet(folder / f"labels/flights-{number:03}.parquet")
        departure = batch["scheduled_departure"]
        request = departure.dt.strftime("%Y-%m-%dT%H:%M") + "-" + batch["origin"] + "-" + batch["carrier"]
        values = VERSION, departure, request + "-" + batch["flight_number"].astype(str), 0, predict(model, batch)
        logged = batch[list(problem.Row.model_fields)].assign(**dict(zip(LOGGED, values, strict=True)))
        for day, rows in logged.groupby(departure.dt.date):
            path = folder / "collected" / f"day={day}" / f"{number}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows.to_parquet(path, index=False)


def _window() -> timedelta:
    return timedelta(days=read_settings().monitoring.window_days)


def _batches(source: Path, start: datetime) -> Iterator[pd.DataFrame]:
    """Yield the rows from `start` until before WINDOW_END."""
    time = dataset.field("scheduled_departure")
    chosen = (time >= pa.scalar(start)) & (time < pa.scalar(WINDOW_END))
    batches = dataset.dataset(source).to_batches(filter=chosen, batch_size=data.BATCH_ROWS, batch_readahead=1)
    return (pa.Table.from_batches([batch]).to_pandas() for batch in batches if len(batch))


def monitored(folder: Path) -> None:
    """Assess the last window of the log in FOLDER, of a release that was trained on the rows before the log."""
    settings, end = read_settings(), WINDOW_END - WINDOWS * _window()
    limits, seed = settings.monitoring, settings.seed
    frame, fraction = training_rows.read(folder / "data", end, limits.training_rows, seed)
    measured = {
        name: json.loads(Path(f"metrics/{name}.json").read_text("utf-8")) for name in ("evaluate", "importance")
    }
    baseline = ReleaseBaseline(VERSION, end, measured["evaluate"]["model"], measured["importance"])
    reference = Reference.of(baseline, frame, predictor.load(MODEL), settings.for_problem(), fraction)
    collection = Collection(str(folder / "collected"), problem.Row)
    window = job.read_window(collection, WINDOW_END - _window(), WINDOW_END, folder / "labels", None, limits)
    assessment = assess(window, reference, MonitorState(), settings)
    print(assessment.window.rows, "rows,", *(f"{verdict.gate} {verdict.outcome}" for verdict in assessment.verdicts))


STEPS = {"compare": compared, "write": write_log, "monitor": monitored}


def main(arguments: Sequence[str]) -> None:
    """Run a step on a folder."""
    step, folder = arguments
    STEPS[step](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
