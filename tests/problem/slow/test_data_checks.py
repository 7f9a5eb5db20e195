"""Tests of the sensitivity of the sample's data checks, on a subset of the mutants and draws of `slipway faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.checks import files
from slipway.lab import data_faults, data_mutants
from slipway.settings import read_settings

DATA = Path("data")
FILES_CHECKED = 3  # the newest; enough for a reference of several files, and quick
DRAWS = 4  # clean draws; the command has 200
CHOSEN = {
    *("half a file", "no rows", "one row in twenty repeated", "mixed types", "codes for categories"),
    *("one row above the limit", "time: in the future", "label: 30% missing", "dropped"),
    *("swapped optional numbers", "time: five hours ahead", "label: shuffled", "label: shift", "label: conflicting"),
    *("rows permuted", "new category in many rows", "label leaked into a number"),
}
"""Mutants of each family and each check; of mutants of several columns, the first."""


@pytest.fixture(scope="module")
def names():
    *_, before, newest = files.listed(DATA)
    raw, loaded = data_mutants.read(DATA / newest), files.load(DATA, newest)
    return [
        mutant.name
        for mutant in data_mutants.corpus(data_mutants.Original(raw, loaded, data_mutants.read(DATA / before), 1))
    ]


@pytest.fixture(scope="module")
def trials(names, tmp_path_factory):
    """Return trials of chosen mutants, and blockers of clean draws, all from one run of deepchecks."""
    folder, settings = tmp_path_factory.mktemp("faults"), read_settings()
    for name in files.listed(DATA)[-FILES_CHECKED:]:
        (folder / name).symlink_to((DATA / name).resolve())
    matching = [[name for name in names if chosen in (name, name.partition(":")[0])] for chosen in sorted(CHOSEN)]
    corrupted = data_faults.pending_mutants(folder, settings, {matches[0] for matches in matching if matches})
    clean = list(data_faults.draws(folder, DRAWS, settings))
    blockers = data_faults.blockers([pending for _, pending in [*corrupted, *clean]], settings)
    judged = [data_faults.judged(mutant, blocking) for (mutant, _), blocking in zip(corrupted, blockers, strict=False)]
    return judged, blockers[len(corrupted) :]


def test_the_corpus_has_forty_mutants_or_more(names):
    assert len(names) >= 40


def test_mutants_are_blocked_for_the_right_reason(trials):
    missed = [(trial.name, trial.by) for trial in trials[0] if not trial.right_reason]
    assert len(missed) <= (1 - data_faults.BLOCKED_MUTANTS_MIN) * len(trials[0]), missed


def test_clean_draws_are_not_blocked(trials):
    assert [[]] * DRAWS == trials[1]
