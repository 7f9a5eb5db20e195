"""Tests of the mutants, of the right reason for a block, and of the output of `slipway faults`."""

from __future__ import annotations

import pandas as pd
import pytest

from slipway.checks import files
from slipway.errors import SettingError
from slipway.gates.data import CONTRACT, Blocker
from slipway.lab import data_faults, data_mutants, fault_sizes


@pytest.fixture(scope="module")
def original(newest, frame, settings):
    """Return the newest file as the original of mutants; no fault here uses the previous file."""
    path = files.Path("data") / newest
    raw = data_mutants.read(path)
    return data_mutants.Original(raw, frame, raw, settings.seed, path.suffix)


def test_every_mutant_has_a_name_of_its_own_and_differs_from_the_original(original, tmp_path, newest):
    corpus = [mutant for mutant in data_mutants.corpus(original) if mutant.name != "previous file again"]
    assert len({mutant.name for mutant in corpus}) == len(corpus) > 0
    for mutant in corpus:
        path = tmp_path / newest
        path.write_bytes((files.Path("data") / newest).read_bytes())
        mutant.corrupt(path)
        assert not path.exists() or path.read_bytes() != (files.Path("data") / newest).read_bytes(), mutant.name


def test_a_text_file_has_no_faults_that_text_cannot_express(original):
    text = data_mutants.Original(original.raw, original.loaded, original.before, original.seed, ".csv")
    names = {mutant.name.rpartition(": ")[0] or mutant.name for mutant in data_mutants.corpus(text)}
    assert "no rows" in names
    assert set() == names & data_mutants.NOT_IN_TEXT


def test_columns_that_the_loader_derives_from_others_are_excluded(original):
    other = original.raw.add_prefix("raw ")
    names = [mutant.name for mutant in data_mutants.corpus(data_mutants.Original(other, original.loaded, other, 1))]
    assert "half a file" in names
    assert [] == [name for name in names if name.startswith("dropped: ")]


def test_label_faults_change_only_a_target_among_the_raw_columns():
    rows = pd.DataFrame({data_mutants.problem.TARGET: [0, 1], "other": [1, 2]})
    assert [data_mutants.problem.TARGET] == data_mutants.Original(rows, rows, rows, 1).outcomes


def mutant(reasons: tuple[str, ...], columns: tuple[str, ...] = ()) -> data_mutants.Mutant:
    return data_mutants.Mutant("corrupted", "why", reasons, columns, lambda _: None)


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
    assert right is data_faults.is_right(mutant(("limit",), ("size",)), blocker)


def test_a_format_without_a_reader_is_one_clear_line(tmp_path):
    with pytest.raises(SettingError, match=r"data\.xlsx: mutants need .* files"):
        data_mutants.read(tmp_path / "data.xlsx")


def test_the_table_marks_trials_that_were_not_blocked():
    line = data_faults.table([data_faults.FaultTrial("corrupted", "full disk", [])]).splitlines()[1]
    assert ["corrupted", "NO", "NO", "full", "disk"] == line.split()


def test_the_sizes_of_a_fault_are_summed_up_by_fault():
    results = {"constant": [["-", "-", "-", "Row Order", "Row Order"], ["-", "-", "-", "-", "data contract"]]}
    assert "| constant | 2 | 0% | 0% | 0% | 50% | 100% |" == fault_sizes.summary(results).splitlines()[-1]


def test_sized_faults_change_one_column_of_each_kind_and_the_label(original):
    faults = list(fault_sizes.sized_faults(original))
    assert {*fault_sizes.FAULTS["number"], *fault_sizes.FAULTS["category"], "label permuted"} == {
        fault.name for fault in faults
    }
    for fault in faults:
        changed = [name for name in fault.corrupted if not fault.corrupted[name].equals(original.raw[name])]
        assert list(fault.corrupted) == changed, fault
