"""Tests of the CSV rules: `slipway new`, its `next_batch` and `slipway score` read the same files in the same way."""

from __future__ import annotations

import importlib
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from slipway import yaml12
from slipway.errors import ArgumentError, DataError, MissingFileError, UserError
from slipway.scaffold import plan, render, source
from slipway.scaffold.plan import ForkRequest, Plan
from slipway.scaffold.source import ReadOptions
from slipway.schema import csv_file
from slipway.schema.csv_file import Dialect
from slipway.score import one_file, tables
from slipway.score.rows import RowChecker

FOLDER = Path("tests/csv").resolve()
CASES = yaml12.parse((FOLDER / "corpus.yaml").read_text(encoding="utf-8"))
REFUSED = [case for case in CASES if "refused" in case]
READ = [case for case in CASES if "columns" in case]


def label(case: dict[str, Any]) -> str:
    return "-".join([case["file"], *case.get("options", {}), *(name for name in ("text", "values") if name in case)])


def read_options(case: dict[str, Any]) -> ReadOptions:
    options = {
        name: tuple(value) if isinstance(value, list) else value for name, value in case.get("options", {}).items()
    }
    return ReadOptions(Dialect(**options), tuple(case.get("text", ())), tuple(case.get("values", ())))


def inferred(case: dict[str, Any], folder: Path = FOLDER) -> tuple[Plan, pd.DataFrame]:
    request = ForkRequest(case.get("target", "sold"), case.get("time", ""), options=read_options(case))
    return plan.infer(folder / case["file"], request, seed=1)


@pytest.fixture
def problem_of(tmp_path, monkeypatch):
    """Return a function that imports the package of `slipway new` for a plan in place of the current problem."""
    monkeypatch.setattr(render, "formatted", lambda text, _: text)
    # Python takes the bytecode of a module for that of another with the same path, size and second of writing.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def imported(fork_plan: Plan) -> Any:
        for path, text in render.render(fork_plan).items():
            if path.parent == render.PACKAGE:
                (tmp_path / "code/problem").mkdir(parents=True, exist_ok=True)
                (tmp_path / "code/problem" / path.name).write_text(text, encoding="utf-8")
        for name in [name for name in sys.modules if name.partition(".")[0] == "problem"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(str(tmp_path / "code"))
        importlib.invalidate_caches()
        problem = importlib.import_module("problem")
        data = importlib.import_module("problem.data")
        monkeypatch.setattr(data, "INCOMING", tmp_path / "incoming")
        monkeypatch.setattr(one_file, "problem", problem)
        return problem

    yield imported
    for name in [name for name in sys.modules if name.partition(".")[0] == "problem"]:
        del sys.modules[name]


def imported_rows(problem: Any, source: Path, folder: Path) -> pd.DataFrame:
    """Return the rows that `next_batch` imports from a file."""
    (folder / "incoming").mkdir()
    (folder / "data").mkdir()
    (folder / "incoming" / source.name).write_bytes(source.read_bytes())
    return pd.read_parquet(problem.next_batch(folder / "data"))


def refused_rows(problem: Any, source: Path, folder: Path) -> list[Any]:
    """Return the rows of a file that `slipway score` rejects."""
    dialect, checker, broken = Dialect(**problem.CSV), RowChecker(problem.Row), []
    scored = one_file._prepared(source, dialect, folder)
    for chunk in tables.read(scored, problem.Row, 1000, dialect):
        assert set(problem.Row.model_fields) == set(chunk.columns.schema.names)
        broken += checker.check(chunk.columns.select(list(problem.Row.model_fields)), chunk.invalid).broken.values()
    return broken


@pytest.mark.parametrize("case", REFUSED, ids=label)
def test_an_ambiguous_file_is_one_line_that_names_the_option(case):
    with pytest.raises(DataError) as refused:
        inferred(case)
    assert str(FOLDER / case["file"]) in str(refused.value) or "When" in str(refused.value)
    assert case["refused"] in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("case", READ, ids=label)
def test_new_next_batch_and_score_read_a_file_in_the_same_way(case, problem_of, tmp_path):
    inferred_plan, frame = inferred(case)
    missing = {
        name: f"{kind} missing" if frame[name].isna().any() else kind for name, kind in inferred_plan.kinds.items()
    }
    assert case["columns"] == missing
    problem = problem_of(inferred_plan)
    rows = imported_rows(problem, FOLDER / case["file"], tmp_path)
    assert (
        frame.drop_duplicates().notna().sum().sum()
        <= frame.notna().sum().sum()
        == sum(
            rows[inferred_plan.imported[name]].notna().sum()
            if name in inferred_plan.imported
            else frame[name].notna().sum()
            for name in frame
        )
    )
    assert [] == refused_rows(problem, FOLDER / case["file"], tmp_path)


def split_csv(name: str, folder: Path, rows: int = 40) -> Path:
    """Write a file of the corpus, which has a row per line, as files of `rows` rows."""
    header, *lines = (FOLDER / name).read_text(encoding="utf-8-sig").splitlines()
    for start in range(0, len(lines), rows):
        text = "\n".join([header, *lines[start : start + rows]]) + "\n"
        (folder / f"{start:04}-{name}").write_text(text, encoding="utf-8")
    return folder


SPLIT = [case for case in READ if case["file"].endswith((".csv", ".tsv")) and "encoding" not in case.get("options", {})]


@pytest.mark.parametrize("case", SPLIT, ids=label)
def test_a_folder_of_files_is_read_as_one_file_with_their_rows(case, tmp_path):
    expected = source.read(FOLDER / case["file"], read_options(case))
    folder = split_csv(case["file"], tmp_path)
    assert len(list(folder.iterdir())) > 1
    (folder / ".hidden").write_text("not a table", encoding="utf-8")
    pd.testing.assert_frame_equal(expected, source.read(folder, read_options(case)))


def test_a_folder_of_parquet_files_is_read_as_one_file_with_their_rows(tmp_path):
    expected = source.read(FOLDER / "gaps.csv")
    for start in (0, 50, 90):
        rows = expected.iloc[start : {0: 50, 50: 90}.get(start)]
        rows[sorted(expected)].to_parquet(tmp_path / f"{start:02}.parquet")
    pd.testing.assert_frame_equal(expected[sorted(expected)], source.read(tmp_path))


@pytest.mark.parametrize("name", ["na-in-numbers.csv", "sentinel.csv", "infinite.csv", "thousands.csv"])
def test_a_value_that_a_folder_has_is_named_with_file_and_row(name, tmp_path):
    with pytest.raises(DataError) as alone:
        source.read(FOLDER / name)
    row = int(re.search(r"in row (\d+)", str(alone.value))[1])
    with pytest.raises(DataError) as refused:
        source.read(split_csv(name, tmp_path, rows=4))
    assert str(refused.value).endswith(f" (row {row % 4} of {row // 4 * 4:04}-{name})")


def test_files_that_are_not_one_table_are_refused(tmp_path):
    def refusal(**files: str) -> str:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        for name, text in files.items():
            (folder / name.replace("_", ".")).write_text(text, encoding="utf-8")
        with pytest.raises((ArgumentError, DataError, MissingFileError)) as refused:
            source.read(folder)
        return str(refused.value)

    assert "b.csv: has other columns than a.csv: 'z'" in refusal(a_csv="x,y\n1,2\n", b_csv="x,y,z\n1,2,3\n")
    assert "b.csv: has other columns than a.csv: 'y'" in refusal(a_csv="x,y\n1,2\n", b_csv="x\n1\n")
    assert "b.xlsx: not one of .csv" in refusal(a_csv="x,y\n1,2\n", b_xlsx="")
    assert "has CSV and Parquet files" in refusal(a_csv="x,y\n1,2\n", b_parquet="")
    assert "an empty folder" in refusal()
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    with pytest.raises(ArgumentError, match="inner: a folder in a folder"):
        source.read(tmp_path / "outer")


def test_every_file_of_the_corpus_has_a_case():
    assert {path.name for path in FOLDER.iterdir()} - {"corpus.yaml"} == {case["file"] for case in CASES}


@pytest.mark.parametrize(("spelling", "row"), [("Ja", 3), ("JÄ", 0), ("unknown", 119)])
def test_a_new_spelling_of_a_binary_target_is_rejected(problem_of, tmp_path, spelling, row):
    lines = (FOLDER / "plain.csv").read_text(encoding="utf-8").replace(",yes", ",jä").replace(",no", ",nö").splitlines()
    (tmp_path / "old.csv").write_text("\n".join(lines), encoding="utf-8")
    problem = problem_of(inferred({"file": "old.csv"}, tmp_path)[0])
    lines[row + 1] = f"{lines[row + 1].rpartition(',')[0]},{spelling}"
    (tmp_path / "new.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(
        ValueError, match=rf"new\.csv: sold: '{spelling}' in row {row} is neither 'jä' nor 'nö'|neither 'nö' nor 'jä'"
    ):
        imported_rows(problem, tmp_path / "new.csv", tmp_path)


def test_a_later_file_with_a_string_in_a_column_of_numbers_is_rejected(problem_of, tmp_path):
    problem = problem_of(inferred({"file": "plain.csv"})[0])
    text = (FOLDER / "plain.csv").read_text(encoding="utf-8").splitlines()
    text[6] = text[6].replace(text[6].split(",")[0], "cheap")
    (tmp_path / "new.csv").write_text("\n".join(text), encoding="utf-8")
    with pytest.raises(ValueError, match=r"new\.csv: price: 'cheap' in row 5 is not a number"):
        imported_rows(problem, tmp_path / "new.csv", tmp_path)


def test_codes_of_a_later_file_stay_text_even_if_they_look_like_numbers(problem_of, tmp_path):
    problem = problem_of(inferred({"file": "codes.csv"})[0])
    text = (FOLDER / "codes.csv").read_text(encoding="utf-8")
    (tmp_path / "new.csv").write_text(text.replace(",000", ",111"), encoding="utf-8")
    assert imported_rows(problem, tmp_path / "new.csv", tmp_path)["city"].str.fullmatch("111..").all()


def test_the_problem_has_the_same_reader(problem_of):
    problem_of(inferred({"file": "plain.csv"})[0])
    copied = importlib.import_module("problem.csv_file")
    assert Path(csv_file.__file__).read_text(encoding="utf-8") == Path(copied.__file__).read_text(encoding="utf-8")


CELLS = {
    "numbers": ["1", "2.5", "-3", "1e3", ".5", ""],
    "whole": ["1", "2", "3", "40", "9007199254740993", ""],
    "words": ["NA", "None", "null", "nan", "a", "b", "", "true", "1"],
    "flags": ["true", "False", "TRUE", ""],
    "codes": ["01", "02", "10", "A1", ""],
    "refused": ["1", "2", "1,5", "12%", "NA", "?"],
}


@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=3), st.data())
def test_score_accepts_every_row_of_a_file_that_new_accepts(problem_of, tmp_path_factory, kinds, data):
    chosen = [data.draw(st.lists(st.sampled_from(CELLS[kind]), min_size=2, max_size=4, unique=True)) for kind in kinds]
    draw, folder = random.Random(data.draw(st.integers(0, 99))), tmp_path_factory.mktemp("drawn")
    columns = {f"c{place}": [draw.choice(cells) for _ in range(120)] for place, cells in enumerate(chosen)}
    table = pd.DataFrame(columns | {"sold": [draw.choice(["yes", "no"]) for _ in range(120)]})
    table.to_csv(folder / "table.csv", index=False)
    try:
        inferred_plan, _ = inferred({"file": "table.csv"}, folder)
    except UserError as error:
        event(str(error).partition(": ")[2][:20])
    else:
        assert [] == refused_rows(problem_of(inferred_plan), folder / "table.csv", folder)
