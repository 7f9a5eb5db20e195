"""A folder is scored on several hosts like each of its files, and nothing is lost or repeated by a fault.

The hosts are two network namespaces with a link between them, where the machine allows it, and else loopback.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distributed.comm import CommClosedError

from slipway.errors import ArgumentError, BusyError, MissingFileError, ToolError
from slipway.score import cluster, folder, task
from slipway.score.one_file import VerifiedModel
from slipway.score.run import Checkpoints
from slipway.settings.serving import ScoreSection

TIMEOUT_SECONDS = 60
FILES, ROWS = 10, 300
FIRST, SECOND = "10.254.7.1", "10.254.7.2"
LOOPBACK = "127.0.0.1"
PROBLEM = '''
def read(path):
    """Rename the raw column `mass`; slowly, and with a line in the log for each file."""
    import os, time
    import pandas as pd
    if path.name in os.environ["FATAL"]:
        os._exit(1)
    descriptor = os.open(os.environ["LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{path.name}\\n".encode())
    os.close(descriptor)
    time.sleep(float(os.environ["READ_SECONDS"]))
    return pd.read_parquet(path).rename(columns={"mass": "weight"})
'''


@dataclass
class Host:
    """A host: a prefix of each command, and an address."""

    prefix: tuple[str, ...]
    address: str


def _shell(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_SECONDS)


@pytest.fixture(scope="module")
def hosts():
    """Yield two network namespaces with a link, or loopback twice where this machine does not allow them."""
    holders: list[subprocess.Popen] = []
    try:
        first = _namespace(holders, "unshare", "--user", "--map-root-user", "--net")
        inside = ("nsenter", f"--target={first}", "--user", "--net", "--preserve-credentials")
        second = _namespace(holders, *inside, "unshare", "--net")
        other = (*inside[:1], f"--target={second}", *inside[2:])
        _shell(*inside, "ip", "link", "add", "first", "type", "veth", "peer", "name", "second", "netns", str(second))
        for prefix, address, link in ((inside, FIRST, "first"), (other, SECOND, "second")):
            _shell(*prefix, "ip", "address", "add", f"{address}/24", "dev", link)
            for name in ("lo", link):
                _shell(*prefix, "ip", "link", "set", name, "up")
        yield Host(inside, FIRST), Host(other, SECOND)
    except (FileNotFoundError, subprocess.CalledProcessError):
        yield Host((), LOOPBACK), Host((), LOOPBACK)
    finally:
        for holder in reversed(holders):
            holder.kill()
            holder.communicate()


def _namespace(holders: list[subprocess.Popen], *command: str) -> int:
    """Return the id of a process in a new namespace, which keeps it open."""
    process = subprocess.Popen([*command, "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE)
    holders.append(process)
    if not process.stdout.readline():
        raise subprocess.CalledProcessError(process.wait(), command)
    return process.pid


@pytest.fixture
def project(tmp_path, toy):
    """Return a folder with a problem that logs each file it reads, and with files of rows."""
    (tmp_path / "code/problem").mkdir(parents=True)
    (tmp_path / "code/problem/__init__.py").write_text(Path(toy.__file__).read_text() + PROBLEM)
    for number in range(FILES):
        _write(tmp_path / f"in/{number}.parquet", ROWS + number, number)
    return tmp_path


def _write(path: Path, rows: int, seed: int, size: float = 100.0) -> None:
    draw = np.random.default_rng(seed)
    table = {
        "key": [f"{path.stem}-{number}" for number in range(rows)],
        "size": np.append(draw.uniform(0, 100, rows - 1), size),
        "count": draw.integers(1, 10, rows),
        "kind": draw.choice(["a", "b"], rows),
        "name": draw.choice(["XY", "PQ", "::"], rows),
        "mass": draw.normal(size=rows),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(table), path)


@pytest.fixture
def start(project, model_dir):
    """Return a function that starts a Python program on a host; all end with the test."""
    processes = []

    def start_python(host: Host, *arguments: object, seconds: float = 0.0, fatal: str = "") -> subprocess.Popen:
        environment = os.environ | {
            "PYTHONPATH": f"{project / 'code'}:{Path.cwd() / 'src'}",
            "SLIPWAY_MODEL_DIR": str(model_dir),
            "LOG": str(project / "log"),
            "READ_SECONDS": str(seconds),
            "FATAL": fatal,
        }
        command = [*host.prefix, sys.executable, "-m", *map(str, arguments)]
        processes.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
            )
        )
        return processes[-1]

    yield start_python
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _scheduler(start, host: Host) -> tuple[subprocess.Popen, str]:
    """Start a scheduler at a free port; return the process and the address."""
    process = start(
        host, "distributed.cli.dask_scheduler", f"--host={host.address}", "--port=0", "--no-dashboard", "--no-jupyter"
    )
    for line in process.stderr:
        if "Scheduler at:" in line:
            return process, line.split()[-1]
    raise AssertionError("no address")


def _worker(start, host: Host, address: str, seconds: float, **options: str) -> subprocess.Popen:
    return start(
        *(host, "distributed.cli.dask_worker", address, f"--host={host.address}", "--nthreads=1", "--no-nanny"),
        *("--no-dashboard", "--local-directory=/tmp", "--death-timeout=60"),
        seconds=seconds,
        **options,
    )


def _score(start, host: Host, project: Path, *flags: object, **options: object) -> subprocess.Popen:
    return start(host, "slipway.cli", "score", project / "in", project / "out", "--json", *flags, **options)


def _until(true, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _outputs(project: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of each output, which a second write would change."""
    stats = {path.name: path.stat() for path in (project / "out").glob("*.parquet")}
    return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}


def _keys(project: Path) -> list[str]:
    return [key for path in (project / "out").glob("*.parquet") for key in pq.read_table(path)["key"].to_pylist()]


EXPECTED_KEYS = {f"{number}-{row}" for number in range(FILES) for row in range(ROWS + number)}


def test_a_killed_worker_and_a_lost_scheduler_lose_and_repeat_nothing(start, hosts, project):
    first, second = hosts
    draw = random.Random(7)
    scheduler, address = _scheduler(start, first)
    workers = [_worker(start, host, address, seconds=0.3) for host in hosts]
    client = _score(start, first, project, "--scheduler", address)
    points = sorted(draw.sample(range(1, FILES - 2), 2))
    _until(lambda: len(_outputs(project)) >= points[0], client)
    workers[1].kill()
    _until(lambda: len(_outputs(project)) >= points[1], client)
    scheduler.kill()
    _, errors = client.communicate(timeout=TIMEOUT_SECONDS)
    assert 2 == client.returncode, errors
    assert "slipway: score: the Dask scheduler is lost; start it, and repeat the command" in errors
    assert "Traceback" not in errors
    assert 0 == workers[0].wait(TIMEOUT_SECONDS)
    before = _outputs(project)
    assert points[1] <= len(before) < FILES

    _, address = _scheduler(start, second)
    for host in hosts:
        _worker(start, host, address, seconds=0.0)
    output, errors = _score(start, first, project, "--scheduler", address).communicate(timeout=TIMEOUT_SECONDS)
    result = json.loads(output)
    rows = sum(pq.read_metadata(project / "out" / name).num_rows for name in before)
    assert (FILES, len(EXPECTED_KEYS), rows) == (result["files"], result["scored"], result["resumed"]), errors
    assert before == {name: _outputs(project)[name] for name in before}
    assert len(EXPECTED_KEYS) == len(_keys(project))
    assert EXPECTED_KEYS == set(_keys(project))
    reads = (project / "log").read_text().splitlines()
    repeated = len(reads) - FILES
    assert repeated <= 3  # the file of the killed worker, and the two of the lost scheduler
    assert [] == list((project / "out").glob(".*model*"))


def test_a_bad_file_and_a_fatal_one_are_one_line_each_and_the_others_complete(start, project):
    _write(project / "in/bad.parquet", ROWS, 1, size=101.5)
    local = Host((), LOOPBACK)
    client = _score(start, local, project, fatal="3.parquet")
    _, errors = client.communicate(timeout=TIMEOUT_SECONDS)
    assert 2 == client.returncode, errors
    bad, dead = sorted(line for line in errors.splitlines() if line.startswith("score: /"))[::-1]
    assert f"{project}/in/bad.parquet: row 299: size is 101.5: Input should be less than or equal to 100; fix" in bad
    assert f"{project}/in/3.parquet: the worker died each time" in dead
    assert f"slipway: {project}/in: 2 of 11 files failed, the first: " in errors
    assert {f"{number}.parquet" for number in range(FILES) if number != 3} == _outputs(project).keys()
    before = _outputs(project)
    output, errors = _score(start, local, project, "--skip-bad", project / "skipped").communicate(
        timeout=TIMEOUT_SECONDS
    )
    result = json.loads(output)
    assert (len(EXPECTED_KEYS) + ROWS - 1, 1) == (result["scored"], result["broken"]), errors
    assert before == {name: _outputs(project)[name] for name in before}
    assert ["bad-299"] == pq.read_table(project / "skipped/bad.parquet")["key"].to_pylist()


@pytest.fixture
def job(toy, project, model_dir, monkeypatch):
    """Return a job for a file of the folder with the columns of `Row`."""
    table = pq.read_table(project / "in/0.parquet")
    pq.write_table(table.rename_columns([*table.column_names[:-1], "weight"]), project / "in/0.parquet")
    for module in (task, sys.modules["slipway.score.one_file"]):
        monkeypatch.setattr(module, "problem", toy)
    monkeypatch.setattr(task, "LOCK_INTERVAL_SECONDS", 0)
    model, limits = VerifiedModel(model_dir, "v1.2.3"), ScoreSection(chunk_rows=100, threads=1)
    return task.FileJob(project / "in/0.parquet", project / "out/0.parquet", None, model, limits, {})


def test_a_file_that_another_worker_completes_is_not_scored_twice(job, monkeypatch):
    calls = []

    def score_twice(*arguments):
        calls.append(arguments)
        if len(calls) == 1:  # another worker holds the lock, and completes the file before it ends
            score_file(*arguments)
            raise BusyError("locked")
        return score_file(*arguments)

    score_file = task.score_file
    monkeypatch.setattr(task, "score_file", score_twice)
    assert task.FileOutcome(ROWS, 0, ROWS) == task.run(job)
    assert 1 == len(calls)


def test_a_locked_file_is_busy(job):
    with Checkpoints.of(job.target, {}), pytest.raises(BusyError):
        task.score_file(job.source, job.target, job.model, None, job.limits, {})


@pytest.mark.parametrize("change", ["file", "model", "release", "code"])
def test_an_output_of_other_inputs_is_scored_again(job, tmp_path, change):
    assert 0 == task.run(job).resumed
    assert ROWS == task.run(job).resumed
    inputs = task._inputs(job)
    fields = dict(vars(job))
    if change == "file":
        pq.write_table(pq.read_table(job.source).slice(1), job.source)
    if change == "code":
        fields["code"] = {"problem": "other"}
    if change == "release":
        fields["model"] = VerifiedModel(job.model.folder, "v1.2.4")
    if change == "model":
        copy = tmp_path / "model"
        copy.mkdir()
        for file in job.model.folder.iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        (copy / "notes").write_text("other")
        fields["model"] = VerifiedModel(copy, "v1.2.3")
    assert inputs != task._inputs(task.FileJob(**fields))
    assert task._complete(job, task._inputs(task.FileJob(**fields))) is None


def test_a_worker_with_other_code_ends_the_run_in_one_line(job):
    other = task.FileJob(**vars(job) | {"code": task.code() | {"numpy": "1.0"}})
    with pytest.raises(task.OtherCodeError, match=r" has numpy [\d.]+, not 1\.0$") as raised:
        task.run(other)
    with pytest.raises(ToolError, match=r"a worker cannot be used: .* install the same commit and packages on it"):
        folder._failure("in/0.parquet", raised.value)


@pytest.mark.parametrize(
    ("names", "target", "error", "complaint"),
    [
        ([], "out", MissingFileError, "in: has no files"),
        (["a.csv"], "in/out", ArgumentError, "in/out: is in .*in; choose a folder outside"),
        (["a.csv", "a.csv.parquet"], "out", ArgumentError, "rename one"),
        (["a.csv"], "file", ArgumentError, "file: is a file"),
    ],
)
def test_a_folder_that_cannot_be_scored_is_refused_in_one_line(tmp_path, names, target, error, complaint):
    (tmp_path / "in/.hidden").mkdir(parents=True)
    for path in [*(f"in/{name}" for name in names), "in/_SUCCESS", "in/.hidden/b.csv", "file"]:
        (tmp_path / path).touch()
    with pytest.raises(error, match=complaint):
        folder._outputs(tmp_path / "in", tmp_path / target, None)


def test_a_task_that_waited_for_a_dead_worker_is_repeated_alone(monkeypatch):
    submitted = []

    class Future:
        def __init__(self, job: str, error: Exception | None) -> None:
            self.job, self.error = job, error

        def exception(self) -> Exception | None:
            return self.error

        def result(self) -> str:
            return f"{self.job} scored"

    class Client:
        loop = None

        def submit(self, _, job: str, **__) -> Future:
            submitted.append(job)
            blamed = job == "fatal" or (job == "waited" and submitted.count(job) == 1)
            return Future(job, cluster.distributed.KilledWorker(job, None, 3) if blamed else None)

    monkeypatch.setattr(cluster.distributed, "as_completed", lambda futures, **_: futures)
    jobs = {"fatal": "fatal", "waited": "waited", "other": "other"}
    ended = dict(cluster.outcomes(Client(), task.run, jobs))
    assert (["fatal", "waited", "other", "fatal", "waited"], "waited scored") == (submitted, ended["waited"])
    assert ["fatal"] == [name for name, outcome in ended.items() if cluster.died(outcome)]


@pytest.mark.parametrize("error", [cluster.distributed.CancelledError("lost"), CommClosedError("closed")])
def test_a_scheduler_that_is_lost_before_it_passes_a_result_on_is_one_line(monkeypatch, error):
    future = mock.Mock(**{"exception.return_value": None, "result.side_effect": error})
    monkeypatch.setattr(cluster.distributed, "as_completed", lambda futures, **_: futures)
    client = mock.Mock(**{"submit.return_value": future})
    with pytest.raises(ToolError, match="the Dask scheduler is lost; start it"):
        list(cluster.outcomes(client, task.run, {"a": "a"}))


def test_workers_keep_arrays_on_the_heap_which_the_settings_of_dask_prevent():
    with cluster.connected(None, 1) as client:
        (environment,) = client.run(lambda: dict(os.environ)).values()
    assert str(2**25) == environment["MALLOC_MMAP_THRESHOLD_"]
    assert "MALLOC_TRIM_THRESHOLD_" in environment
