"""Stage `data`: check the data, and write the evidence.

`python -m slipway.checks.data DATA --out EVIDENCE --html REPORT` exits with 1 when a gate fails. Files that the
evidence of an earlier run accepted are old; the others, or else the newest file, are the new data, which is compared
with a sample of the old. The evidence contains no timestamps: the same data gives the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from slipway.batch.batch_rows import concatenated
from slipway.checks import file_samples, files, learned, suites
from slipway.checks.evidence_file import read_evidence
from slipway.checks.probe import Probe
from slipway.errors import reported_by
from slipway.files import write_json
from slipway.gates import Outcome, overall
from slipway.gates import data as gate
from slipway.gates.data_evidence import DataEvidence
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from slipway.batch.batch_rows import BatchRows
    from slipway.checks.file_samples import FilePart
    from slipway.gates.data_evidence import CheckOutcome, FileRecord, Finding, SuiteEvidence
    from slipway.settings import Settings


def collect(data_dir: Path, earlier: DataEvidence, settings: Settings, html: Path | None) -> DataEvidence:
    """Return the evidence of the files in `data_dir`.

    `earlier` is the evidence of the previous run, or empty; `html` is where the report of deepchecks goes.
    """
    limits, names = settings.data, files.listed(data_dir)
    with suites.started() as process:
        records = [
            files.record(data_dir, name, earlier.files, limits.contract.example_rows, limits.privacy) for name in names
        ]
        new = newest(records, set(earlier.accepted), earlier.accepted_files)
        older = [record for record in records if record.file not in new]
        evidence = DataEvidence(
            files=records,
            new=new,
            reference=suites.reference([record.file for record in older], older[-1].rows if older else 0, limits),
            accepted=earlier.accepted,
            accepted_files=earlier.accepted_files or {},
        )
        if gate.are_comparable(evidence, limits.contract):
            sides = Sides.of(data_dir, new, evidence.reference, settings)
            evidence = evidence.model_copy(update={"suites": compare(sides, settings, html, process)})
    if overall(gate.verdicts(evidence, limits)) is not Outcome.PASS:
        return evidence
    accepted = {record.file: record.sha256 for record in records}
    return evidence.model_copy(update={"accepted": sorted(accepted.values()), "accepted_files": accepted})


def newest(
    records: Sequence[FileRecord], accepted: set[str], accepted_files: Mapping[str, str] | None = None
) -> list[str]:
    """Return the names of new files: those not accepted before, or the last one when these are all or none.

    `accepted_files` has the accepted SHA-256 by name, unless the evidence predates it. A renamed or copied file is new,
    because its name is its position in the order of files.
    """
    new = [record.file for record in records if not _is_accepted(record, accepted, accepted_files)]
    return new if 0 < len(new) < len(records) else [records[-1].file]


def _is_accepted(record: FileRecord, accepted: set[str], accepted_files: Mapping[str, str] | None) -> bool:
    same_name = accepted_files is None or accepted_files.get(record.file) == record.sha256
    return same_name and record.sha256 in accepted


@dataclass(frozen=True)
class Sides:
    """Bounded samples of the new rows, and of the reference."""

    new: pd.DataFrame
    """In the types for deepchecks and the probe."""
    reference: pd.DataFrame
    new_rows: BatchRows
    """For the learned checks."""
    older_rows: Sequence[BatchRows]

    @classmethod
    def of(cls, data_dir: Path, new: Sequence[str], reference: Sequence[str], settings: Settings) -> Sides:
        """Draw the samples of the files `new` and `reference`; a single file is split, see `FilePart.split`."""
        fresh, older = file_samples.both(data_dir, new, reference, settings.seed)
        relations = settings.data.relations
        new_table, new_batches = drawn(fresh, len(new), relations.batch_rows, settings)
        older_table, older_batches = drawn(older, max(1, len(reference)), relations.reference_rows, settings)
        return cls(new_table, older_table, concatenated(new_batches), older_batches)


def tables(
    data_dir: Path, new: Sequence[str], reference: Sequence[str], settings: Settings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the samples of `Sides` for deepchecks and the probe only: of the new rows, and of the reference."""
    fresh, older = file_samples.both(data_dir, new, reference, settings.seed)
    return _tables(fresh, len(new), settings), _tables(older, max(1, len(reference)), settings)


def _tables(parts: Iterable[FilePart], count: int, settings: Settings) -> pd.DataFrame:
    samples = []
    for part in parts:
        part.read(table := part.table(_table_rows(count, settings), settings.seed))
        samples.append(table.rows())
    return pd.concat(samples, ignore_index=True)


def drawn(
    parts: Iterable[FilePart], count: int, rows_max: int, settings: Settings
) -> tuple[pd.DataFrame, list[BatchRows]]:
    """Return samples of `count` files with equally many rows of each: for the suites, and for the learned checks."""
    tables, batches = [], []
    for part in parts:
        table = part.table(_table_rows(count, settings), settings.seed)
        batch = part.batch(-(-rows_max // count), settings.seed)
        part.read(table, batch)
        tables.append(table.rows())
        batches.append(batch.rows())
    return pd.concat(tables, ignore_index=True), batches


def _table_rows(count: int, settings: Settings) -> int:
    """Return the rows of each of `count` files for the suites."""
    return -(-settings.data.suites.sample_rows // count)


def compare(sides: Sides, settings: Settings, html: Path | None, process: suites.Suites) -> SuiteEvidence:
    """Return the evidence of the suites: the outcome of every check, and the drift of each column."""
    limits = settings.data.suites
    process.send([suites.SuiteJob("data", sides.new, sides.reference, html)], limits)
    taught = learned.Learned(sides.older_rows, settings.data.relations, settings.seed)
    probed = Probe(sides.reference).check(sides.new, limits.label_skill)  # while the suites run
    outcomes, findings = taught.check(sides.new_rows)
    rows = {"new": len(sides.new), "reference": len(sides.reference)}
    return extended(process.evidence()["data"], [probed, *outcomes], findings).model_copy(update={"rows": rows})


def extended(answer: SuiteEvidence, checks: Sequence[CheckOutcome], findings: Sequence[Finding]) -> SuiteEvidence:
    """Return the suites' answer with the outcomes of the engine's own checks."""
    return answer.model_copy(update={"checks": [*answer.checks, *checks], "findings": list(findings)})


def main(arguments: Sequence[str]) -> int:
    """Run the stage and return its exit code."""
    parser = argparse.ArgumentParser(prog="slipway.checks.data", description="Check the data, and write the evidence.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--html", type=Path, required=True)
    paths = parser.parse_args(arguments)
    settings = read_settings()
    pa.set_memory_pool(pa.system_memory_pool())  # the default one retains 20 MB
    with threadpool_limits(1):  # the models are small, and the suites have the other core
        evidence = collect(paths.data, read_evidence(paths.out) or DataEvidence(), settings, paths.html)
    write_json(paths.out, evidence.model_dump(mode="json"))
    for blocker in gate.blockers(evidence, settings.data):
        print(f"{blocker.file or paths.data}: {blocker.text}", file=sys.stderr)
    return 0 if overall(gate.verdicts(evidence, settings.data)) is Outcome.PASS else 1


if __name__ == "__main__":
    with reported_by("data"):
        sys.exit(main(sys.argv[1:]))
