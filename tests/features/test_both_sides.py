"""Training rows and requests have equal features, on every row of a quarter of the sample's weather.

Arrivals are late, corrections have the time of the row that they correct, and some hours were observed again. The
online store is materialized in the past with what had arrived by then; the join happens once, after all of it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pandas as pd
import pytest

from slipway import locked_environment, tools
from slipway.checks import contract
from slipway.feature_store import REQUIREMENTS, online_features
from tests.features import weather_arrivals
from tests.features.weather_arrivals import FEATURES, PROBLEM, ROOT

KEYS = ["origin", "hour"]
PAST = [pd.Timestamp("2013-02-01T00:30", tz="UTC"), pd.Timestamp("2013-02-11T12:00", tz="UTC")]
END = weather_arrivals.END + pd.Timedelta(days=30)
"""A moment after the last arrival."""
SERVED = 1000  # keys of the request to the feature server
PROGRAM = "online_over_time.py"


@pytest.fixture(scope="module")
def versions():
    """Return every version of the weather."""
    return weather_arrivals.arrivals()


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """Return the address of a Redis on loopback, or an empty text where none is installed."""
    program = tools.named("redis-server").find()
    if not program:
        yield ""
        return
    port = _free_port()
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--save", ""]
    with subprocess.Popen(command, cwd=tmp_path_factory.mktemp("redis"), stdout=subprocess.DEVNULL) as process:
        yield f"127.0.0.1:{port}"
        process.terminate()


@pytest.fixture(scope="module")
def rows(versions):
    """Return training rows: every key as of every moment, in any order."""
    keys = versions[KEYS].drop_duplicates()
    rows = pd.concat([keys.assign(event_timestamp=moment) for moment in (*PAST, END)])
    return rows.sample(frac=1, random_state=3, ignore_index=True).assign(distance=500, late=0)


@pytest.fixture(scope="module")
def timeline(versions, rows, redis, tmp_path_factory):
    """Yield the folder with what the stores had at each moment, and the address of the feature server at the end."""
    root = tmp_path_factory.mktemp("fork")
    for name in ("features", "build", "out"):
        (root / name).mkdir()
    versions.to_parquet(root / "versions.parquet")
    rows.to_parquet(root / "out/rows.parquet")
    port = _free_port()
    moments = [moment.isoformat() for moment in (*PAST, END)]
    # -O halves the time of the import: typeguard then instruments no class of Feast. It changes no value.
    command = [locked_environment.python(REQUIREMENTS, "test"), "-O", Path(__file__).with_name(PROGRAM)]
    command += [root / "versions.parquet", root / "out", redis, str(port), *moments]
    environment = os.environ | {"PYTHONPATH": f"{PROBLEM}{os.pathsep}{ROOT / 'src'}"}
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, cwd=root, env=environment) as process:
        try:
            _wait(url, process)
            yield root / "out", url
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def online(timeline):
    """Return the features of every key at each moment."""
    out, _ = timeline
    return [_by_key(pd.read_parquet(out / f"{number}.parquet")) for number in range(len(PAST) + 1)]


@pytest.fixture(scope="module")
def joined(timeline):
    """Return the training rows with their features."""
    out, _ = timeline
    return pd.read_parquet(out / "joined.parquet")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait(url: str, process: subprocess.Popen[bytes], seconds: float = 300) -> None:
    limit = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < limit:
        if _is_healthy(url):
            return
        time.sleep(0.2)
    pytest.fail("the feature server did not start")


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.ConnectError:
        return False


def _by_key(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index(KEYS)[FEATURES].astype(float).sort_index()


def _is_as_of(read: pd.DataFrame, versions: pd.DataFrame, moment: pd.Timestamp) -> bool:
    """Assert that `read` has what had arrived by `moment`, and nothing else."""
    expected = weather_arrivals.expected(versions, moment).sort_index()
    pd.testing.assert_frame_equal(expected, read.loc[expected.index], check_exact=True)
    return bool(read.drop(expected.index).isna().all(axis=None))


@pytest.mark.parametrize("number", range(len(PAST) + 1))
def test_online_store_has_what_had_arrived(number, online, versions):
    assert _is_as_of(online[number], versions, (*PAST, END)[number])


def test_feature_server_returns_what_the_online_store_has(timeline, online, monkeypatch):
    monkeypatch.setattr(online_features, "problem", weather_arrivals.problem())
    sample = online[-1].sample(SERVED, random_state=5)
    features = online_features.get(timeline[1], {name: list(sample.index.get_level_values(name)) for name in KEYS})
    served = pd.DataFrame(features, index=sample.index)[FEATURES].astype(float)
    pd.testing.assert_frame_equal(sample, served, check_exact=True)


def test_the_join_keeps_the_rows_and_their_order(joined, rows):
    pd.testing.assert_frame_equal(rows, joined[rows.columns], check_dtype=False)


@pytest.mark.parametrize("number", range(len(PAST) + 1))
def test_both_sides_are_equal_on_every_row(number, online, joined):
    offline = _by_key(joined[joined["event_timestamp"] == (*PAST, END)[number]])
    read = online[number]
    pd.testing.assert_frame_equal(offline.loc[read.index], read, check_exact=True)
    assert offline.drop(read.index).isna().all(axis=None)  # what had not arrived by then


@pytest.mark.tool("redis-server")
@pytest.mark.parametrize("number", range(len(PAST)))
def test_redis_is_equal_after_corrections(number, timeline, online):
    redis = _by_key(pd.read_parquet(timeline[0] / f"redis-{number}.parquet"))
    pd.testing.assert_frame_equal(online[number], redis, check_exact=True)


def test_the_weather_has_corrections_that_the_moments_separate(joined, versions):
    assert 3_200 < len(joined[joined["event_timestamp"] == END])
    assert versions.duplicated([*KEYS, "observed"]).sum() > 80
    past, later = (joined[joined["event_timestamp"] == moment].set_index(KEYS)["visibility"] for moment in PAST)
    both = past.notna() & later.loc[past.index].notna()
    assert (past[both] != later.loc[past.index][both]).sum() > 5


def test_data_validation_covers_the_features(joined):
    row = weather_arrivals.problem().Row
    others = {"late", "event_timestamp"}
    frame = joined.drop(columns="hour")
    assert [] == contract.check(frame, row, others, 1)
    frame.loc[5, "temperature"] = 999.0
    (finding,) = contract.check(frame, row, others, 1)
    assert ("temperature", 1) == (finding.column, finding.count)
