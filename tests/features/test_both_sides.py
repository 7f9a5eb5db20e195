"""Training rows and requests have equal features, on every row of the sample's weather.

Arrivals are late, corrections have the time of the row that they correct, and some hours were observed again. The
online store is materialized in the past with what had arrived by then; the join happens once, after all of it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pandas as pd
import pytest

from slipway import tools
from slipway.checks import contract
from slipway.feature_store import feast_process, online_features
from tests.features import weather_arrivals
from tests.features.weather_arrivals import FEATURES, PROBLEM, ROOT

KEYS = ["origin", "hour"]
PAST = [pd.Timestamp("2013-02-01T00:30", tz="UTC"), pd.Timestamp("2013-02-11T12:00", tz="UTC")]
END = pd.Timestamp("2014-02-01", tz="UTC")
"""A moment after the last arrival."""
KEYS_MAX = 1000  # of a request


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    """Return the folder and the environment of a fork with the worked problem; it shares Feast's environment."""
    root = tmp_path_factory.mktemp("fork")
    for name in ("features", "incoming", "data", "build"):
        (root / name).mkdir()
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    for name in ("src", feast_process.ENVIRONMENT):
        (root / name).symlink_to(ROOT / name)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PYTHONPATH": f"{PROBLEM}{os.pathsep}{ROOT / 'src'}", "PATH": path}
    if not (ROOT / feast_process.ENVIRONMENT).exists():
        _python(ROOT, environment, "-c", "import feast")
    return root, environment | {"UV_NO_SYNC": "1"}


def _python(root: Path, environment: dict[str, str], *arguments: str) -> None:
    """Run Python with Feast."""
    own = {"UV_PROJECT_ENVIRONMENT": feast_process.ENVIRONMENT, "UV_COMPILE_BYTECODE": "1"}
    command = ["uv", *feast_process.OPTIONS, "python", *arguments]
    done = subprocess.run(command, cwd=root, env=environment | own, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr


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
def past(fork, versions, redis, tmp_path_factory):
    """Return the folder with what the online store had at each past moment; it is then materialized at the end."""
    root, environment = fork
    out = tmp_path_factory.mktemp("online")
    versions.to_parquet(out / "versions.parquet")
    moments = [moment.isoformat() for moment in (*PAST, END)]
    program = Path(__file__).with_name("online_over_time.py")
    _python(root, environment, str(program), str(out / "versions.parquet"), str(out), redis, *moments)
    return out


@pytest.fixture(scope="module")
def online(fork, past, versions):
    """Return the features of every key at each moment: of the last one through the feature server."""
    keys = versions[KEYS].drop_duplicates()
    return [*(pd.read_parquet(past / f"{number}.parquet") for number in range(len(PAST))), _served(fork, keys)]


def _served(fork, keys: pd.DataFrame) -> pd.DataFrame:
    """Return the features of every key by HTTP, validated by the problem's `Row`."""
    rows = []
    with _server(fork) as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(online_features, "problem", weather_arrivals.problem())
        for start in range(0, len(keys), KEYS_MAX):
            chunk = keys[start : start + KEYS_MAX]
            features = online_features.get(url, {name: chunk[name].tolist() for name in KEYS})
            rows.append(pd.DataFrame(features, index=chunk.index).join(chunk))
    return pd.concat(rows)


@contextmanager
def _server(fork):
    """Run `slipway features serve` on a free port, and stop it as a process manager does."""
    root, environment = fork
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["slipway", "features", "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(url, process)
            yield url
        finally:
            process.terminate()
    assert not _is_healthy(url)


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


@pytest.fixture(scope="module")
def joined(fork, online, versions):
    """Return the training rows: every key as of every moment, joined by the problem's `next_batch`."""
    root, environment = fork
    keys = versions[KEYS].drop_duplicates()
    rows = pd.concat([keys.assign(event_timestamp=moment) for moment in (*PAST, END)])
    rows = rows.sample(frac=1, random_state=3).assign(distance=500, late=0)
    rows.to_parquet(root / "incoming/flights.parquet", index=False)
    program = "import problem; from pathlib import Path; print(problem.next_batch(Path('data')))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert "data/flights.parquet" == (done.stdout.splitlines() or [""])[-1], done.stderr
    frame = pd.read_parquet(root / "data/flights.parquet")
    pd.testing.assert_frame_equal(rows.reset_index(drop=True), frame[rows.columns], check_dtype=False)
    return frame


def _by_key(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index(KEYS)[FEATURES].astype(float).sort_index()


def _is_as_of(read: pd.DataFrame, versions: pd.DataFrame, moment: pd.Timestamp) -> bool:
    """Assert that `read` has what had arrived by `moment`, and nothing else."""
    expected = weather_arrivals.expected(versions, moment).sort_index()
    pd.testing.assert_frame_equal(expected, read.loc[expected.index], check_exact=True)
    return bool(read.drop(expected.index).isna().all(axis=None))


# The order of the tests is that of their fixtures, so that each test includes the time of one process of Feast.


@pytest.mark.parametrize("number", range(len(PAST)))
def test_online_store_has_what_had_arrived(number, past, versions):
    assert _is_as_of(_by_key(pd.read_parquet(past / f"{number}.parquet")), versions, PAST[number])


def test_feature_server_returns_the_newest_values_of_every_row(online, versions):
    assert _is_as_of(_by_key(online[-1]), versions, END)


@pytest.mark.parametrize("number", range(len(PAST) + 1))
def test_both_sides_are_equal_on_every_row(number, online, joined):
    offline = _by_key(joined[joined["event_timestamp"] == (*PAST, END)[number]])
    read = _by_key(online[number])
    pd.testing.assert_frame_equal(offline.loc[read.index], read, check_exact=True)
    assert offline.drop(read.index).isna().all(axis=None)  # what had not arrived by then


@pytest.mark.tool("redis-server")
@pytest.mark.parametrize("number", range(len(PAST)))
def test_redis_is_equal_after_corrections(number, past):
    sqlite, redis = (_by_key(pd.read_parquet(past / f"{kind}{number}.parquet")) for kind in ("", "redis-"))
    pd.testing.assert_frame_equal(sqlite, redis, check_exact=True)


def test_the_weather_has_corrections_that_the_moments_separate(joined, versions):
    assert 26_115 == len(joined[joined["event_timestamp"] == END])
    assert versions.duplicated([*KEYS, "observed"]).sum() > 1000
    past, later = (joined[joined["event_timestamp"] == moment].set_index(KEYS)["visibility"] for moment in PAST)
    both = past.notna() & later.loc[past.index].notna()
    assert (past[both] != later.loc[past.index][both]).sum() > 10


def test_data_validation_covers_the_features(joined):
    row = weather_arrivals.problem().Row
    others = {"late", "event_timestamp"}
    frame = joined.drop(columns="hour")
    assert [] == contract.check(frame, row, others, 1)
    frame.loc[5, "temperature"] = 999.0
    (finding,) = contract.check(frame, row, others, 1)
    assert ("temperature", 1) == (finding.column, finding.count)
