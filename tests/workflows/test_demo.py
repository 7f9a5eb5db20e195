"""The whole loop, once: `slipway demo --exit`, with the workflow files as they are shipped.

Killed demos, and one after them: DEMO_KILLS=20 pytest tests/workflows/test_demo.py -k killed -s
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
from slipway.local import act, client, repository
from slipway.local.home import Home, homes, processes

COMMAND = [str(Path(sys.executable).parent / "slipway"), "demo", "--exit", "--folder"]
DEMOS = Path(".demo/tests")  # not in a temporary folder, so that the next run finds its bytecode
LIMIT = 1200  # seconds; alone on two cores it takes a third of that
KILLS = int(os.environ.get("DEMO_KILLS", "0"))
EACH = 3  # kills in each phase; the others in the first two, which a demo reaches soon
SEED = 3
WHENS = ("before", "after")  # the merge
PHASES = (
    "throwaway repository",
    "first deployment of main",
    "pull request: other parameters",
    "merge and deployment",
    "pull request: broken data",
)
BEFORE = 5  # seconds in which a demo clears away what a killed one left, which are not of its first phase

pytestmark = pytest.mark.timeout(LIMIT + 60)


class Told:
    """What the demo printed, and what it left."""

    def __init__(self, done: subprocess.CompletedProcess[str], home: Home) -> None:
        self.done = done
        self.home = home
        self.summary: dict[str, Any] = json.loads(home.summary.read_text(encoding="utf-8"))

    def jobs(self, run: int) -> dict[str, str]:
        return {name: job["result"] for name, job in self.summary["runs"][run]["jobs"].items()}

    def committed(self, revision: str, path: str) -> dict[str, Any]:
        command = ["git", "-C", str(self.home.root / "origin.git"), "show", f"{revision}:{path}"]
        return yaml.safe_load(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.fixture(scope="session")
def temporary(tmp_path_factory) -> Path:
    """The system's temporary folder, as far as the demos know."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="session")
def told(temporary) -> Told:
    return _tell(temporary)


def _tell(temporary: Path) -> Told:
    before = set(homes(DEMOS))
    env = os.environ | {"TMPDIR": str(temporary)}
    done = subprocess.run([*COMMAND, DEMOS], env=env, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert 0 == done.returncode, done.stdout[-5000:] + done.stderr
    (home,) = set(homes(DEMOS)) - before
    return Told(done, home)


def test_every_phase_is_told_with_its_time(told):
    assert list(PHASES) == [phase["name"] for phase in told.summary["phases"] if phase["seconds"] > 0]


def test_first_deployment_succeeds(told):
    assert {"build": "success", "staging": "success", "production": "success", "report": "success"} == told.jobs(0)


def test_every_job_of_the_good_pull_request_succeeds(told):
    assert {"success"} == set(told.jobs(1).values())


def test_merge_is_deployed(told):
    assert {"build": "success", "staging": "success", "production": "success", "report": "success"} == told.jobs(2)


def test_the_deployment_of_the_merge_is_reported_and_kept_with_its_release(told):
    version = told.summary["after"]["release"]["version"]
    kept = {file.name.rsplit("-", 1)[0]: file for file in (told.home.store / f"{version}.evidence").glob("*.md")}
    report = kept["deployment"].read_text(encoding="utf-8")
    assert report.startswith(f"# ✅ Deployed: production runs {version}\n")


def test_the_load_test_is_kept_with_the_release_as_json_and_html(told):
    version = told.summary["after"]["release"]["version"]
    kept = (told.home.store / f"{version}.evidence").glob("staging-loadtest-*")
    assert [".html", ".json"] == sorted(file.suffix for file in kept)


def test_the_release_names_the_champion_that_it_was_compared_with(told):
    versions = (told.summary[when]["release"]["version"] for when in ("before", "after"))
    before, manifest = next(versions), told.home.store / next(versions) / "manifest.json"
    assert before == json.loads(manifest.read_text(encoding="utf-8"))["champion"]["version"]


def test_production_answers_with_the_new_release_after_the_merge_and_with_the_old_one_before(told):
    before, after = (told.summary[when]["release"]["version"] for when in ("before", "after"))
    assert before != after
    assert [{before: 20}, {after: 20}] == [told.summary[when]["releases"] for when in ("before", "after")]


def test_new_release_is_made_of_the_merge(told):
    assert told.summary["merged"] == told.summary["after"]["release"]["commit"]


def test_model_and_data_of_the_release_are_those_of_the_merged_lock_file(told):
    lock = told.committed(told.summary["merged"], "dvc.lock")["stages"]
    (model,) = (out["md5"] for out in lock["export"]["outs"] if out["path"] == "model")
    (data,) = (dep["md5"] for dep in lock["prepare"]["deps"] if dep["path"] == "data")
    release = told.summary["after"]["release"]
    assert (model, data) == (release["model"], release["data"])


def test_desired_state_of_production_names_the_release_that_answers(told):
    desired = told.committed("deploy", "environments/production.yaml")
    assert told.summary["after"]["release"]["version"] in yaml.safe_dump(desired)


def test_no_request_fails_while_the_merge_is_deployed(told):
    assert [] == told.summary["during"]["failures"]


def test_both_releases_answer_while_the_merge_is_deployed(told):
    versions = {told.summary[when]["release"]["version"] for when in ("before", "after")}
    assert versions == set(told.summary["during"]["releases"])


def test_report_says_that_the_good_pull_request_is_ready(told):
    first = Path(told.summary["report"]["markdown"]).read_text(encoding="utf-8").splitlines()[0]
    assert "Ready to merge" in first


def test_report_is_there_as_html(told):
    assert Path(told.summary["report"]["html"]).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_report_is_printed(told):
    assert "Ready to merge" in told.done.stdout


def test_broken_data_fails_its_job_and_trains_nothing(told):
    jobs = told.jobs(3)
    assert ("failure", "skipped", "failure") == (jobs["data"], jobs["train"], jobs["required"])


def test_only_jobs_that_fail_have_a_step_that_failed(told):
    """A step that may fail is printed as skipped, with its reason."""
    failed = {line.split("FAILED")[0].split()[-1] for line in told.done.stdout.splitlines() if " FAILED " in line}
    ended = {name for run in told.summary["runs"] for name, job in run["jobs"].items() if job["result"] == "failure"}
    assert {"data", "required"} <= failed <= ended


def test_report_on_broken_data_appears_and_says_why(told):
    assert "success" == told.jobs(3)["report"]
    assert "Blocked" in told.summary["blocked"]["reason"][0]
    assert "data contract" in "\n".join(told.summary["blocked"]["reason"])


@pytest.fixture(scope="session")
def rolled_back(told) -> tuple[act.Run, str]:
    """rollback.yaml on what the demo left, with an agent of production again; and what production answers then."""
    home, env = told.home, told.home.environment()
    command = ["uv", "run", "--frozen", "slipway", "agent", "--environment", "production", "--detach"]
    home.temporary.mkdir()
    try:
        started = repository.run(command, home.root / "machine", env)
        url = started.splitlines()[-1].removeprefix("production: ")
        tree = repository.Repository(home.root, env).checkout(home.root / "trees" / "rollback", "refs/heads/main")
        event = act.Event("workflow_dispatch", {"ref": "refs/heads/main", "inputs": {}})
        variables = {"PRODUCTION_URL": url, "SLIPWAY_STORE": env["SLIPWAY_STORE"]}
        folder = home.root / "runs" / "rollback"
        finished = act.run("rollback.yaml", tree, event, folder, env=env, variables=variables, say=print)
        return finished, client.release(url)["version"]
    finally:
        home.stop()


def test_rolling_back_lets_the_release_before_answer_again(told, rolled_back):
    finished, version = rolled_back
    assert "success" == finished.jobs["rollback"].result, (finished.folder / "rollback.log").read_text()
    assert told.summary["before"]["release"]["version"] == version


def test_rolling_back_trains_and_builds_nothing(rolled_back):
    assert [] == [step for step in rolled_back[0].jobs["rollback"].steps if "train" in step or "build" in step]


def test_nothing_is_left_running(told):
    assert [] == processes(told.home)


def test_summary_says_where_the_report_is(told):
    assert told.summary["report"]["html"] in told.done.stdout


def _outcome(told: Told) -> dict[str, Any]:
    """What a demo comes to: jobs and verdicts of each run, and what answered when. Commits and times are its own."""
    summary = told.summary
    artifacts = sorted(told.home.root.glob("runs/*/artifacts/results-*"))
    return {
        "phases": [phase["name"] for phase in summary["phases"]],
        "jobs": [told.jobs(run) for run in range(len(summary["runs"]))],
        "verdicts": {
            str(folder.relative_to(told.home.root)): {
                job: [(verdict.gate, verdict.outcome) for verdict in result.verdicts]
                for job, result in results.read(folder).items()
            }
            for folder in artifacts
        },
        "releases": [[summary[when]["release"][name] for name in ("version", "data", "model")] for when in WHENS],
        "answers": [summary[when]["releases"] for when in WHENS],
        "meanwhile": (sorted(summary["during"]["releases"]), summary["during"]["failures"]),
        "report": Path(summary["report"]["markdown"]).read_text(encoding="utf-8").splitlines()[0],
        "blocked": summary["blocked"]["reason"],
    }


def _kill(phase: int, seconds: float, temporary: Path) -> str:
    """Start a demo, and SIGKILL it alone, `seconds` after the beginning of `phase`: what it started goes on.

    Returns how it ended, and after how long.
    """
    begins, start = (PHASES[phase] if phase else "Slipway demo").lower(), time.monotonic()
    env = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(
        [*COMMAND, DEMOS], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        said = []
        for line in process.stdout:
            said.append(line)
            if line.lower().startswith(begins):
                break
        assert process.poll() is None, "".join(said)
        time.sleep(seconds)
        process.kill()
    return f"exit code {process.returncode} after {time.monotonic() - start:5.1f} s"


@pytest.mark.skipif(not KILLS, reason="DEMO_KILLS: not set, and each takes minutes")
@pytest.mark.timeout((KILLS + 2) * LIMIT)
def test_demos_that_are_killed_anywhere_are_made_good_by_the_next(told, temporary):
    clean, left = _outcome(told), sorted(temporary.iterdir())
    lasts, draw, killed = [phase["seconds"] for phase in told.summary["phases"]], random.Random(SEED), set()
    print(f"\nclean: {told.summary['seconds']} s, by phase {lasts}; in the temporary folder: {left}", flush=True)
    for kill in range(KILLS):
        phase = kill % len(PHASES) if kill < EACH * len(PHASES) else kill % 2
        moment = draw.uniform(0, lasts[phase] + (0 if phase else BEFORE))
        ended = _kill(phase, moment, temporary)
        killed |= set(homes(DEMOS))
        running = sum(len(processes(home)) for home in killed)
        print(f"{kill + 1:2}: {ended}, {moment:4.1f} s into {PHASES[phase]!r}; {running} processes go on", flush=True)
    last = _tell(temporary)
    killed -= {last.home}
    print(f"last: {last.summary['seconds']} s, by phase {[phase['seconds'] for phase in last.summary['phases']]}")
    assert clean == _outcome(last)
    assert [] == [home for home in killed | {last.home} if processes(home)]
    assert [] == [home for home in killed if home.root.exists()]
    assert left == sorted(temporary.iterdir())
