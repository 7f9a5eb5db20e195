"""Run a shipped workflow file, unmodified, on this machine: act in host mode, without Docker or network.

act copies the working tree where the workflow says `actions/checkout`; every other third-party action is replaced by
the folder of the same name in `standins/`. What act prints as JSON becomes progress, one line a step.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway import yaml12
from slipway.errors import UserError
from slipway.files import write_text
from slipway.local import github_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

STANDINS = Path(__file__).parent / "standins"
BUILT_IN = "actions/checkout"  # act does this one itself, but for another repository
REPOSITORY = "local/throwaway"
REPOSITORY_FACTS = {"full_name": REPOSITORY, "default_branch": "main", "private": False, "visibility": "public"}
MARKS = {"success": "ok", "failure": "FAILED"}
SKIPPED = "skipped"  # a step that failed and may: its job goes on
MAY_FAIL = "Failed but continue next step"  # act logs this before the end of a step with `continue-on-error`
SIDE_BY_SIDE = 4  # jobs; more than cores, since a job also waits for files
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[>=]")
WIDTH = 200  # characters of a line that is shown
TAIL = 15  # lines of a failed step that are shown; the rest is in the job's log


@dataclass
class Job:
    """How a job of a run went. A job that act never started was skipped."""

    name: str
    result: str = "skipped"
    seconds: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)
    """Seconds of each step, by what it is called or what it runs."""


@dataclass(frozen=True)
class Event:
    """What GitHub would have sent: the name, such as `push`, and what matters of the payload."""

    name: str
    payload: dict[str, Any]

    def complete(self) -> dict[str, Any]:
        """Return the whole payload, as GitHub describes it; `schedule` is described nowhere, and stays as it is.

        act takes the run's `ref` from there, which GitHub sends with some events only. Raises ValueError for a payload
        that GitHub would not send.
        """
        payload = {**self.payload, "repository": {**REPOSITORY_FACTS, **self.payload.get("repository", {})}}
        if not (schema := github_schema.events().get(self.name)):
            return payload
        described = {name: value for name, value in payload.items() if name != "ref" or "ref" in schema.properties}
        whole = schema.complete(described)
        if problems := schema.problems(whole):
            raise ValueError(f"event {self.name}: {'; '.join(problems)}")
        return payload | whole


@dataclass
class Run:
    """A finished run of a workflow, and what it left in `folder`: artifacts/, summary.md and <job>.log."""

    workflow: str
    folder: Path
    jobs: dict[str, Job]
    seconds: float
    succeeded: bool

    def artifact(self, name: str) -> Path:
        """The folder of an uploaded artifact; it does not exist when nothing was uploaded."""
        return self.folder / "artifacts" / name


def run(
    workflow: str,
    tree: Path,
    event: Event,
    folder: Path,
    *,
    env: Mapping[str, str],
    variables: Mapping[str, str],
    say: Callable[[str], None],
) -> Run:
    """Run `.github/workflows/<workflow>` of the git work tree `tree`, and keep what it leaves in `folder`.

    `env` is the environment of every step, `variables` are the repository's `vars`; `say` is told how it goes. Caches
    are kept in $SLIPWAY_CACHE, without which a run has none but its own.
    Raises UserError when the workflow is not there or uses an action that has no stand-in.
    """
    file = tree / ".github" / "workflows" / workflow
    if not file.is_file():
        raise UserError(f"{file}: no such workflow; commit it to the repository first")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "event.json", json.dumps(event.complete(), indent=2))
    start = time.monotonic()
    process = subprocess.Popen(
        _command(file, event.name, folder, variables),
        cwd=tree,
        env={"SLIPWAY_CACHE": str(folder / "cache"), **env, "SLIPWAY_ARTIFACTS": str(folder / "artifacts")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    with process:
        try:
            jobs = _follow(process.stdout or (), _job_names(file), folder, say)
        finally:
            process.terminate()  # of no effect on a run that ended; an interrupted one must not go on alone
    shutil.rmtree(folder / "act", ignore_errors=True)
    return Run(workflow, folder, jobs, round(time.monotonic() - start, 1), process.returncode == 0)


def _command(file: Path, event: str, folder: Path, variables: Mapping[str, str]) -> list[str]:
    command = [str(Path(sys.executable).parent / "act"), event, "--json", "--rm", "--no-cache-server"]
    command += ["--concurrent-jobs", str(SIDE_BY_SIDE)]
    command += ["--workflows", str(file), "--platform", "ubuntu-latest=-self-hosted"]
    command += ["--env", f"GITHUB_REPOSITORY={REPOSITORY}"]  # act would take it from the path of `origin`
    command += ["--eventpath", str(folder / "event.json"), "--action-cache-path", str(folder / "act")]
    for empty in ("--env-file", "--secret-file", "--var-file", "--input-file"):
        command += [empty, "/dev/null"]  # a file of that name in somebody's work tree is not part of the run
    for repository, reference in sorted({(_standin(action), reference) for action, reference in actions(file)}):
        command += ["--local-repository", f"{repository}@{reference}={STANDINS / repository}"]
    for name, value in variables.items():
        command += ["--var", f"{name}={value}"]
    return command


def actions(workflow: Path) -> set[tuple[str, str]]:
    """(owner/name, commit) of each third-party action that `workflow` and the repository's own actions use."""
    files = [workflow, *sorted((workflow.parent.parent / "actions").glob("*/action.yml"))]
    uses = {step["uses"] for file in files for step in _steps(file) if "uses" in step and not _built_in(step)}
    return {
        (action, reference) for action, reference in (use.split("@", 1) for use in uses if not use.startswith("./"))
    }


def _built_in(step: Mapping[str, Any]) -> bool:
    return step["uses"].startswith(f"{BUILT_IN}@") and "repository" not in step.get("with", {})


def _steps(file: Path) -> Iterator[dict[str, Any]]:
    document = yaml12.parse(file.read_text(encoding="utf-8")) or {}
    for part in [document.get("runs", {}), *document.get("jobs", {}).values()]:
        yield from part.get("steps", [])


def _standin(action: str) -> str:
    """The repository of an action: `actions/cache` of `actions/cache/save`. Raises UserError without a stand-in."""
    folder = STANDINS / action
    if not folder.is_dir():
        raise UserError(f"{action}: no stand-in to run it locally; write {folder}/action.yml")
    return "/".join(action.split("/")[:2])


def _job_names(file: Path) -> list[str]:
    return list(yaml12.parse(file.read_text(encoding="utf-8"))["jobs"])


def _follow(lines: Iterable[str], names: list[str], folder: Path, say: Callable[[str], None]) -> dict[str, Job]:
    """Read act's JSON lines until it ends; write each job's output to its log as it comes."""
    followers = {name: _Follower(Job(name), folder, say) for name in names}
    for line in lines:
        message = _parse(line)
        if message.get("jobID") in followers:
            followers[message["jobID"]].read(message)
        elif message.get("level") not in {"warning", "info"} and not message["msg"].startswith("Error: Job"):
            say(f"act: {message['msg']}")
    return {name: follower.job for name, follower in followers.items()}


def _parse(line: str) -> dict[str, Any]:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return {"level": "error", "msg": line.rstrip()}


class _Follower:
    """Turns the messages of one job into its result, its log and lines of progress."""

    def __init__(self, job: Job, folder: Path, say: Callable[[str], None]) -> None:
        self.job = job
        self._folder = folder
        self._say = say
        self._start: float | None = None
        self._output: defaultdict[str, list[str]] = defaultdict(list)  # of each step
        self._failed: list[str] = []
        self._may_fail: set[str] = set()

    def read(self, message: dict[str, Any]) -> None:
        if self._start is None:
            self._start = time.monotonic()
            self._say(f"{self.job.name:<10} starts")
        if message.get("raw_output"):
            self._keep(f"{self.job.name}.log", message["msg"])
            self._output[message["stepID"][0]].append(message["msg"])
        elif message.get("command") == "summary":
            self._keep("summary.md", message["content"])
        elif "jobResult" in message:
            self.job.result = message["jobResult"]
            self.job.seconds = round(time.monotonic() - self._start, 1)
            self._explain()
        elif message["msg"] == MAY_FAIL and len(message["stepID"]) == 1:
            self._may_fail.add(message["stepID"][0])
        elif _ends_a_step(message):
            self._end_step(message)

    def _keep(self, file: str, text: str) -> None:
        with (self._folder / file).open("a", encoding="utf-8") as log:
            log.write(text)

    def _end_step(self, message: dict[str, Any]) -> None:
        step = message["step"].split("@")[0]
        seconds = message.get("executionTime", 0) / 1e9
        self.job.steps[step] = round(seconds, 2)
        may_fail = message["stepID"][0] in self._may_fail
        mark = SKIPPED if may_fail else MARKS[message["stepResult"]]
        self._say(f"{self.job.name:<10} {mark:<7} {seconds:6.1f} s  {step}{', which may fail' * may_fail}")
        if message["stepResult"] == "failure":
            self._failed.append(message["stepID"][0])

    def _explain(self) -> None:
        """Print the last lines of each step that failed; act may pass them on after the step's end."""
        for step in self._failed:
            for line in last_words("".join(self._output[step]))[-1 if step in self._may_fail else 0 :]:
                self._say(f"{self.job.name:<10}   | {line}")


def last_words(output: str) -> list[str]:
    """The last lines of what a terminal was sent, as they would stand on it: no colours, nothing overwritten."""
    written = (line.rsplit("\r", 1)[-1].rstrip() for line in COLOURS.sub("", output).replace("\r\n", "\n").split("\n"))
    return [shorten(line) for line in written if line][-TAIL:]


def shorten(line: str) -> str:
    """Cut a long line."""
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _ends_a_step(message: dict[str, Any]) -> bool:
    """Whether this is the end of a step of the workflow; the steps inside an action and act's own do not count."""
    return message.get("stage") == "Main" and message.get("stepResult") in MARKS and len(message["stepID"]) == 1
