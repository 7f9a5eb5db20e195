"""Machines search one study in PostgreSQL: no trial counts twice, and one repeats what a killed one was running.

The server of Debian's package listens on loopback, with its data in a folder of the test.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from sqlalchemy import make_url, text

from slipway.tune.storage import open_storage
from slipway.tune.study import DONE, KILLED, SEARCHER, SURPLUS, SharedStudy
from tests import searches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from optuna import Study
    from optuna.storages import RDBStorage

USER, PASSWORD = "tuner", "secret"
TRIALS, RESUMED_TRIALS, CLAIMS = 6, 4, 8
TIMEOUT_SECONDS = 240


@pytest.fixture(scope="module")
def database(tool: Callable[[str], str]) -> Iterator[str]:
    """Yield the URL of a database; the server runs as the user `postgres` for root, whom it rejects."""
    server = Path(tool("PostgreSQL")).resolve()
    user = server.name if os.geteuid() == 0 else None  # the account that Debian's package creates
    with tempfile.TemporaryDirectory(prefix="slipway-postgresql-") as name:
        folder, data = Path(name), Path(name, "data")
        (folder / "password").write_text(PASSWORD)
        if user:
            for path in (folder, folder / "password"):
                shutil.chown(path, user)
        options = [f"--username={USER}", f"--pwfile={folder}/password", "--auth=scram-sha-256", "--no-sync"]
        create = [server.with_name("initdb"), f"--pgdata={data}", *options, "--encoding=UTF8", "--no-locale"]
        subprocess.run(create, user=user, cwd=folder, check=True, capture_output=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [server, "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, user=user, cwd=folder, stdout=log, stderr=log)
        try:
            _wait_until_ready(process, folder / "log")
            yield f"postgresql+pg8000://{USER}:{PASSWORD}@127.0.0.1:{port}/template1"
        finally:
            process.send_signal(signal.SIGINT)  # ends its connections
            process.wait(searches.TIMEOUT_SECONDS)


def _wait_until_ready(process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + searches.TIMEOUT_SECONDS
    while "ready to accept connections" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@contextmanager
def _opened(url: str) -> Iterator[RDBStorage]:
    """Yield the storage at `url`, and close its connections."""
    storage = open_storage(url)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def test_two_machines_search_one_study_and_one_repeats_what_the_killed_one_was_running(database, tmp_path):
    machines = [tmp_path / "first", tmp_path / "second"]
    for machine in machines:
        searches.prepare(machine, trials=TRIALS, processes=1, folds=2, lost_seconds=3)
    environment = {"SLIPWAY_TUNE_STORAGE": database}
    killed = searches.start(machines[0], env=environment)
    assert killed.stderr.readline().startswith("tune: 1/")
    other = searches.start(machines[1], "--json", env=environment)
    with _opened(database) as storage:
        family = searches.kill_in_a_trial(killed, storage, searches.searcher(storage))
        output, errors = other.communicate(timeout=TIMEOUT_SECONDS)
        study = searches.stored(storage)
        trials, attributes = study.trials, study.user_attrs
    assert PASSWORD not in output + errors
    _, alive = psutil.wait_procs(family, timeout=searches.TIMEOUT_SECONDS)
    assert [] == alive

    counted = json.loads(output)["evidence"]["trials"]
    assert (TRIALS, True, True) == (counted["tried"], counted["resumed"] >= 1, counted["killed"] >= 1), errors
    lost = [trial for trial in trials if f"{KILLED}:{trial.number}" in attributes]
    surplus = [trial for trial in trials if f"{SURPLUS}:{trial.number}" in attributes]
    done = [trial for trial in trials if trial.state in DONE and trial not in lost + surplus]
    assert TRIALS == len(done)
    assert 2 == len({trial.user_attrs[SEARCHER] for trial in done})
    fixed = [trial.system_attrs["fixed_params"] for trial in done if "fixed_params" in trial.system_attrs]
    current = {"model.max_iter": 5}
    assert sorted(map(str, [current, *(trial.params for trial in lost if trial.params)])) == sorted(map(str, fixed))


def test_a_killed_search_that_starts_again_continues_where_it_was_killed(database, tmp_path):
    url = _new_database(database, "again")
    machine = searches.prepare(tmp_path / "machine", trials=RESUMED_TRIALS, processes=1, folds=2, lost_seconds=1)
    with _opened(url) as storage:
        process = searches.start(machine, env={"SLIPWAY_TUNE_STORAGE": url})
        psutil.wait_procs(searches.kill_in_a_trial(process, storage, searches.searcher(storage)))
        before = _counted(searches.stored(storage))
        again = searches.start(machine, "--json", env={"SLIPWAY_TUNE_STORAGE": url})
        output, errors = again.communicate(timeout=TIMEOUT_SECONDS)
        after = _counted(searches.stored(storage))
    trials = json.loads(output)["evidence"]["trials"]
    assert (RESUMED_TRIALS, len(before), 1) == (trials["tried"], trials["resumed"], trials["killed"]), errors
    assert before.items() <= after.items()
    assert RESUMED_TRIALS == len(after)


def _new_database(server: str, name: str) -> str:
    """Create an empty database on the server of the URL `server`, and return its URL."""
    with _opened(server) as storage, storage.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(
            text(f"CREATE DATABASE {name} TEMPLATE template0")
        )
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _counted(study: Study) -> dict[int, float | None]:
    """Return the values of the complete trials by number, without those that were killed or are surplus."""
    excluded = study.user_attrs
    return {
        trial.number: trial.value
        for trial in study.trials
        if trial.state in DONE and not {f"{KILLED}:{trial.number}", f"{SURPLUS}:{trial.number}"} & excluded.keys()
    }


def test_two_machines_that_claim_at_the_same_time_have_each_trial_once(database):
    url = _new_database(database, "claims")  # without tables, which both create

    def claim_all() -> list[int]:
        with _opened(url) as storage:
            study, numbers = SharedStudy(storage, "claims", 1, None, 60), []
            while trial := study.claim(CLAIMS):
                numbers.append(trial.number)
                study.study.tell(trial, 0.0)
            return numbers

    with ThreadPoolExecutor(2) as pool:
        first, second = (claims.result() for claims in [pool.submit(claim_all), pool.submit(claim_all)])
    assert CLAIMS == len({*first, *second}) == len(first) + len(second)
