"""Checks of the input of `slipway score`: those of a new file and of a live window, on a sample, without a target.

The reference is the data of the checkout, in windows as long as the file. A file without times is taken to have as many
rows a day as the data.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import problem
from slipway import figures, output
from slipway.batch.batch_findings import CLOCK, RELATION, findings
from slipway.batch.batch_reference import WINDOW_ROWS_MIN, BatchReference
from slipway.batch.batch_rows import DAY_MINUTES, concatenated
from slipway.batch.spans import Spans
from slipway.checks import files, learned, suites
from slipway.errors import DataError, GateError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from slipway.batch.batch_rows import BatchRows
    from slipway.score.input_sample import InputSample
    from slipway.settings import Settings
    from slipway.settings.serving import ScoreSection

DATA = Path("data")
WINDOW_RATIO_MIN = 0.9  # of the length of a live window, from which a file is judged as one
LASTING = frozenset({RELATION, CLOCK})
"""Checks of a shorter file: an hour of weather is unlike other hours, but its columns belong together."""


def report(source: Path, sample: InputSample, settings: Settings) -> list[str]:
    """Print a warning for each finding on the input `source`, and return them; print why it cannot be checked."""
    try:
        listed = check(sample, settings)
    except (UserError, files.UnreadableError) as error:
        output.progress(f"score: {source}: not checked: {error}")
        return []
    for finding in listed:
        output.warn(f"score: {source}: {finding}")
    return listed


def refuse(source: Path, findings: Sequence[str], limits: ScoreSection) -> None:
    """Raise GateError for an input with findings if `limits` make them errors."""
    if findings and limits.checks == "fail":
        raise GateError(
            f"{source}: {figures.count(len(findings), 'finding')}, the first: {findings[0]}; the predictions are"
            " complete. Fix the input, or set score.checks in params.yaml to warn"
        )


def check(sample: InputSample, settings: Settings, data_dir: Path = DATA) -> list[str]:
    """Return a sentence for each finding on a sampled input, worst first.

    Raises UserError if there is nothing to compare: too few rows, or no data.
    """
    rows = sample.rows()
    if rows is None or len(rows) < WINDOW_ROWS_MIN:
        raise DataError(f"{sample.count:,} rows are too few; {WINDOW_ROWS_MIN} are required")
    names = suites.spread(files.listed(data_dir), settings.data.suites.reference_files)
    frames = [files.load(data_dir, name) for name in names]
    return [*_repeated(sample, frames, settings), *_learned(sample, rows, frames, settings)]


def _repeated(sample: InputSample, frames: Sequence[pd.DataFrame], settings: Settings) -> list[str]:
    """Return a sentence if more rows repeat others than in the data; where many do there, equal rows mean nothing."""
    limit, repeated = settings.data.contract.duplicate_ratio, sample.repeats.ratio
    usual = max(float(frame.duplicated([*problem.Row.model_fields]).mean()) for frame in frames)
    if usual > limit or repeated <= limit:
        return []
    return [f"Repeated Rows: {repeated:.1%} of {sample.count:,} rows repeat another, in the data {usual:.1%}"]


def _learned(sample: InputSample, rows: BatchRows, frames: Sequence[pd.DataFrame], settings: Settings) -> list[str]:
    """Return the sentences of the learned checks."""
    limits = settings.window_limits
    rows_max = -(-limits.reference_rows // len(frames))
    older = concatenated(
        [learned.drawn(frame.drop(columns=problem.TARGET), rows_max, settings.seed) for frame in frames]
    )
    window, is_short = None, False
    if older.minutes is not None:
        days = _days(sample, rows, frames)
        spans = Spans.of((older.minutes - older.minutes[0]) / DAY_MINUTES, days)
        is_short = days < max(spans.days, WINDOW_RATIO_MIN * settings.monitoring.window_days)
        window = spans.window
    taught = older.without_time() if rows.minutes is None else older
    reference = BatchReference(taught, limits, settings.seed, len(frames), window)
    measured = reference.measure(rows)
    listed = findings(reference, measured, reference.excesses(reference.statistics(measured)))
    return [f"{finding.check}: {finding.text}" for finding in listed if not is_short or finding.check in LASTING]


def _days(sample: InputSample, rows: BatchRows, frames: Sequence[pd.DataFrame]) -> float:
    """Return the length of the input in days, at least a minute; without times, that of as many rows of the data."""
    if rows.minutes is not None:
        return float(max(np.ptp(rows.minutes), 1) / DAY_MINUTES)
    times = [frame[problem.TIME_COLUMN] for frame in frames]
    seconds = sum((time.max() - time.min()).total_seconds() for time in times)
    return float(max(seconds / 60 / DAY_MINUTES * sample.count / sum(map(len, times)), 1 / DAY_MINUTES))
