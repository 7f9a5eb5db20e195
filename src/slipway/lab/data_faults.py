"""Command `slipway faults`: measure the sensitivity and the false alarms of the data checks.

It checks every mutant of a real file, and clean draws of real files. Targets: the checks block at least 95% of the
mutants for the right reason, and at most 1% of the clean draws.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from slipway import output
from slipway.batch.batch_rows import BatchRows
from slipway.checks import files, learned, suites
from slipway.checks.data import drawn, extended
from slipway.checks.file_samples import FilePart
from slipway.checks.learned import Learned
from slipway.checks.probe import Probe
from slipway.errors import DataError, GateError
from slipway.gates import data as gate
from slipway.gates.data_evidence import DataEvidence, FileRecord, SuiteEvidence
from slipway.lab import data_mutants
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    import pandas as pd

    from slipway.gates.data import Blocker
    from slipway.settings import Settings

BLOCKED_MUTANTS_MIN = 0.95  # fraction of mutants that are blocked for the right reason
BLOCKED_CLEAN_MAX = 0.01  # fraction of clean draws that are blocked
DRAW_RATIO = 0.8  # fraction of a file's rows in a clean draw, without replacement: a repeated row would be a fault
BATCH_DRAWS = 50  # clean draws checked at a time, before the next line of progress


@dataclass(frozen=True)
class FaultTrial:
    """The blockers of a mutant or a clean draw; a blocker with the right reason comes first."""

    name: str
    why: str
    blockers: list[Blocker]
    right_reason: bool = False

    @property
    def by(self) -> str:
        """Check and kind of the first blocker; empty when nothing blocked."""
        if not self.blockers:
            return ""
        return " ".join(word for word in (self.blockers[0].check, self.blockers[0].kind) if word)


@dataclass(frozen=True)
class Pending:
    """Contract evidence on some rows, and their samples, or None when these cannot be compared."""

    evidence: DataEvidence
    new: tuple[pd.DataFrame, BatchRows] | None
    """For the suites, and for the learned checks."""
    older: Older


@dataclass(frozen=True)
class Older:
    """What the older rows teach the checks of the engine."""

    probe: Probe
    learned: Learned


def faults(data_dir: Path, draws: int, *, with_suites: bool = True) -> None:
    """Print the table of all mutants, and the fraction of `draws` clean draws that are blocked.

    Without suites, the contract and the learned checks judge alone.

    Raises UserError when either fraction misses its target.
    """
    settings = read_settings()
    trials = check_mutants(data_dir, settings, with_suites=with_suites)
    output.result_line(table(trials))
    detected = sum(trial.right_reason for trial in trials) / len(trials)
    output.result_line(
        f"{len(trials)} mutants, {detected:.1%} blocked for the right reason"
        f" (target: {BLOCKED_MUTANTS_MIN:.0%} or more)"
    )
    clean = check_clean(data_dir, draws, settings, with_suites=with_suites)
    for trial in (trial for trial in clean if trial.blockers):
        output.result_line(f"{trial.name}: clean draw blocked: {trial.blockers[0].text}")
    blocked = sum(bool(trial.blockers) for trial in clean) / max(len(clean), 1)
    output.record({"mutants": len(trials), "detected": detected, "clean": len(clean), "blocked": blocked})
    output.result_line(f"{len(clean)} clean draws, {blocked:.1%} blocked (target: {BLOCKED_CLEAN_MAX:.0%} or less)")
    if detected < BLOCKED_MUTANTS_MIN or blocked > BLOCKED_CLEAN_MAX:
        raise GateError(
            f"faults: {detected:.1%} of mutants blocked for the right reason, {blocked:.1%} of clean draws blocked;"
            " adjust the checks in src/problem/suites.py or data.suites in params.yaml"
        )


def table(trials: Sequence[FaultTrial]) -> str:
    """Return the trials as a text table: mutant, blocked, right reason, blocker, fault."""
    yes = {True: "yes", False: "NO"}
    rows = [("mutant", "blocked", "right reason", "blocked by", "fault")]
    rows += [(trial.name, yes[bool(trial.blockers)], yes[trial.right_reason], trial.by, trial.why) for trial in trials]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def check_mutants(data_dir: Path, settings: Settings, *, with_suites: bool = True) -> list[FaultTrial]:
    """Check every mutant of the newest file as new data."""
    corrupted = pending_mutants(data_dir, settings)
    found_blockers = blockers([pending for _, pending in corrupted], settings, with_suites=with_suites)
    return [judged(mutant, blocking) for (mutant, _), blocking in zip(corrupted, found_blockers, strict=True)]


def pending_mutants(
    data_dir: Path, settings: Settings, names: Container[str] | None = None
) -> list[tuple[data_mutants.Mutant, Pending]]:
    """Return the mutants of the newest file, or those in `names`, each with its contract evidence."""
    *older, newest = files.listed(data_dir)
    if not older:
        raise DataError(f"{data_dir}: holds one file; a mutant is compared with an older file, so add one")
    records = [files.record(data_dir, name, [], 0) for name in older]
    taught = _older(data_dir, records, settings)
    before = data_mutants.read(data_dir / older[-1])
    raw, loaded = data_mutants.read(data_dir / newest), files.load(data_dir, newest)
    original = data_mutants.Original(raw, loaded, before, settings.seed, Path(newest).suffix)
    chosen = [mutant for mutant in data_mutants.corpus(original) if names is None or mutant.name in names]
    return [(mutant, _pending(mutant, data_dir / newest, records, taught, settings)) for mutant in chosen]


def _pending(
    mutant: data_mutants.Mutant,
    path: Path,
    records: Sequence[FileRecord],
    older: Older,
    settings: Settings,
) -> Pending:
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        shutil.copy(path, data_dir / path.name)
        mutant.corrupt(data_dir / path.name)
        (name,) = files.listed(data_dir)
        evidence = DataEvidence(files=[*records, files.record(data_dir, name, [], 1)], new=[name])
        comparable = gate.are_comparable(evidence, settings.data.contract)
        return Pending(evidence, _sampled(files.load(data_dir, name), settings) if comparable else None, older)


def _sampled(frame: pd.DataFrame, settings: Settings) -> tuple[pd.DataFrame, BatchRows]:
    limits = settings.data
    table = suites.table(frame, limits.suites.sample_rows, settings.seed)
    return table, learned.drawn(frame, limits.relations.batch_rows, settings.seed)


def _older(data_dir: Path, records: Sequence[FileRecord], settings: Settings) -> Older:
    names = [record.file for record in records]
    chosen = suites.reference(names, records[-1].rows, settings.data)
    limits = settings.data.relations
    table, rows = drawn(
        (FilePart.whole(data_dir, name) for name in chosen), len(chosen), limits.reference_rows, settings
    )
    return Older(Probe(table), Learned(rows, limits, settings.seed))


def blockers(pending: Sequence[Pending], settings: Settings, *, with_suites: bool = True) -> list[list[Blocker]]:
    """Return the blockers of each; the suites run in one process, because importing deepchecks takes seconds."""
    limits = settings.data.suites
    samples = {str(place): (*item.new, item.older) for place, item in enumerate(pending) if item.new is not None}
    jobs = [suites.SuiteJob(name, new, older.probe.reference) for name, (new, _, older) in samples.items()]
    answers = suites.run(jobs, limits) if jobs and with_suites else {}
    checked = {}
    for name, (new, rows, older) in samples.items():
        outcomes, findings = older.learned.check(rows)
        probed = [older.probe.check(new, limits.label_skill)] if with_suites else []
        checked[name] = extended(answers.get(name, SuiteEvidence()), [*probed, *outcomes], findings)
    evidence = [
        item.evidence.model_copy(update={"suites": checked.get(str(place))}) for place, item in enumerate(pending)
    ]
    return [gate.blockers(content, settings.data) for content in evidence]


def judged(mutant: data_mutants.Mutant, blocking: Sequence[Blocker]) -> FaultTrial:
    """Return the trial of a mutant, with a blocker of the right reason first."""
    first = sorted(blocking, key=lambda blocker: not is_right(mutant, blocker))
    return FaultTrial(mutant.name, mutant.why, first, bool(first) and is_right(mutant, first[0]))


def is_right(mutant: data_mutants.Mutant, blocker: Blocker) -> bool:
    """Return whether `blocker` names the fault of `mutant`: its reason, and its column where it has one."""
    message = blocker.kind if blocker.check == gate.CONTRACT else blocker.text
    has_reason = not {*mutant.reasons}.isdisjoint(re.findall(r"[a-z]+", message.lower()))
    return has_reason and (not mutant.columns or any(column in blocker.text for column in mutant.columns))


def check_clean(data_dir: Path, count: int, settings: Settings, *, with_suites: bool = True) -> list[FaultTrial]:
    """Check `count` clean draws of real files, with progress on stdout."""
    drawn, trials = draws(data_dir, count, settings), []
    while batch := list(islice(drawn, BATCH_DRAWS)):
        found_blockers = blockers([pending for _, pending in batch], settings, with_suites=with_suites)
        trials += [
            FaultTrial(name, "clean", blocking) for (name, _), blocking in zip(batch, found_blockers, strict=True)
        ]
        output.progress(f"{len(trials)} of {count} clean draws checked")
    return trials


def draws(data_dir: Path, count: int, settings: Settings) -> Iterator[tuple[str, Pending]]:
    """Yield name and contract evidence of `count` random draws of real files, to compare with the files before."""
    names, rng = files.listed(data_dir), np.random.default_rng(settings.seed)
    frames = [files.load(data_dir, name) for name in names]
    records = [files.describe(_blank(name), [frame], 0) for name, frame in zip(names, frames, strict=True)]
    older = [_older(data_dir, records[:place], settings) for place in range(1, len(names))]
    for place in rng.integers(1, len(names), count):
        yield names[place], _draw(place, frames[place], records, older[place - 1], settings, rng)


def _blank(name: str) -> FileRecord:
    return FileRecord(file=name, sha256="", rules="", rows=0)


def _draw(
    place: int,
    frame: pd.DataFrame,
    records: Sequence[FileRecord],
    older: Older,
    settings: Settings,
    rng: np.random.Generator,
) -> Pending:
    """Return the contract evidence of a random subset of the file at `place`, in order, with the files before it."""
    rows = frame.iloc[np.sort(rng.choice(len(frame), round(DRAW_RATIO * len(frame)), replace=False))]
    record = files.describe(_blank(records[place].file), [rows], 0)
    evidence = DataEvidence(files=[*records[:place], record], new=[record.file])
    seeded = settings.model_copy(update={"seed": int(rng.integers(2**31))})
    comparable = gate.are_comparable(evidence, settings.data.contract)
    return Pending(evidence, _sampled(rows, seeded) if comparable else None, older)
