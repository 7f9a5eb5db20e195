"""The verb `train`: fetch the data, run what is stale in dvc.yaml, and record who ran what on what."""

from __future__ import annotations

import csv
import getpass
import os
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

import problem
from slipway.errors import UserError
from slipway.files import read_json
from slipway.gates import model as gates
from slipway.pipeline import cache
from slipway.results import recorded
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = Path("dvc.lock")
LOSS = Path("metrics/loss.csv")
LAST_STAGE = "evaluate"
ENVIRONMENT = {"DVC_NO_ANALYTICS": "1"}


def train() -> None:
    """Bring the model up to date, and write results/train.json: the gates on the model alone, and the run's metadata.

    Raises UserError when the lock file is broken, the data cannot be had, a stage fails, or a gate does not pass.
    """
    with recorded("train") as result:
        before = _locked_stages()
        for path in cache.drop_poisoned():
            print(f"{path}: its content is not what its name says; removed", flush=True)
        _dvc("pull", "--force", *(str(path) for path in Path().glob("?*.dvc")))
        stages = dict(_reproduce())
        result.evidence = {
            "stages": stages,
            "stale": sorted(_changed(before, _locked_stages())),
            **_origin(),
            "metrics": _metrics(),
            "loss": _loss(),
        }
        result.verdicts = [
            gates.parity(_metrics().get("export", {}), read_params()["export"]["parity_tolerance"]),
            gates.floor(_metrics().get("evaluate", {}), read_params()["gates"], problem.TASK),
        ]
    result.require()


def _locked_stages() -> dict[str, Any]:
    """Stages in dvc.lock. A missing file has none; a broken one is for the user to mend."""
    if not LOCK.exists():
        return {}
    try:
        return yaml.safe_load(LOCK.read_text(encoding="utf-8"))["stages"]
    except (yaml.YAMLError, TypeError, KeyError):
        raise UserError(
            f"{LOCK}: empty, truncated or in conflict; `git checkout origin/main -- {LOCK}`, then `dvc repro`"
        ) from None


def _changed(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """Stages whose entry in dvc.lock this run had to renew."""
    return (stage for stage in after if after[stage] != before.get(stage))


def _reproduce() -> Iterator[tuple[str, float]]:
    """Run the stages, show what DVC says, and yield (stage, seconds) of each that ran."""
    stage, start = None, 0.0
    for line in _dvc_lines("repro", LAST_STAGE):
        print(line, flush=True)
        if match := re.match(r"(?:Running stage|Stage) '(\w+)'", line):
            if stage:
                yield stage, round(time.monotonic() - start, 2)
            stage, start = (match[1] if line.startswith("Running") else None), time.monotonic()
    if stage:
        yield stage, round(time.monotonic() - start, 2)


def _dvc(*arguments: str) -> None:
    for line in _dvc_lines(*arguments):
        print(line, flush=True)


def _dvc_lines(*arguments: str) -> Iterator[str]:
    """Lines that `dvc ARGUMENTS` prints, as it prints them. Raises UserError with its last word when it fails."""
    last = ""
    with subprocess.Popen(
        ["dvc", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | ENVIRONMENT
    ) as process:
        for line in process.stdout or ():
            if line.strip():
                last = line.strip()
                yield line.rstrip()
    if process.returncode:
        raise UserError(f"dvc {' '.join(arguments)}: {last}")


def _origin() -> dict[str, Any]:
    """Which code, and who ran it."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "changed_files": [line[3:] for line in _git("status", "--porcelain", "--untracked-files=no").splitlines()],
        "by": os.environ.get("GITHUB_ACTOR") or getpass.getuser(),
        "run": os.environ.get("GITHUB_RUN_ID"),
        "inputs_and_outputs": {
            name: {side: entry.get(side, []) for side in ("deps", "outs")} for name, entry in _locked_stages().items()
        },
    }


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=False).stdout.rstrip()


def _loss() -> list[dict[str, Any]]:
    if not LOSS.exists():
        return []
    with LOSS.open(encoding="utf-8", newline="") as file:
        return [{**row, "iteration": int(row["iteration"]), "loss": float(row["loss"])} for row in csv.DictReader(file)]


def _metrics() -> dict[str, Any]:
    return {path.stem: read_json(path) for path in sorted(Path("metrics").glob("*.json"))}
