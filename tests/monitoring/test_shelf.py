"""Learned expectations are cached under a hash of their inputs, and learned again if the file is damaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import problem
from slipway.batch.relations import Relations
from slipway.monitoring import reference_cache as expectation_cache

DAYS, SEED = 30.0, 5
FRAME = problem.load(Path("data")).iloc[::500].sort_values(problem.TIME_COLUMN, ignore_index=True)
PREDICTIONS = np.linspace(0, 1, len(FRAME))


@pytest.fixture
def learned(monkeypatch):
    """Return a list that grows each time that forests are learned."""
    calls, learn = [], Relations.learn.__func__
    monkeypatch.setattr(Relations, "learn", classmethod(lambda *arguments: calls.append(1) or learn(*arguments)))
    return calls


def learn(folder: Path, frame: pd.DataFrame = FRAME, predictions: np.ndarray = PREDICTIONS, days: float = DAYS):
    return expectation_cache.learn(frame, predictions, days, SEED, folder)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Return a folder with one cached file, and its expectation."""
    folder = tmp_path_factory.mktemp("cache")
    return folder, learn(folder)


@pytest.fixture
def copied(cache, tmp_path) -> Path:
    """Return a copy of the file in a folder of this test."""
    (file,) = cache[0].iterdir()
    return Path(tmp_path / file.name).write_bytes(file.read_bytes()) and tmp_path / file.name


def test_a_cached_expectation_is_the_same_and_is_not_learned_again(cache, learned):
    folder, original = cache
    again = learn(folder)
    assert [] == learned
    assert original.ranges == again.ranges
    assert original.explained == again.explained
    samples = [expectation.measure(FRAME.tail(100), PREDICTIONS[-100:]) for expectation in (original, again)]
    np.testing.assert_equal(original.statistics(samples[0]), again.statistics(samples[1]))
    assert original.moved(samples[0], original.recent()) == again.moved(samples[1], again.recent())


@pytest.mark.parametrize(
    "changed",
    [
        {"frame": FRAME.assign(distance=FRAME["distance"] + 1)},
        {"frame": FRAME.iloc[::-1]},
        {"predictions": PREDICTIONS / 2},
        {"days": 31.0},
    ],
)
def test_another_reference_has_another_file(changed):
    inputs = {"frame": FRAME, "predictions": PREDICTIONS, "days": DAYS}
    assert expectation_cache.key(**inputs, seed=SEED) != expectation_cache.key(**(inputs | changed), seed=SEED)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: data[:0], lambda data: data + b"x"])
def test_a_damaged_file_is_not_read(copied, damage):
    copied.write_bytes(damage(copied.read_bytes()))
    assert expectation_cache.read(copied) is None


def test_a_damaged_file_is_learned_again_and_replaced(cache, copied, learned):
    copied.write_bytes(copied.read_bytes()[:-9])
    assert cache[1].ranges == learn(copied.parent).ranges
    assert learned
    assert cache[1].ranges == expectation_cache.read(copied).ranges


def test_a_renamed_file_is_not_read(copied):
    stale = copied.rename(copied.with_name(f"{'0' * 64}.skops"))
    assert expectation_cache.read(stale) is None


def test_an_unwritable_folder_fails_no_assessment(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(expectation_cache, "Expectation", lambda *_: cache[1])
    (tmp_path / "file").write_text("")
    assert cache[1] is learn(tmp_path / "file")


def test_only_the_newest_files_stay(cache, tmp_path):
    small = replace(cache[1].learned, forests={})
    for number in range(expectation_cache.CACHED_FILES_MAX + 2):
        expectation_cache.write(tmp_path / f"{number}.skops", small)
    assert expectation_cache.CACHED_FILES_MAX == len(list(tmp_path.iterdir()))
    assert (tmp_path / f"{expectation_cache.CACHED_FILES_MAX + 1}.skops").exists()
