"""The steps of the shipped workflows work in a private repository with the credentials of a job."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from slipway.agent import supervision
from slipway.agent.follower import Follower
from slipway.environment.place import Place
from tests import git_server
from tests.delivery.conftest import AGENT, git

WORKFLOWS = Path(__file__).parents[2] / ".github/workflows"
NO_CREDENTIALS = "could not read Username"


@pytest.fixture
def private(project, tmp_path, monkeypatch):
    """Yield a project whose origin requires a password, with a workspace like that of actions/checkout v7."""
    for version in ("v0.1.0", "v0.2.0"):
        project.publish(version)
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GIT_CONFIG_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", git_server.TOKEN)  # the GH_TOKEN of a server other than github.com
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    with git_server.serve(tmp_path) as address:
        params = project.root / "params.yaml"  # each poll starts git and gh
        params.write_text(params.read_text().replace(f"poll_seconds: {AGENT['poll_seconds']}", "poll_seconds: 0.5"))
        assert "poll_seconds: 0.5" in params.read_text()
        project.git("remote", "set-url", "origin", f"{address}/{project.origin.name}")
        credentials = tmp_path / "git-credentials.config"
        credentials.write_text(f'[http "{address}/"]\n    extraheader = AUTHORIZATION: {git_server.HEADER}\n')
        project.git("config", f"includeIf.gitdir:{project.root}/.git.path", str(credentials))
        yield project
        supervision.stop(Place.of("staging"), timeout_seconds=3)


def steps(workflow: str, job: str, **inputs: str) -> list[tuple[str, dict[str, str]]]:
    """Return the command and environment of each step of a job that runs a command."""
    content = yaml.safe_load((WORKFLOWS / workflow).read_text())["jobs"][job]
    context = {"github.sha": inputs.get("commit", "")}
    context |= {f"inputs.{name}": value for name, value in inputs.items()}
    return [
        (
            step["run"],
            {name: _filled(value, context) for name, value in (content.get("env", {}) | step.get("env", {})).items()},
        )
        for step in content["steps"]
        if "run" in step
    ]


def _filled(value: str, context: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: context.get(match[1], ""), value)


def call(folder: Path, command: str, env: dict[str, str]) -> None:
    script = command.replace("uv run slipway", f"{sys.executable} -m slipway.cli")
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=os.environ | path | env, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, f"{command}: {done.stdout}{done.stderr}"


def run(project, workflow: str, job: str, *commands: str, **inputs: str) -> None:
    """Run the steps of a job that call one of `commands`, in the workspace, then stop the job's agent."""
    for command, env in steps(workflow, job, **inputs):
        if command.split()[3] in commands:
            call(project.root, command, env)
    supervision.stop(Place.of("staging"), timeout_seconds=3)


def test_deployment_and_rollback_of_a_private_repository(private):
    private.promote("v0.1.0")
    run(private, "deploy.yaml", "staging", "agent", "promote", "smoke", commit=private.git("rev-parse", "HEAD"))
    assert "v0.2.0" == private.desired_state("staging").read().release
    run(private, "rollback.yaml", "rollback", "agent", "rollback", "smoke", environment="staging", version="")
    assert "v0.1.0" == private.desired_state("staging").read().release
    call(private.root, "uv run slipway status", {})


def test_a_job_without_stored_credentials_reads_the_desired_state(private, tmp_path):
    private.promote("v0.1.0")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(private.origin), str(clone))
    git(clone, "remote", "set-url", "origin", private.git("remote", "get-url", "origin"))
    (env,) = (env for command, env in steps("pull-request.yaml", "train") if "slipway compare" in command)
    call(clone, "uv run slipway release list", env)


def agent_steps() -> list[dict[str, str]]:
    jobs = [("deploy.yaml", "staging"), ("deploy.yaml", "production"), ("rollback.yaml", "rollback")]
    return [env for job in jobs for command, env in steps(*job) if "slipway agent" in command]


def test_an_agent_reaches_the_branch_only_with_the_environment_of_its_step(private, tmp_path, monkeypatch):
    remote = private.git("remote", "get-url", "origin")
    observation = Follower(tmp_path / "bare", remote, "staging").poll()
    assert not observation.reached
    assert NO_CREDENTIALS in observation.problem
    assert 3 == len(agent_steps())
    for number, env in enumerate(agent_steps()):
        with monkeypatch.context() as step:
            for name, value in env.items():
                step.setenv(name, value)
            assert Follower(tmp_path / str(number), remote, "staging").poll().reached
