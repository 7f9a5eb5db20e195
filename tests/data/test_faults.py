"""The data checks can fail: a smaller draw of what `slipway faults` runs whole."""

from __future__ import annotations

import pytest

from slipway.checks import faults, files, mutants
from slipway.errors import UserError
from slipway.gates.data import CONTRACT, Blocker

DRAWS = 4  # clean draws; the verb takes 200
CHOSEN = {
    *("half a file", "no rows", "one row in twenty twice", "mixed types", "codes for categories"),
    *("one row above the limit", "time: in the future", "label: 30% missing", "dropped"),
    *("swapped optional numbers", "time: five hours ahead", "label: shuffled", "label: shift", "label: conflicting"),
    *("rows mixed up", "new category in many rows", "answer leaked into a number"),
}
"""Mutants, some for each family and each check; of those that spoil several columns, the first."""


@pytest.fixture(scope="module")
def original(params):
    folder = files.Path("data")
    *_, before, newest = files.listed(folder)
    raw = mutants.read(folder / newest)
    return mutants.Original(raw, files.load(folder, newest), mutants.read(folder / before), params["seed"])


def test_the_corpus_has_forty_mutants_or_more_each_of_its_own_name(original):
    names = [mutant.name for mutant in mutants.corpus(original)]
    assert len(names) == len(set(names))
    assert len(names) >= 40


def test_every_mutant_differs_from_the_original(original, tmp_path, newest):
    for mutant in mutants.corpus(original):
        path = tmp_path / newest
        path.write_bytes((files.Path("data") / newest).read_bytes())
        mutant.spoil(path)
        assert not path.exists() or path.read_bytes() != (files.Path("data") / newest).read_bytes(), mutant.name


@pytest.fixture(scope="module")
def trials(params, original, copied, tmp_path_factory):
    """Chosen mutants and clean draws of the newest files, all checked in one run of deepchecks."""
    folder = copied(tmp_path_factory.mktemp("faults"))
    names = [mutant.name for mutant in mutants.corpus(original)]
    matching = [[name for name in names if chosen in (name, name.partition(":")[0])] for chosen in sorted(CHOSEN)]
    first = {found[0] for found in matching if found}
    spoilt, clean = faults.spoil(folder, params, first), list(faults.draws(folder, DRAWS, params))
    found = faults.blockers([pending for _, pending in [*spoilt, *clean]], params)
    return [faults.judged(mutant, blocking) for (mutant, _), blocking in zip(spoilt, found, strict=False)], found[
        len(spoilt) :
    ]


def test_mutants_are_blocked_for_the_right_reason(trials):
    missed = [(trial.name, trial.by) for trial in trials[0] if not trial.rightly]
    assert len(missed) <= (1 - faults.BLOCKED_RIGHTLY) * len(trials[0]), missed


def test_clean_draws_are_not_blocked(trials):
    assert [[]] * DRAWS == trials[1]


def mutant(reasons: tuple[str, ...], columns: tuple[str, ...] = ()) -> mutants.Mutant:
    return mutants.Mutant("spoilt", "why", reasons, columns, lambda _: None)


@pytest.mark.parametrize(
    ("right", "blocker"),
    [
        (True, Blocker(CONTRACT, "f", "size", "limit", "size: limit: at most 9")),
        (False, Blocker(CONTRACT, "f", "size", "type", "size: type: a number, not limit")),
        (False, Blocker(CONTRACT, "f", "width", "limit", "width: limit: at most 9")),
        (True, Blocker("Size Limit", "f", "", "fail", "Size Limit: not: under 9: size is 12")),
        (False, Blocker("Size Limit", "f", "", "fail", "Size Limit: not: under 9: width is 12")),
    ],
)
def test_a_block_is_right_when_it_gives_the_reason_and_the_column(right, blocker):
    assert right is faults.is_right(mutant(("limit",), ("size",)), blocker)


def test_a_format_that_nobody_can_spoil_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="mutants are made of"):
        mutants.read(tmp_path / "data.xlsx")


def test_the_table_shows_what_was_not_blocked():
    line = faults.table([faults.Trial("spoilt", "it lies", [])]).splitlines()[1]
    assert ["spoilt", "NO", "NO", "it", "lies"] == line.split()
