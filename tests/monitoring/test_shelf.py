"""What was learned of a reference is kept, found again by what it is made of, and learned anew when it is damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import problem
from slipway.monitoring import shelf
from slipway.monitoring.relations import Relations

DAYS, SEED = 30.0, 5
FRAME = problem.load(Path("data")).iloc[::500].sort_values(problem.TIME_COLUMN, ignore_index=True)
PREDICTIONS = np.linspace(0, 1, len(FRAME))


@pytest.fixture
def learned(monkeypatch):
    """How often forests were learned, as a list that grows."""
    calls, learn = [], Relations.learn.__func__
    monkeypatch.setattr(Relations, "learn", classmethod(lambda *given: calls.append(1) or learn(*given)))
    return calls


def learn(folder: Path, frame: pd.DataFrame = FRAME, predictions: np.ndarray = PREDICTIONS, days: float = DAYS):
    return shelf.learn(frame, predictions, days, SEED, folder)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with one file, and the expectation that it is of."""
    folder = tmp_path_factory.mktemp("shelf")
    return folder, learn(folder)


@pytest.fixture
def copied(kept, tmp_path) -> Path:
    """The file, in a folder of this test."""
    (file,) = kept[0].iterdir()
    return Path(tmp_path / file.name).write_bytes(file.read_bytes()) and tmp_path / file.name


def test_what_is_kept_says_the_same_and_is_not_learned_again(kept, learned):
    folder, made = kept
    again = learn(folder)
    assert [] == learned
    assert made.ranges == again.ranges
    assert made.told == again.told
    samples = [one.measure(FRAME.tail(100), PREDICTIONS[-100:]) for one in (made, again)]
    np.testing.assert_equal(made.statistics(samples[0]), again.statistics(samples[1]))
    assert made.moved(samples[0], made.recent()) == again.moved(samples[1], again.recent())


@pytest.mark.parametrize(
    "changed",
    [
        {"frame": FRAME.assign(distance=FRAME["distance"] + 1)},
        {"frame": FRAME.iloc[::-1]},
        {"predictions": PREDICTIONS / 2},
        {"days": 31.0},
    ],
)
def test_another_reference_is_another_file(changed):
    given = {"frame": FRAME, "predictions": PREDICTIONS, "days": DAYS}
    assert shelf.key(**given, seed=SEED) != shelf.key(**(given | changed), seed=SEED)


@pytest.mark.parametrize("damage", [lambda kept: kept[:-9], lambda kept: kept[:0], lambda kept: kept + b"x"])
def test_a_damaged_one_is_not_taken(copied, damage):
    copied.write_bytes(damage(copied.read_bytes()))
    assert shelf.read(copied) is None


def test_a_damaged_one_is_learned_anew_and_mended(kept, copied, learned):
    copied.write_bytes(copied.read_bytes()[:-9])
    assert kept[1].ranges == learn(copied.parent).ranges
    assert learned
    assert kept[1].ranges == shelf.read(copied).ranges


def test_one_under_a_name_that_is_not_its_own_is_not_taken(copied):
    stale = copied.rename(copied.with_name(f"{'0' * 64}.skops"))
    assert shelf.read(stale) is None


def test_a_folder_that_takes_nothing_stops_no_look(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(shelf, "Expectation", lambda *_: kept[1])
    (tmp_path / "file").write_text("")
    assert kept[1] is learn(tmp_path / "file")


def test_only_the_newest_stay(kept, tmp_path):
    small = replace(kept[1].learned, forests={})
    for number in range(shelf.KEPT + 2):
        shelf.write(tmp_path / f"{number}.skops", small)
    assert shelf.KEPT == len(list(tmp_path.iterdir()))
    assert (tmp_path / f"{shelf.KEPT + 1}.skops").exists()
