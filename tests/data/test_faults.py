"""What makes a block a right one, which fault a problem can have, and what `slipway faults` prints."""

from __future__ import annotations

import pandas as pd
import pytest

from slipway.checks import faults, files, mutants
from slipway.errors import UserError
from slipway.gates.data import CONTRACT, Blocker


@pytest.fixture(scope="module")
def original(newest, frame, params):
    """Of the newest file; with the same file before it, which no fault here looks at."""
    path = files.Path("data") / newest
    raw = mutants.read(path)
    return mutants.Original(raw, frame, raw, params["seed"], path.suffix)


def test_every_mutant_has_a_name_of_its_own_and_differs_from_the_original(original, tmp_path, newest):
    found = [mutant for mutant in mutants.corpus(original) if mutant.name != "the file before, again"]
    assert len({mutant.name for mutant in found}) == len(found) > 0
    for mutant in found:
        path = tmp_path / newest
        path.write_bytes((files.Path("data") / newest).read_bytes())
        mutant.spoil(path)
        assert not path.exists() or path.read_bytes() != (files.Path("data") / newest).read_bytes(), mutant.name


def test_a_text_file_has_no_faults_that_text_cannot_show(original):
    text = mutants.Original(original.raw, original.loaded, original.before, original.seed, ".csv")
    names = {mutant.name.rpartition(": ")[0] or mutant.name for mutant in mutants.corpus(text)}
    assert "no rows" in names
    assert set() == names & mutants.NOT_IN_TEXT


def test_columns_that_the_loader_makes_of_others_are_left_out(original):
    other = original.raw.add_prefix("raw ")
    names = [mutant.name for mutant in mutants.corpus(mutants.Original(other, original.loaded, other, 1))]
    assert "half a file" in names
    assert [] == [name for name in names if name.startswith("dropped: ")]


def test_a_target_among_the_raw_columns_is_all_that_label_faults_touch():
    rows = pd.DataFrame({mutants.problem.TARGET: [0, 1], "other": [1, 2]})
    assert [mutants.problem.TARGET] == mutants.Original(rows, rows, rows, 1).outcomes


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
