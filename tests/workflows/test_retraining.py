"""The command `retrain` turns new data of a toy problem into a proposal, with real DVC, data checks and stages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from slipway.local import push_rule
from tests import preloaded

ROOT = Path(__file__).parents[2]
PROBLEM = ROOT / "tests/problems/toy_stream/problem"
DRIVER = """
import sys
from slipway import cli
from slipway.pull_request import compare
from slipway.environment.deploy_branch import DeployBranch
from slipway.environment.desired_state import DesiredState
DeployBranch.fetch = lambda _: None
DesiredState.read = lambda *_: {production}
compare.fetch_released = lambda *_: None
sys.argv[0] = "slipway"
cli.main()
"""
CONFIG = "[core]\n    remote = embedded\n['remote \"embedded\"']\n    url = ../.dvcstore\n"


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True).stdout.strip()


class Fork:
    """A repository with twelve days of data and no trained model."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__", "problem"))
        shutil.copytree(PROBLEM, root / "src/problem", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("dvc.yaml", ".dvcignore", "pyproject.toml", "uv.lock"):
            shutil.copy(ROOT / name, root)
        (root / ".gitignore").write_text((ROOT / ".gitignore").read_text() + "/source\n/origin.git\n.venv-checks\n")
        (root / ".venv-checks").symlink_to(ROOT / ".venv-checks")
        (root / ".dvc").mkdir()
        (root / ".dvc/config").write_text(CONFIG)
        (root / ".dvc/.gitignore").write_text("/cache\n/tmp\n/config.local\n")
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        params["split"], params["model"] = {"test_days": 4}, {"max_iter": 20}
        params["gates"] |= {"primary": "roc_auc", "floor": 0.62, "margin": 0.01, "segment_margin": 0.05}
        params["gates"] |= {"resamples": 200, "calibration": 0.12, "baseline_margin": 0}
        (root / "params.yaml").write_text(yaml.safe_dump(params))
        for name in ("data", "source"):
            (root / name).mkdir()
        for day in range(12):
            self.write("data", day)
        git(root, "init", "--quiet", "--initial-branch=main")
        self.tool("dvc", "add", "data").check_returncode()
        self.tool("dvc", "push").check_returncode()
        git(root, "init", "--quiet", "--bare", "--initial-branch=main", "origin.git")
        push_rule.install(root / "origin.git")
        git(root, "remote", "add", "origin", str(root / "origin.git"))
        self.commit()

    def write(self, folder: str, day: int, warmest: float = 10) -> None:
        random = np.random.default_rng(day)
        time = pd.Timestamp("2026-01-01") + pd.Timedelta(days=day) + pd.to_timedelta(np.sort(random.random(400)), "D")
        warmth = random.normal(0, 2, 400).clip(-10, 10)
        warmth[0] = warmest
        fails = (random.random(400) < 1 / (1 + np.exp(-2 * warmth.clip(-10, 10)))).astype(int)
        rows = {"time": time, "warmth": warmth, "line": random.choice(["a", "b"], 400), "fails": fails}
        pd.DataFrame(rows).to_csv(self.root / folder / f"{day:03}.csv", index=False)

    def commit(self) -> None:
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "--message", "All")
        git(self.root, "push", "--quiet", "origin", "main")

    def tool(self, *command: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        own = {"PATH": path, "PYTHONPATH": str(self.root / "src"), "DVC_NO_ANALYTICS": "1", "UV_NO_SYNC": "1"}
        env = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "GH_", "SLIPWAY_"))}
        variables = preloaded.first_on_path(env | own)
        return subprocess.run(command, cwd=self.root, env=variables, capture_output=True, text=True, check=False)

    def retrain(self, *options: str, production: str = "object()") -> subprocess.CompletedProcess[str]:
        return self.tool("python", "-c", DRIVER.format(production=production), "retrain", *options)

    @property
    def evidence(self) -> dict:
        return json.loads((self.root / "results/retrain.json").read_text())["evidence"]


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for role in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{role}_NAME", "Ada")
            patch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
        yield Fork(tmp_path_factory.mktemp("fork"))


@pytest.fixture(scope="module")
def retrained(fork):
    """Retrain after a new valid day and a further invalid one, which the limit on batches leaves out."""
    fork.write("source", 12)
    fork.write("source", 13, warmest=999)
    return fork.retrain("--trigger", "schedule")


def test_new_data_is_added_validated_and_trained_on(fork, retrained):
    assert 0 == retrained.returncode, retrained.stderr
    evidence = fork.evidence
    assert (True, ["012.csv"], "new data") == (evidence["proposal"], evidence["files"], evidence["trigger"])
    assert {"train", "compare"} == set(evidence["outcomes"])
    assert "retrained on 012.csv; `slipway propose` opens the pull request" in retrained.stdout


def test_the_proposal_contains_the_data_and_its_results(fork, retrained):
    changes = fork.evidence["changes"]
    assert {"data.dvc", "dvc.lock", "metrics/data.json", "metrics/evaluate.json"} <= set(changes)
    assert all(path.startswith(("data.dvc", "dvc.lock", "metrics/", ".dvcstore/")) for path in changes)
    day = (fork.root / "source/012.csv").read_bytes()
    stored = [(fork.root / "build/proposal" / path).read_bytes() for path in changes if path.startswith(".dvcstore/")]
    assert day in stored


def test_nothing_is_pushed(fork, retrained):
    assert ["refs/heads/main"] == git(fork.root, "for-each-ref", "--format=%(refname)", "refs/heads").splitlines()
    assert git(fork.root, "rev-parse", "HEAD") == git(fork.root / "origin.git", "rev-parse", "main")


def test_an_uncommitted_change_is_rejected_in_one_line(fork, retrained):
    done = fork.retrain()
    assert (2, 1) == (done.returncode, len(done.stderr.splitlines()))
    assert "has uncommitted changes" in done.stderr


def test_invalid_data_is_rejected_before_training(fork, retrained):
    fork.commit()
    done = fork.retrain()
    assert 2 == done.returncode
    assert "013.csv" in done.stderr
    assert "data contract fail" in done.stderr.splitlines()[-1]
    assert not fork.evidence["proposal"]
    assert "train" not in done.stdout.splitlines()[-1]
    git(fork.root, "checkout", "--quiet", ".")
    shutil.rmtree(fork.root / "data")
    (fork.root / "source/013.csv").unlink()


def test_without_new_data_no_model_is_trained(fork, retrained):
    done = fork.retrain("--trigger", "drift", "--because", "warmth has moved")
    assert (0, False) == (done.returncode, fork.evidence["proposal"])
    assert "problem.next_batch has no new data; training on the same rows would reproduce the same model" in done.stdout


@pytest.mark.parametrize(
    ("options", "production", "code", "message"),
    [
        ([], "None", 0, "nothing is in production yet, so there is no model to retrain; merge to main"),
        (["--trigger", "whim"], "object()", 2, "--trigger whim: not a trigger; use one of demand, schedule"),
    ],
)
def test_a_retraining_that_cannot_start_reports_the_reason(fork, retrained, options, production, code, message):
    done = fork.retrain(*options, production=production)
    assert code == done.returncode
    assert message in done.stdout + done.stderr
