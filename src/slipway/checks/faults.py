"""The verb `faults`: can the data checks fail? Every mutant of a real file is checked, and clean draws beside them.

Targets: at least 95% of the mutants are blocked for the right reason; at most 1% of the clean draws are blocked at all.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.checks import files, mutants, suites
from slipway.checks.data import sample, with_probe
from slipway.checks.probe import Probe
from slipway.errors import UserError
from slipway.gates import data as gate
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    import pandas as pd

    from slipway.gates.data import Blocker

BLOCKED_RIGHTLY = 0.95  # least share of mutants
BLOCKED_CLEAN = 0.01  # largest share of clean draws
KEPT = 0.8  # share of a file's rows in a clean draw, without replacement: a row drawn twice would be a fault
BATCH = 50  # clean draws checked at a time; then progress is shown


@dataclass(frozen=True)
class Trial:
    """What blocked a mutant or a clean draw; the right reason first, when there is one."""

    name: str
    why: str
    blockers: list[Blocker]
    rightly: bool = False

    @property
    def by(self) -> str:
        """The first blocker, in a few words; empty when nothing blocked."""
        return (
            " ".join(part for part in (self.blockers[0].check, self.blockers[0].kind) if part) if self.blockers else ""
        )


@dataclass(frozen=True)
class Pending:
    """Evidence of the contract on some rows, and the sample of them for the suites unless they broke it."""

    evidence: dict[str, Any]
    new: pd.DataFrame | None
    probe: Probe
    """Holds the reference."""


def faults(data_dir: Path, draws: int) -> None:
    """Print the table of all mutants and the share of clean draws that are blocked.

    Raises UserError when either figure misses its target.
    """
    params = read_params()
    trials = check_mutants(data_dir, params)
    print(table(trials))
    rightly = sum(trial.rightly for trial in trials) / len(trials)
    print(f"{len(trials)} mutants, {rightly:.1%} blocked for the right reason (target: {BLOCKED_RIGHTLY:.0%} or more)")
    clean = check_clean(data_dir, draws, params)
    for trial in (trial for trial in clean if trial.blockers):
        print(f"{trial.name}: blocked, though clean: {trial.blockers[0].text}")
    wrongly = sum(bool(trial.blockers) for trial in clean) / len(clean)
    print(f"{len(clean)} clean draws, {wrongly:.1%} blocked (target: {BLOCKED_CLEAN:.0%} or less)")
    if rightly < BLOCKED_RIGHTLY or wrongly > BLOCKED_CLEAN:
        raise UserError(f"faults: {rightly:.1%} of mutants blocked rightly, {wrongly:.1%} of clean draws blocked")


def table(trials: Sequence[Trial]) -> str:
    """The trials as lines of text: mutant, blocked, right reason, by what, why it is a fault."""
    yes = {True: "yes", False: "NO"}
    rows = [("mutant", "blocked", "right reason", "by", "why it must be")]
    rows += [(each.name, yes[bool(each.blockers)], yes[each.rightly], each.by, each.why) for each in trials]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def check_mutants(data_dir: Path, params: Mapping[str, Any]) -> list[Trial]:
    """Check every mutant of the newest file, as that file would be checked."""
    spoilt = spoil(data_dir, params)
    found = blockers([pending for _, pending in spoilt], params)
    return [judged(mutant, blocking) for (mutant, _), blocking in zip(spoilt, found, strict=True)]


def spoil(
    data_dir: Path, params: Mapping[str, Any], names: Container[str] | None = None
) -> list[tuple[mutants.Mutant, Pending]]:
    """The mutants of the newest file, or those of them in `names`, each with the evidence of the contract on it."""
    *older, newest = files.listed(data_dir)
    if not older:
        raise UserError(f"{data_dir}: holds one file; mutants are held against an older one")
    known, probe = [files.record(data_dir, name, [], 0) for name in older], _probe(data_dir, older, params)
    before = mutants.read(data_dir / older[-1])
    raw, loaded = mutants.read(data_dir / newest), files.load(data_dir, newest)
    original = mutants.Original(raw, loaded, before, params["seed"], Path(newest).suffix)
    chosen = [mutant for mutant in mutants.corpus(original) if names is None or mutant.name in names]
    return [(mutant, _spoilt(mutant, data_dir / newest, known, probe, params)) for mutant in chosen]


def _spoilt(
    mutant: mutants.Mutant,
    path: Path,
    known: Sequence[Mapping[str, Any]],
    probe: Probe,
    params: Mapping[str, Any],
) -> Pending:
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        shutil.copy(path, data_dir / path.name)
        mutant.spoil(data_dir / path.name)
        (name,) = files.listed(data_dir)
        evidence = {"files": [*known, files.record(data_dir, name, [], 1)], "new": [name], "suites": {}}
        broken = gate.contract_blockers(evidence, params["data"])
        return Pending(evidence, None if broken else sample(data_dir, [name], params), probe)


def _probe(data_dir: Path, older: Sequence[str], params: Mapping[str, Any]) -> Probe:
    return Probe(sample(data_dir, suites.spread(older, params["data"]["suites"]["reference_files"]), params))


def blockers(pending: Sequence[Pending], params: Mapping[str, Any]) -> list[list[Blocker]]:
    """What blocks each; the suites run in one process, because importing deepchecks takes seconds."""
    limits = params["data"]["suites"]
    within = {str(place): each for place, each in enumerate(pending) if each.new is not None}
    jobs = [suites.Job(name, each.new, each.probe.reference) for name, each in within.items()]
    answers = suites.run(jobs, limits) if jobs else {}
    probed = {name: with_probe(answers[name], each.probe, each.new, limits) for name, each in within.items()}
    evidence = [each.evidence | {"suites": probed.get(str(place), {})} for place, each in enumerate(pending)]
    return [gate.blockers(each, params["data"]) for each in evidence]


def judged(mutant: mutants.Mutant, blocking: Sequence[Blocker]) -> Trial:
    """The trial of a mutant, the right reason first."""
    first = sorted(blocking, key=lambda blocker: not is_right(mutant, blocker))
    return Trial(mutant.name, mutant.why, first, bool(first) and is_right(mutant, first[0]))


def is_right(mutant: mutants.Mutant, blocker: Blocker) -> bool:
    """Whether `blocker` says what is wrong with `mutant`: its reason, and its column if the fault is in one."""
    said = blocker.kind if blocker.check == gate.CONTRACT else blocker.text
    has_reason = not {*mutant.reasons}.isdisjoint(re.findall(r"[a-z]+", said.lower()))
    return has_reason and (not mutant.columns or any(column in blocker.text for column in mutant.columns))


def check_clean(data_dir: Path, count: int, params: Mapping[str, Any]) -> list[Trial]:
    """Check `count` draws of real files; shows progress."""
    drawn, trials = draws(data_dir, count, params), []
    while batch := list(islice(drawn, BATCH)):
        found = blockers([pending for _, pending in batch], params)
        trials += [Trial(name, "clean", blocking) for (name, _), blocking in zip(batch, found, strict=True)]
        print(f"{len(trials)} of {count} clean draws checked", flush=True)
    return trials


def draws(data_dir: Path, count: int, params: Mapping[str, Any]) -> Iterator[tuple[str, Pending]]:
    """`count` random draws of real files, each to be held against the files before it, with the file's name."""
    names, rng = files.listed(data_dir), np.random.default_rng(params["seed"])
    frames = [files.load(data_dir, name) for name in names]
    known = [{"file": name, **files.describe(frame, 0)} for name, frame in zip(names, frames, strict=True)]
    probes = [_probe(data_dir, names[:place], params) for place in range(1, len(names))]
    for place in rng.integers(1, len(names), count):
        yield names[place], _draw(place, frames[place], known, probes[place - 1], params, rng)


def _draw(
    place: int,
    frame: pd.DataFrame,
    known: Sequence[Mapping[str, Any]],
    probe: Probe,
    params: Mapping[str, Any],
    rng: np.random.Generator,
) -> Pending:
    """Some rows of the file at `place`, in their order, with the files before it."""
    rows = frame.iloc[np.sort(rng.choice(len(frame), round(KEPT * len(frame)), replace=False))]
    record = {"file": known[place]["file"], **files.describe(rows, 0)}
    evidence = {"files": [*known[:place], record], "new": [record["file"]], "suites": {}}
    new = suites.table(rows, params["data"]["suites"]["sample_rows"], int(rng.integers(2**31)))
    return Pending(evidence, None if gate.contract_blockers(evidence, params["data"]) else new, probe)
