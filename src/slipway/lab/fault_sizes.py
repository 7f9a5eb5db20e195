"""Table of the fraction of corrupted rows from which the contract and the learned checks block a fault.

`python -m slipway.lab.fault_sizes data` corrupts some rows of one column of the newest file, in the sample or in a
fork. It runs no deepchecks, and no rule of the problem.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import problem
from slipway import output
from slipway.checks import files, learned, suites
from slipway.errors import DataError
from slipway.gates import data as gate
from slipway.gates.data_evidence import DataEvidence
from slipway.lab import data_mutants
from slipway.schema.columns import columns
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from slipway.lab.data_mutants import Original
    from slipway.settings import Settings

SIZES = (0.01, 0.02, 0.05, 0.2, 1.0)
NUMBERS_MAX, CATEGORIES_MAX = 4, 2  # columns that are corrupted, the most varied ones
LABEL = "label"


def _exchanged(values: pd.Series) -> pd.Series:
    """Return the two most frequent values exchanged."""
    first, second = values.value_counts().index[:2]
    return values.replace([first, second], [second, first])


def _permuted(original: Original, values: pd.Series) -> pd.Series:
    """Return the values of other rows, in the type of the column."""
    return values.take(original.rng.permutation(len(values))).set_axis(values.index)


NUMBER_FAULTS: dict[str, Callable[[Original, pd.Series], pd.Series]] = {
    "unit times 1.609": lambda _, values: values * 1.609,
    "Celsius for Fahrenheit": lambda _, values: (values - 32) / 1.8,
    "mirrored": lambda _, values: values.min() + values.max() - values,
}
BOTH_FAULTS: dict[str, Callable[[Original, pd.Series], pd.Series]] = {
    "constant": lambda _, values: pd.Series(values.mode()[0], index=values.index),
    "rows permuted": lambda original, values: _permuted(original, values),
    "missing": lambda _, values: values.mask(values.notna()),
}
CATEGORY_FAULTS: dict[str, Callable[[Original, pd.Series], pd.Series]] = {
    "two categories exchanged": lambda _, values: _exchanged(values),
}
FAULTS = {"number": NUMBER_FAULTS | BOTH_FAULTS, "category": BOTH_FAULTS | CATEGORY_FAULTS}


@dataclass(frozen=True)
class SizedFault:
    """A fault of one column in some rows."""

    name: str
    column: str
    corrupted: pd.DataFrame
    """The raw columns that it changes, with all rows corrupted."""


def sized_faults(original: Original) -> Iterator[SizedFault]:
    """Yield the faults of the most varied columns of each kind, then those of the label."""
    varied = sorted(columns(problem.Row), key=lambda column: -original.loaded[column.name].nunique())
    for kind, count in (("number", NUMBERS_MAX), ("category", CATEGORIES_MAX)):
        names = [column.name for column in varied if column.kind == kind and column.name in original.raw]
        for fault, change in FAULTS[kind].items():
            for name in names[:count]:
                values = original.raw[name]
                if values.nunique() > 1:
                    changed = _typed(change(original, values), values)
                    yield SizedFault(fault, name, changed.to_frame(name))
    if original.outcomes:
        permuted = original.outcomes_of(original.rng.permutation(len(original.raw)))
        yield SizedFault("label permuted", LABEL, permuted[original.outcomes])


def _typed(changed: pd.Series, values: pd.Series) -> pd.Series:
    """Return the changed values as integers where the values are, of a type that may miss some where one is missing."""
    if not pd.api.types.is_integer_dtype(values):
        return changed
    return changed.round().astype(values.dtype if changed.notna().all() else "Int64")


def blocked_by(
    original: Original, file: str, fault: SizedFault, size: float, taught: learned.Learned, settings: Settings
) -> str:
    """Return what blocks the fault in a fraction `size` of the rows and names its column; `-` for nothing.

    file: name of the data file that the rows belong to.
    """
    chosen, raw = original.rng.random(len(original.raw)) < size, original.raw
    mixed = raw.assign(
        **{str(name): raw[name].astype(values.dtype).mask(chosen, values) for name, values in fault.corrupted.items()}
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        data_mutants.WRITERS[path.suffix](mixed, path)
        record = files.record(path.parent, path.name, [], 1)
        evidence = DataEvidence(files=[record], new=[path.name])
        if gate.contract_blockers(evidence, settings.data.contract):
            return gate.CONTRACT
        frame = files.load(path.parent, path.name)
    _, findings = taught.check(learned.drawn(frame, settings.data.relations.batch_rows, settings.seed))
    named = problem.TARGET if fault.column == LABEL else fault.column
    return next((finding.check for finding in findings if finding.column == named), "-")


def summary(results: dict[str, list[Sequence[str]]]) -> str:
    """Return the Markdown table of the percentage of columns that each fault is blocked in, by size.

    results: for each column, what blocks each size; by fault.
    """
    lines = [f"| fault | columns | {' | '.join(f'{size:.0%}' for size in SIZES)} |"]
    lines.append(f"| --- | ---: |{' ---: |' * len(SIZES)}")
    for fault, rows in results.items():
        cells = [f"{sum(check != '-' for check in checks) / len(rows):.0%}" for checks in zip(*rows, strict=True)]
        lines.append(f"| {fault} | {len(rows)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(data_dir: Path) -> None:
    """Print a line for each fault and column with what blocks each fraction of the rows, then the table.

    Raises UserError for a folder with one file.
    """
    settings = read_settings()
    *older, newest = files.listed(data_dir)
    if not older:
        raise DataError(f"{data_dir}: holds one file; a fault is compared with an older file, so add one")
    limits = settings.data.relations
    names = suites.reference(older, len(files.load(data_dir, older[-1])), settings.data)
    rows = -(-limits.reference_rows // len(names))
    reference = [learned.drawn(files.load(data_dir, name), rows, settings.seed) for name in names]
    taught = learned.Learned(reference, limits, settings.seed)
    path = data_dir / newest
    raw, loaded = data_mutants.read(path), files.load(data_dir, newest)
    original = data_mutants.Original(raw, loaded, raw, settings.seed, path.suffix)
    results: dict[str, list[Sequence[str]]] = {}
    for fault in sized_faults(original):
        checks = [blocked_by(original, newest, fault, size, taught, settings) for size in SIZES]
        results.setdefault(fault.name, []).append(checks)
        sizes = "; ".join(f"{size:.0%} {check}" for size, check in zip(SIZES, checks, strict=True))
        output.result_line(f"{fault.name}: {fault.column}: {sizes}")
    output.result_line(summary(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
