"""Table of the smallest fraction of corrupted rows that the contract and the learned checks block.

`python -m slipway.lab.fault_sizes data` corrupts some rows of one column of the newest file. It runs no deepchecks, and
no rule of the problem.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import output
from slipway.checks import files, learned, suites
from slipway.gates import data as gate
from slipway.gates.data_evidence import DataEvidence
from slipway.lab import data_mutants
from slipway.settings import read_settings

if TYPE_CHECKING:
    import pandas as pd

SIZES = (0.01, 0.02, 0.05, 0.2, 1.0)
FAULTS = ("unit times 1.609", "Celsius for Fahrenheit", "mirrored", "constant", "rows permuted", "all missing")
"""Faults of `data_mutants` that leave most values within the limits of `Row`."""


def main(data_dir: Path) -> None:
    """Print a line for each fault and column: the fraction of rows, and the check with the strongest finding."""
    settings = read_settings()
    *older, newest = files.listed(data_dir)
    limits, names = settings.data.relations, suites.spread(older, settings.data.suites.reference_files)
    rows = -(-limits.reference_rows // len(names))
    reference = [learned.drawn(files.load(data_dir, name), rows, settings.seed) for name in names]
    taught = learned.Learned(reference, limits, settings.seed)
    path = data_dir / newest
    raw, loaded = data_mutants.read(path), files.load(data_dir, newest)
    original = data_mutants.Original(raw, loaded, data_mutants.read(data_dir / older[-1]), settings.seed, path.suffix)
    chosen = np.random.default_rng(settings.seed).random(len(raw))
    for name, _, _, pick, change in data_mutants.COLUMN_FAULTS:
        for column in pick(original) if name in FAULTS else ():
            values = change(original, column)[column]
            results = []
            for size in SIZES:
                mixed = raw.assign(**{column: raw[column].where(chosen >= size, values)})
                with tempfile.TemporaryDirectory() as folder:
                    data_mutants.WRITERS[path.suffix](mixed, Path(folder) / newest)
                    record = files.record(Path(folder), newest, [], 1)
                    broken = gate.contract_blockers(DataEvidence(files=[record], new=[newest]), settings.data.contract)
                    check = (
                        "data contract" if broken else _check(taught, files.load(Path(folder), newest), settings.seed)
                    )
                results.append(f"{size:.0%} {check}")
            output.result_line(f"{name}: {column}: {'; '.join(results)}")


def _check(taught: learned.Learned, frame: pd.DataFrame, seed: int) -> str:
    """Return the check of the strongest finding; `-` for none."""
    _, findings = taught.check(learned.drawn(frame, read_settings().data.relations.batch_rows, seed))
    return findings[0].check if findings else "-"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
