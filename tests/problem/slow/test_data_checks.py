"""The data checks of the sample can fail: a smaller draw of what `slipway faults` runs whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from slipway.checks import faults, files, mutants
from slipway.settings import read_params

DATA = Path("data")
MONTHS = 3  # files that are checked; enough for a reference of several, and quick
DRAWS = 4  # clean draws; the verb takes 200
CHOSEN = {
    *("half a file", "no rows", "one row in twenty twice", "mixed types", "codes for categories"),
    *("one row above the limit", "time: in the future", "label: 30% missing", "dropped"),
    *("swapped optional numbers", "time: five hours ahead", "label: shuffled", "label: shift", "label: conflicting"),
    *("rows mixed up", "new category in many rows", "answer leaked into a number"),
}
"""Mutants, some for each family and each check; of those that spoil several columns, the first."""


@pytest.fixture(scope="module")
def names():
    *_, before, newest = files.listed(DATA)
    raw, loaded = mutants.read(DATA / newest), files.load(DATA, newest)
    return [mutant.name for mutant in mutants.corpus(mutants.Original(raw, loaded, mutants.read(DATA / before), 1))]


@pytest.fixture(scope="module")
def trials(names, tmp_path_factory):
    """Chosen mutants and clean draws of the newest files, all checked in one run of deepchecks."""
    folder, params = tmp_path_factory.mktemp("faults"), read_params()
    for name in files.listed(DATA)[-MONTHS:]:
        (folder / name).symlink_to((DATA / name).resolve())
    matching = [[name for name in names if chosen in (name, name.partition(":")[0])] for chosen in sorted(CHOSEN)]
    spoilt = faults.spoil(folder, params, {found[0] for found in matching if found})
    clean = list(faults.draws(folder, DRAWS, params))
    found = faults.blockers([pending for _, pending in [*spoilt, *clean]], params)
    judged = [faults.judged(mutant, blocking) for (mutant, _), blocking in zip(spoilt, found, strict=False)]
    return judged, found[len(spoilt) :]


def test_the_corpus_has_forty_mutants_or_more(names):
    assert len(names) >= 40


def test_mutants_are_blocked_for_the_right_reason(trials):
    missed = [(trial.name, trial.by) for trial in trials[0] if not trial.rightly]
    assert len(missed) <= (1 - faults.BLOCKED_RIGHTLY) * len(trials[0]), missed


def test_clean_draws_are_not_blocked(trials):
    assert [[]] * DRAWS == trials[1]
