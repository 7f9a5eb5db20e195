"""A search for parameters of a toy problem, in processes that tests start and kill."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
import pandas as pd
import psutil
import yaml
from optuna.trial import TrialState

from slipway.tune.study import HEARTBEAT, SEARCHER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna.storages import BaseStorage

ROOT = Path(__file__).parents[1]
PROBLEM = ROOT / "tests/problems/toy_regression"
TIMEOUT_SECONDS = 60
COMMENTED = "split: {}\nmodel:\n  max_iter: 5   # trees\n"


def prepare(folder: Path, **settings: object) -> Path:
    """Write training rows of the toy problem, without test rows, into `folder`; more trees are better there."""
    draw = np.random.default_rng(3)
    size, machine = draw.uniform(0, 100, 800), draw.choice(["small", "large"], 800)
    seconds = size * np.where(machine == "small", 2.0, 0.5)
    (folder / "build/prepared").mkdir(parents=True)
    rows = pd.DataFrame({"size": size.astype(np.float32), "machine": machine, "seconds": seconds})
    rows.to_parquet(folder / "build/prepared/train.parquet")
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())
    tune = shipped["tune"] | {"ranges": {"model.max_iter": {"low": -1, "high": 60}}} | settings
    rest = {"seed": 1, "gates": shipped["gates"] | {"primary": "rmse", "resamples": 100}, "tune": tune}
    rest = {name: section for name, section in (shipped | rest).items() if name not in {"model", "split"}}
    (folder / "params.yaml").write_text(COMMENTED + yaml.safe_dump(rest))
    return folder


def start(root: Path, *flags: str, env: Mapping[str, str] | None = None) -> subprocess.Popen:
    """Start `slipway tune` in the folder `root`."""
    return subprocess.Popen(
        [sys.executable, "-m", "slipway.cli", "tune", *flags],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(PROBLEM)} | (env or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def searcher(storage: BaseStorage) -> str:
    """Wait for the first process of the only study in `storage`, and return its name."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with suppress(KeyError, StopIteration):  # the study is being created
            names = stored(storage).user_attrs
            return next(name.partition(":")[2] for name in names if name.startswith(f"{HEARTBEAT}:"))
        time.sleep(0.05)
    raise AssertionError("no process searches")


def stored(storage: BaseStorage) -> optuna.Study:
    """Return the only study in `storage`."""
    (name,) = optuna.get_all_study_names(storage) or [""]
    return optuna.load_study(study_name=name, storage=storage)


def kill_in_a_trial(process: subprocess.Popen, storage: BaseStorage, name: str) -> list[psutil.Process]:
    """Kill the search `name` while it runs a trial and has a result; return its worker processes.

    The process is stopped while its trials are read, because a trial takes no longer than a query of the storage.
    """
    search, deadline = psutil.Process(process.pid), time.monotonic() + TIMEOUT_SECONDS
    try:
        while not _is_in_a_trial(storage, name) or not _stopped_in_a_trial(search, storage, name):
            assert time.monotonic() < deadline, stored(storage).trials
            time.sleep(0.01)
        family = search.children(recursive=True)
    finally:
        process.kill()
        process.communicate()
    return family


def _stopped_in_a_trial(search: psutil.Process, storage: BaseStorage, name: str) -> bool:
    """Stop the process; return whether it runs a trial, and let it continue if not."""
    search.suspend()
    with suppress(optuna.exceptions.StorageInternalError):  # it was stopped while it held the lock of SQLite
        if _is_in_a_trial(storage, name):
            return True
    search.resume()
    return False


def _is_in_a_trial(storage: BaseStorage, name: str) -> bool:
    states = {trial.state for trial in stored(storage).trials if trial.user_attrs.get(SEARCHER) == name}
    return {TrialState.COMPLETE, TrialState.RUNNING} <= states
