"""`slipway experiment start`, `status` and `decide` as commands, with traffic of users at an agent's gateway.

The service logs each row as the real one does, ten days ago; the start of the experiment is moved before that.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from slipway.environment.assignment import side_of, unit_of
from tests import preloaded

from . import conftest

OPTIONS = ["--environment", "staging", "--name", "prices", "--header", "X-User-ID", "--percent", "50", "--days", "1"]
PLAN = ["--baseline", "0.05", "--effect", "0.9"]
USERS = 80
TIME = datetime.now(UTC) - timedelta(days=10)
"""Time of the logged rows."""
PROBLEM = """
import pandas as pd
from pydantic import BaseModel

TARGET, TASK, TIME_COLUMN, SEGMENTS, LABEL_KEY = "sold", "binary", None, (), ("request_id",)


class Row(BaseModel):
    x: float


def labels(source, since):
    return pd.read_csv(source / "sales.csv")
"""
LOGGED = """
import os
logs = pathlib.Path(os.environ["SLIPWAY_PREDICTIONS"])
logs.mkdir(parents=True, exist_ok=True)
def log(headers, row, prediction):
    unit = headers.get("X-Slipway-Unit")
    line = {"release": release["version"], "time": "TIME", "request_id": headers["X-Request-ID"],
            "index": 0, "row": row, "prediction": prediction, **({"unit": unit} if unit else {})}
    with lock, (logs / f"predictions-{os.getpid()}.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\\n")
"""


@pytest.fixture
def service(monkeypatch):
    """Let releases log what they predict."""
    logged = LOGGED.replace("TIME", TIME.isoformat(timespec="milliseconds"))
    text = conftest.SERVICE.replace("class Handler", f"{logged}\nclass Handler")
    answer = 'self.answer(500 if fails else 200, {"release"'
    assert answer in text
    write = 'if "X-Request-ID" in self.headers:\n            log(self.headers, rows[0], predictions[0])\n        '
    monkeypatch.setattr(conftest, "SERVICE", text.replace(answer, write + answer))


def test_an_experiment_from_start_to_decision(service, project, crew, tmp_path):
    crew.timeout_seconds = 60
    crew.settings = conftest.SETTINGS.model_copy(update={"ready_seconds": 30})
    crew.replace()
    (tmp_path / "own/problem").mkdir(parents=True)
    (tmp_path / "own/problem/__init__.py").write_text(PROBLEM)
    path = os.pathsep.join([str(tmp_path / "own"), *sys.path])

    def experiment(command: str, *arguments: str, expected: int = 0) -> str:
        words = ["experiment", command, *arguments]
        done = preloaded.run(*words, cwd=project.root, env=os.environ | {"PYTHONPATH": path})
        assert expected == done.returncode, done.stdout + done.stderr
        return done.stdout + done.stderr

    project.publish("v0.1.0")
    project.promote("v0.1.0")
    project.publish("v0.2.0")
    printed = experiment("start", *OPTIONS, "--release", "v0.2.0", *PLAN)
    assert "staging: experiment prices runs; it needs " in printed
    needed = int(printed.split(" users ")[0].rsplit(" ", 1)[-1])
    assert needed * 2 < USERS
    state = project.desired_state()
    current = state.read()
    started = (TIME - timedelta(days=1)).isoformat()
    earlier = current.model_copy(update={"experiment": current.experiment.model_copy(update={"started": started})})
    state.change(earlier, "Start the experiment earlier\n", number=None)

    crew.settle()
    crew.until(lambda: _roles(crew) >= {"treatment", "assigner"})
    crew.settle()
    salt, sales = current.experiment.salt, ["request_id,sold"]
    for number in range(USERS):
        user = f"user {number}"
        headers = {"X-User-ID": user, "X-Request-ID": f"r{number}"}
        assert 200 == httpx.post(f"{crew.agent.url}/predict", json={"x": 1.0}, headers=headers).status_code
        sales.append(f"r{number},{int(side_of(unit_of(salt, user), 50) == 'treatment')}")

    (project.root / "data").mkdir(exist_ok=True)
    (project.root / "data/sales.csv").write_text("request_id,sold\n")
    where = ["--environment", "staging"]
    assert f"0 of {needed}" in experiment("status", *where).replace(",", "")
    refused = experiment("decide", *where, expected=2)
    assert "it is not decided earlier" in refused
    (project.root / "data/sales.csv").write_text("\n".join(sales) + "\n")
    experiment("status", *where)
    decided = experiment("decide", *where)
    assert "slipway promote" in decided
    newest = project.desired_state().history(1)[0]
    assert "End experiment prices in staging" == newest.subject
    assert None is project.desired_state().read().experiment
    assert (project.root / "results/experiment.json").is_file()
    crew.settle()
    assert {"main"} == _roles(crew)


def _roles(crew) -> set[str]:
    return {instance.role for instance in crew.agent.state.instances if instance.phase == "ready"}
