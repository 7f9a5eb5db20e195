"""The full loop of `slipway demo --exit`, with the shipped workflow files.

To test recovery from killed demos too: DEMO_KILLS=20 pytest tests/workflows/test_demo.py -k killed -s
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from slipway import results
from slipway.github.checked_run import CHECKS
from slipway.local import act, client, repository
from slipway.local.home import Home, homes, processes

COMMAND = [str(Path(sys.executable).parent / "slipway"), "demo", "--exit", "--folder"]
DEMOS = Path(".demo/tests")  # outside the temporary folder, so that the next run reuses the bytecode
TIMEOUT_SECONDS = 1200  # a demo takes a third of that on two idle cores
KILLS = int(os.environ.get("DEMO_KILLS", "0"))
KILLS_PER_PHASE = 3  # further kills hit the first two phases, which a demo reaches early
SEED = 3
STATES = ("before", "after")  # of the merge
DEPLOYMENT = ("build", "image", "staging", "production", "report")
PHASES = (
    "throwaway repository",
    "first deployment of main",
    "pull request: other parameters",
    "merge and deployment",
    "pull request: broken data",
)
FILES = [checks.file for checks in CHECKS]
CLEANUP_SECONDS = 5  # for removing killed demos, before the first phase

pytestmark = pytest.mark.timeout(TIMEOUT_SECONDS + 60)


class FinishedDemo:
    """The output, the home and the summary of a finished demo."""

    def __init__(self, done: subprocess.CompletedProcess[str], home: Home) -> None:
        self.done = done
        self.home = home
        self.summary: dict[str, Any] = json.loads(home.summary.read_text(encoding="utf-8"))

    def jobs(self, run: int) -> dict[str, str]:
        return {name: job["result"] for name, job in self.summary["runs"][run]["jobs"].items()}

    def when(self, text: str) -> float:
        """Return the seconds since the start at which the first line with `text` was printed."""
        line = next(line for line in self.done.stdout.splitlines() if text in line)
        return float(line.split()[0])

    def committed(self, revision: str, path: str) -> dict[str, Any]:
        return yaml.safe_load(self.text(revision, path))

    def text(self, revision: str, path: str) -> str:
        command = ["git", "-C", str(self.home.root / "origin.git"), "show", f"{revision}:{path}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="session")
def temporary(tmp_path_factory) -> Path:
    """The TMPDIR of the demos."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="session")
def demo(temporary) -> FinishedDemo:
    return _run_demo(temporary)


def _run_demo(temporary: Path) -> FinishedDemo:
    before = set(homes(DEMOS))
    env = _environment(temporary)
    done = subprocess.run(
        [*COMMAND, DEMOS], env=env, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    assert 0 == done.returncode, done.stdout[-5000:] + done.stderr
    (home,) = set(homes(DEMOS)) - before
    return FinishedDemo(done, home)


def _environment(temporary: Path) -> dict[str, str]:
    """Return the environment of a demo, with a `nice` that changes no priority.

    A demo runs its tests with a lower one. Next to the other workers these would get a tenth of a processor.
    """
    program = temporary.with_name(f"{temporary.name}-programs") / "nice"
    program.parent.mkdir(exist_ok=True)
    program.write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"TMPDIR": str(temporary), "PATH": path}


def test_summary_has_the_duration_of_every_phase(demo):
    assert list(PHASES) == [phase["name"] for phase in demo.summary["phases"] if phase["seconds"] > 0]


def test_first_deployment_succeeds(demo):
    assert dict.fromkeys(DEPLOYMENT, "success") == demo.jobs(0)


def test_every_job_of_the_good_pull_request_succeeds(demo):
    assert {"success"} == {*demo.jobs(1).values(), *demo.jobs(2).values()}


def test_merge_is_deployed(demo):
    assert dict.fromkeys(DEPLOYMENT, "success") == demo.jobs(3)


def test_the_deployment_of_the_merge_is_reported_and_kept_with_its_release(demo):
    version = demo.summary["after"]["release"]["version"]
    kept = {file.name.rsplit("-", 1)[0]: file for file in (demo.home.store / f"{version}.evidence").glob("*.md")}
    report = kept["deployment"].read_text(encoding="utf-8")
    assert report.startswith(f"# ✅ Deployed: production runs {version}\n")


def test_the_image_of_the_merge_is_in_the_manifests_of_production(demo):
    if demo.summary["images"].startswith(("oci:", "none")):
        pytest.skip("this machine has no registry of images")
    content = demo.committed("deploy", "environments/production.yaml")
    assert content["image"].startswith(f"{demo.summary['images']}@sha256:")
    manifests = yaml.safe_load_all(demo.text("deploy", "environments/production/kubernetes.yaml"))
    named = {document["metadata"]["name"]: document for document in manifests if document["kind"] == "Deployment"}
    assert content["image"] in str(named)


def test_the_load_test_is_kept_with_the_release_as_json_and_html(demo):
    version = demo.summary["after"]["release"]["version"]
    kept = (demo.home.store / f"{version}.evidence").glob("staging-loadtest-*")
    assert [".html", ".json"] == sorted(file.suffix for file in kept)


def test_the_release_names_the_champion_that_it_was_compared_with(demo):
    versions = (demo.summary[when]["release"]["version"] for when in ("before", "after"))
    before, manifest = next(versions), demo.home.store / next(versions) / "manifest.json"
    assert before == json.loads(manifest.read_text(encoding="utf-8"))["champion"]["version"]


def test_production_runs_the_old_release_before_the_merge_and_the_new_one_after(demo):
    before, after = (demo.summary[when]["release"]["version"] for when in ("before", "after"))
    assert before != after
    assert [{before: 20}, {after: 20}] == [demo.summary[when]["releases"] for when in ("before", "after")]


def test_new_release_is_made_of_the_merge(demo):
    assert demo.summary["merged"] == demo.summary["after"]["release"]["commit"]


def test_model_and_data_of_the_release_are_those_of_the_merged_lock_file(demo):
    lock = demo.committed(demo.summary["merged"], "dvc.lock")["stages"]
    (model,) = (out["md5"] for out in lock["export"]["outs"] if out["path"] == "model")
    (data,) = (dep["md5"] for dep in lock["prepare"]["deps"] if dep["path"] == "data")
    release = demo.summary["after"]["release"]
    assert (model, data) == (release["model"], release["data"])


def test_desired_state_of_production_is_the_running_release(demo):
    desired = demo.committed("deploy", "environments/production.yaml")
    assert demo.summary["after"]["release"]["version"] in yaml.safe_dump(desired)


def test_no_request_fails_while_the_merge_is_deployed(demo):
    assert [] == demo.summary["during"]["failures"]


def test_both_releases_answer_while_the_merge_is_deployed(demo):
    versions = {demo.summary[when]["release"]["version"] for when in ("before", "after")}
    assert versions == set(demo.summary["during"]["releases"])


def test_report_states_that_the_good_pull_request_is_ready(demo):
    first = Path(demo.summary["report"]["markdown"]).read_text(encoding="utf-8").splitlines()[0]
    assert "Ready to merge" in first


def test_report_exists_as_html(demo):
    assert Path(demo.summary["report"]["html"]).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_report_is_printed(demo):
    assert "Ready to merge" in demo.done.stdout


def test_broken_data_fails_its_job_and_trains_nothing(demo):
    jobs = demo.jobs(4)
    assert ("failure", "skipped", "failure") == (jobs["data"], jobs["train"], jobs["required"])


def test_only_jobs_that_fail_have_a_step_that_failed(demo):
    """A step under `continue-on-error` is printed as skipped, with its reason."""
    failed = {line.split("FAILED")[0].split()[-1] for line in demo.done.stdout.splitlines() if " FAILED " in line}
    ended = {name for run in demo.summary["runs"] for name, job in run["jobs"].items() if job["result"] == "failure"}
    assert {"data", "required"} <= failed <= ended


def test_broken_data_is_reported_while_the_tests_still_run(demo):
    reported, tested = (f"report after {name}: ❌ Blocked: data contract" for name in FILES)
    assert demo.when(reported) < demo.when(tested)


def test_report_on_broken_data_states_the_reason(demo):
    assert "success" == demo.jobs(4)["report"]
    assert "Blocked" in demo.summary["blocked"]["reason"][0]
    assert "data contract" in "\n".join(demo.summary["blocked"]["reason"])


@pytest.fixture(scope="session")
def rolled_back(demo) -> tuple[act.WorkflowRun, str]:
    """A run of rollback.yaml after the demo, with a new production agent, and the version that production runs then."""
    home, env = demo.home, demo.home.environment()
    command = ["uv", "run", "--frozen", "slipway", "agent", "--environment", "production", "--detach"]
    home.temporary.mkdir()
    try:
        started = repository.run(command, home.root / "machine", env)
        url = started.splitlines()[-1].removeprefix("production: ")
        tree = repository.Repository(home.root, env).checkout(home.root / "trees" / "rollback", "refs/heads/main")
        event = act.GitHubEvent("workflow_dispatch", {"ref": "refs/heads/main", "inputs": {}})
        variables = {"PRODUCTION_URL": url, "SLIPWAY_STORE": env["SLIPWAY_STORE"]}
        folder = home.root / "runs" / "rollback"
        finished = act.run("rollback.yaml", tree, event, folder, env=env, variables=variables, log=print)
        return finished, client.release(url)["version"]
    finally:
        home.stop()


def test_rollback_restores_the_previous_release(demo, rolled_back):
    finished, version = rolled_back
    assert "success" == finished.jobs["rollback"].result, (finished.folder / "rollback.log").read_text()
    assert demo.summary["before"]["release"]["version"] == version


def test_rollback_trains_and_builds_nothing(rolled_back):
    assert [] == [step for step in rolled_back[0].jobs["rollback"].steps if "train" in step or "build" in step]


def test_nothing_is_left_running(demo):
    assert [] == processes(demo.home)


def test_output_has_the_path_of_the_report(demo):
    assert demo.summary["report"]["html"] in demo.done.stdout


def _outcome(demo: FinishedDemo) -> dict[str, Any]:
    """Return what two demos must have in common: jobs, verdicts, releases and reports, but no commits and times."""
    summary = demo.summary
    artifacts = sorted(demo.home.root.glob("runs/*/artifacts/results-*"))
    return {
        "phases": [phase["name"] for phase in summary["phases"]],
        "jobs": [demo.jobs(run) for run in range(len(summary["runs"]))],
        "verdicts": {
            str(folder.relative_to(demo.home.root)): {
                job: [(verdict.gate, verdict.outcome) for verdict in result.verdicts]
                for job, result in results.read(folder).items()
            }
            for folder in artifacts
        },
        "releases": [[summary[state]["release"][name] for name in ("version", "data", "model")] for state in STATES],
        "answers": [summary[state]["releases"] for state in STATES],
        "meanwhile": (sorted(summary["during"]["releases"]), summary["during"]["failures"]),
        "report": Path(summary["report"]["markdown"]).read_text(encoding="utf-8").splitlines()[0],
        "blocked": summary["blocked"]["reason"],
    }


def _kill(phase: int, seconds: float, temporary: Path) -> str:
    """Start a demo, and send SIGKILL to it alone `seconds` after the start of `phase`. Its children keep running.

    Return its exit code and duration as text.
    """
    begins, start = (PHASES[phase] if phase else "Slipway demo").lower(), time.monotonic()
    env = _environment(temporary)
    with subprocess.Popen(
        [*COMMAND, DEMOS], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.lower().startswith(begins):
                break
        assert process.poll() is None, "".join(lines)
        time.sleep(seconds)
        process.kill()
    return f"exit code {process.returncode} after {time.monotonic() - start:5.1f} s"


@pytest.mark.skipif(not KILLS, reason="DEMO_KILLS is not set; a kill takes minutes")
@pytest.mark.timeout((KILLS + 2) * TIMEOUT_SECONDS)
def test_next_demo_recovers_from_killed_ones(demo, temporary):
    clean, left = _outcome(demo), sorted(temporary.iterdir())
    lasts, draw, killed = [phase["seconds"] for phase in demo.summary["phases"]], random.Random(SEED), set()
    print(f"\nclean: {demo.summary['seconds']} s, by phase {lasts}; in the temporary folder: {left}", flush=True)
    for kill in range(KILLS):
        phase = kill % len(PHASES) if kill < KILLS_PER_PHASE * len(PHASES) else kill % 2
        moment = draw.uniform(0, lasts[phase] + (0 if phase else CLEANUP_SECONDS))
        ended = _kill(phase, moment, temporary)
        killed |= set(homes(DEMOS))
        running = sum(len(processes(home)) for home in killed)
        print(
            f"{kill + 1:2}: {ended}, {moment:4.1f} s into {PHASES[phase]!r}; {running} processes keep running",
            flush=True,
        )
    last = _run_demo(temporary)
    killed -= {last.home}
    print(f"last: {last.summary['seconds']} s, by phase {[phase['seconds'] for phase in last.summary['phases']]}")
    assert clean == _outcome(last)
    assert [] == [home for home in killed | {last.home} if processes(home)]
    assert [] == [home for home in killed if home.root.exists()]
    assert left == sorted(temporary.iterdir())
