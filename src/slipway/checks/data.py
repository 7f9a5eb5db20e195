"""Stage `data`: check the data, and write the evidence.

`python -m slipway.checks.data DATA --out EVIDENCE --html REPORT` exits with 1 when a gate fails. Files that the
evidence of an earlier run accepted are old; the others, or else the newest file, are the new data, held against a
sample of the old. The evidence has no times in it: the same data gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import problem
from slipway.checks import files, suites
from slipway.checks.probe import Probe
from slipway.errors import reported_by
from slipway.files import write_json
from slipway.gates import Outcome, overall
from slipway.gates import data as gate
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LAST_PART = 0.3  # of a single file, taken as the new data when there is no older file to hold it against


def collect(data_dir: Path, earlier: Mapping[str, Any], params: Mapping[str, Any], html: Path | None) -> dict[str, Any]:
    """Evidence of the files in `data_dir`, in the form that docs/checks.md shows.

    `earlier` is that of the run before, or empty.
    """
    limits, names = params["data"], files.listed(data_dir)
    known, accepted = earlier.get("files", []), earlier.get("accepted", [])
    records = [files.record(data_dir, name, known, limits["contract"]["example_rows"]) for name in names]
    new = newest(records, set(accepted), earlier.get("accepted_files"))
    reference = suites.spread([name for name in names if name not in new], limits["suites"]["reference_files"])
    evidence = {"files": records, "new": new, "reference": reference, "suites": {}, "accepted": accepted}
    evidence["accepted_files"] = earlier.get("accepted_files", {})
    if not gate.contract_blockers(evidence, limits):
        evidence["suites"] = compare(*samples(data_dir, new, reference, params), limits["suites"], html)
    if overall(gate.verdicts(evidence, limits)) is Outcome.PASS:
        evidence["accepted"] = sorted(record["sha256"] for record in records)
        evidence["accepted_files"] = {record["file"]: record["sha256"] for record in records}
    return evidence


def newest(
    records: Sequence[Mapping[str, Any]], accepted: set[str], accepted_files: Mapping[str, str] | None = None
) -> list[str]:
    """Return the names of the new files: those not accepted before; the last one, when that are all or none.

    `accepted_files` has the accepted SHA-256 by name, where the evidence is recent enough to have it: a file that was
    renamed or copied is new, since its name is its place in the order of the files.
    """
    new = [record["file"] for record in records if not _is_accepted(record, accepted, accepted_files)]
    return new if 0 < len(new) < len(records) else [records[-1]["file"]]


def _is_accepted(record: Mapping[str, Any], accepted: set[str], accepted_files: Mapping[str, str] | None) -> bool:
    same_name = accepted_files is None or accepted_files.get(record["file"]) == record["sha256"]
    return same_name and record["sha256"] in accepted


def samples(
    data_dir: Path, new: Sequence[str], reference: Sequence[str], params: Mapping[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Bounded samples of the new and of the reference rows; of a single file, its last part and the part before.

    Rows without a time have no order, whatever the order of the file: then the last part is drawn.
    """
    if reference:
        return sample(data_dir, new, params), sample(data_dir, reference, params)
    rows, seed = params["data"]["suites"]["sample_rows"], params["seed"]
    whole = files.load(data_dir, new[0])
    if problem.TIME_COLUMN is None:
        whole = whole.sample(frac=1, random_state=seed)
    first = round(len(whole) * (1 - LAST_PART))
    return suites.table(whole.iloc[first:], rows, seed), suites.table(whole.iloc[:first], rows, seed)


def sample(data_dir: Path, names: Sequence[str], params: Mapping[str, Any]) -> pd.DataFrame:
    """A sample of bounded size of the files `names`, equally many rows from each."""
    share = -(-params["data"]["suites"]["sample_rows"] // len(names))
    parts = [suites.table(files.load(data_dir, name), share, params["seed"]) for name in names]
    return pd.concat(parts, ignore_index=True)


def compare(new: pd.DataFrame, reference: pd.DataFrame, limits: Mapping[str, Any], html: Path | None) -> dict[str, Any]:
    """Evidence of the suites: every check's outcome, and the drift of each column."""
    answer = suites.run([suites.Job("data", new, reference, html)], limits)["data"]
    rows = {"new": len(new), "reference": len(reference)}
    return with_probe(answer, Probe(reference), new, limits) | {"rows": rows}


def with_probe(answer: Mapping[str, Any], probe: Probe, new: pd.DataFrame, limits: Mapping[str, Any]) -> dict[str, Any]:
    """The suites' answer with the probe of the labels among its checks."""
    return {**answer, "checks": [*answer.get("checks", []), probe.check(new, limits["label_skill"])]}


def read_evidence(path: Path) -> dict[str, Any]:
    """Evidence at `path`; empty when there is none, or when it is not whole, so that everything is checked again."""
    try:
        evidence = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return evidence if isinstance(evidence, dict) else {}


def main(arguments: Sequence[str]) -> int:
    """Run the stage; returns the exit code."""
    parser = argparse.ArgumentParser(prog="slipway.checks.data", description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--html", type=Path, required=True)
    paths = parser.parse_args(arguments)
    params = read_params()
    evidence = collect(paths.data, read_evidence(paths.out), params, paths.html)
    write_json(paths.out, evidence)
    for blocker in gate.blockers(evidence, params["data"]):
        print(f"{blocker.file or paths.data}: {blocker.text}", file=sys.stderr)
    return 0 if overall(gate.verdicts(evidence, params["data"])) is Outcome.PASS else 1


if __name__ == "__main__":
    with reported_by("data"):
        sys.exit(main(sys.argv[1:]))
