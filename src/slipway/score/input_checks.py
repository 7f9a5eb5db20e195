"""Checks of the input of `slipway score`: those of a new file and of a live window, on a sample, without a target.

The reference is the data of the checkout, in windows as long as the file. A file without times is taken to have as many
rows a day as the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway import figures, output
from slipway.batch.batch_findings import CLOCK, RELATION, findings
from slipway.batch.batch_reference import WINDOW_ROWS_MIN, BatchReference
from slipway.batch.batch_rows import DAY_MINUTES, RowSampler, concatenated
from slipway.batch.spans import Spans
from slipway.checks import files, learned, suites
from slipway.checks.repeated_rows import RepeatedRows
from slipway.errors import DataError, GateError, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.batch.batch_findings import BatchFinding
    from slipway.batch.batch_rows import BatchRows
    from slipway.score.input_sample import InputSample
    from slipway.settings import Settings
    from slipway.settings.serving import ScoreSection

DATA = Path("data")
FILES_NAMED_MAX = 3  # of a folder, in a finding
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
    rows_max = -(-settings.window_limits.reference_rows // len(names))
    older = [_OlderFile.read(data_dir, name, rows_max, settings.seed) for name in names]
    return [*_repeated(sample, older, settings), *_learned(sample, rows, older, settings)]


@dataclass(frozen=True)
class _OlderFile:
    """A file of the data, whose rows are read in batches."""

    rows: BatchRows
    """A sample, without the target."""
    count: int
    repeated_ratio: float
    """Fraction of the rows that repeat an earlier one in the columns of `Row`."""
    seconds: float
    """From the first to the last time; 0 without a time column."""

    @classmethod
    def read(cls, data_dir: Path, name: str, rows_max: int, seed: int) -> _OlderFile:
        """Read the file `name` twice: to count its rows, and to draw `rows_max` of them. Raises UnreadableError."""
        batches, count, ends = files.FileRows(data_dir, name), 0, list[Any]()
        with RepeatedRows() as repeated:
            for batch in batches:
                count += len(batch)
                repeated.add(batch[[*problem.Row.model_fields]])
                if problem.TIME_COLUMN:
                    times = pd.Series([*ends, batch[problem.TIME_COLUMN].min(), batch[problem.TIME_COLUMN].max()])
                    ends = [times.min(), times.max()]
            repeated_ratio = repeated.count() / max(count, 1)
        places = np.sort(np.random.default_rng(seed).permutation(count)[:rows_max])
        sampler = RowSampler(places, learned.NEIGHBOR_DISTANCES)
        for batch in batches:
            sampler.add(batch.drop(columns=problem.TARGET))
        seconds = (ends[1] - ends[0]).total_seconds() if ends else 0.0
        return cls(sampler.rows(), count, repeated_ratio, seconds)


def _repeated(sample: InputSample, older: Sequence[_OlderFile], settings: Settings) -> list[str]:
    """Return a sentence if more rows repeat others than in the data; where many do there, equal rows mean nothing."""
    limit, repeated = settings.data.contract.duplicate_ratio, sample.repeats.ratio
    usual = max(file.repeated_ratio for file in older)
    if usual > limit or repeated <= limit:
        return []
    where = _where([name for name, file in sample.files.items() if file.repeated_ratio > limit], len(sample.files))
    return [f"Repeated Rows: {repeated:.1%} of {sample.count:,} rows repeat another, in the data {usual:.1%}{where}"]


def _learned(sample: InputSample, rows: BatchRows, older: Sequence[_OlderFile], settings: Settings) -> list[str]:
    """Return the sentences of the learned checks."""
    older_rows = concatenated([file.rows for file in older])
    window, is_short = None, False
    if older_rows.minutes is not None:
        days = _days(sample, rows, older)
        spans = Spans.of((older_rows.minutes - older_rows.minutes[0]) / DAY_MINUTES, days)
        is_short = days < max(spans.days, WINDOW_RATIO_MIN * settings.monitoring.window_days)
        window = spans.window
    taught = older_rows.without_time() if rows.minutes is None else older_rows
    reference = BatchReference(taught, settings.window_limits, settings.seed, len(older), window)
    measured = reference.measure(rows)
    listed = findings(reference, measured, reference.excesses(reference.statistics(measured)))
    chosen = [finding for finding in listed if not is_short or finding.check in LASTING]
    names = _files(sample, reference, chosen)
    return [f"{finding.check}: {finding.text}{names[finding]}" for finding in chosen]


def _files(sample: InputSample, reference: BatchReference, listed: Sequence[BatchFinding]) -> dict[BatchFinding, str]:
    """Return for each finding the files of a folder that have it on their own, as text.

    Files with fewer sampled rows than a window needs are not judged.
    """
    scores = {name: _scores(reference, file.rows()) for name, file in sample.files.items() if listed}
    keys = {finding: (finding.statistic, finding.column, finding.segment) for finding in listed}
    return {
        finding: _where([name for name, score in scores.items() if score.get(key, 0) > 1], len(sample.files))
        for finding, key in keys.items()
    }


def _scores(reference: BatchReference, rows: BatchRows | None) -> dict[tuple[str, ...], float]:
    """Return the score of each statistic of the rows; none for too few rows."""
    if rows is None or len(rows) < WINDOW_ROWS_MIN:
        return {}
    excesses = reference.excesses(reference.statistics(reference.measure(rows)))
    return {tuple(excess.key): excess.score for excess in excesses}


def _where(names: Sequence[str], count: int) -> str:
    """Return which of `count` files have a finding, as the end of a sentence."""
    if not names or len(names) == count:
        return f"; in each of {count:,} files" if names and count > 1 else ""
    more = f" and {len(names) - FILES_NAMED_MAX:,} more" if len(names) > FILES_NAMED_MAX else ""
    return f"; in {', '.join(sorted(names)[:FILES_NAMED_MAX])}{more} of {count:,} files"


def _days(sample: InputSample, rows: BatchRows, older: Sequence[_OlderFile]) -> float:
    """Return the length of the input in days, at least a minute; without times, that of as many rows of the data."""
    if rows.minutes is not None:
        return float(max(np.ptp(rows.minutes), 1) / DAY_MINUTES)
    days = sum(file.seconds for file in older) / 60 / DAY_MINUTES
    return float(max(days * sample.count / sum(file.count for file in older), 1 / DAY_MINUTES))
