"""A runner of shipped workflow files, unmodified, on this machine: act in host mode, without Docker or network.

act replaces `actions/checkout` by a copy of the work tree. A folder in `standins/` replaces every other third-party
action of the same name. The runner turns act's JSON output into one line of progress per step.
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
from typing import TYPE_CHECKING, Any, TypedDict

from slipway import figures, yaml12
from slipway.errors import MissingFileError
from slipway.files import write_text
from slipway.local import github_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

STANDINS = Path(__file__).parent / "standins"
BUILT_IN = "actions/checkout"  # implemented by act itself, except for other repositories
REPOSITORY = "local/throwaway"
REPOSITORY_FACTS = {"full_name": REPOSITORY, "default_branch": "main", "private": False, "visibility": "public"}
STEP_LABELS = {"success": "ok", "failure": "FAILED"}
TOLERATED_LABEL = "skipped"  # a step failed under `continue-on-error`, and its job continues
TOLERATED_MESSAGE = "Failed but continue next step"  # act logs this before the end of such a step
CONCURRENT_JOBS_MAX = 4  # exceeds the number of cores, because a job also waits for files
TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[>=]")
LINE_CHARACTERS_MAX = 200
TAIL_LINES = 15  # of a failed step; the job's log has the rest


@dataclass
class JobRun:
    """The result of a job in a run. A job that act never started was skipped."""

    name: str
    result: str = "skipped"
    seconds: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)
    """Seconds of each step, by its name or its command."""


@dataclass(frozen=True)
class GitHubEvent:
    """A GitHub event: its name, such as `push`, and the relevant part of its payload."""

    name: str
    payload: dict[str, Any]

    def complete(self) -> dict[str, Any]:
        """Return the full payload according to GitHub's schema of the event.

        GitHub publishes no schema of `schedule`; its payload stays unchanged. act reads the run's `ref` from the
        payload, which GitHub includes for some events only. Raises ValueError for a payload that violates the schema.
        """
        payload = {**self.payload, "repository": {**REPOSITORY_FACTS, **self.payload.get("repository", {})}}
        if not (schema := github_schema.events().get(self.name)):
            return payload
        described = {name: value for name, value in payload.items() if name != "ref" or "ref" in schema.properties}
        whole: dict[str, Any] = schema.complete(described)
        if problems := schema.problems(whole):
            raise ValueError(f"event {self.name}: {'; '.join(problems)}")
        return payload | whole


@dataclass
class WorkflowRun:
    """A finished run of a workflow, with its output in `folder`: artifacts/, summary.md and <job>.log."""

    workflow: str
    folder: Path
    jobs: dict[str, JobRun]
    seconds: float
    succeeded: bool

    def artifact(self, name: str) -> Path:
        """Return the folder of an uploaded artifact. It does not exist if nothing was uploaded."""
        return self.folder / "artifacts" / name


def run(
    workflow: str,
    tree: Path,
    event: GitHubEvent,
    folder: Path,
    *,
    env: Mapping[str, str],
    variables: Mapping[str, str],
    log: Callable[[str], None],
    niceness: int = 0,
) -> WorkflowRun:
    """Run `.github/workflows/<workflow>` of the git work tree `tree`, and store its output in `folder`.

    `env` is the environment of every step, `variables` are the repository's `vars`, and `log` receives each line of
    progress. Caches are stored in $SLIPWAY_CACHE; without it, every run starts with an empty one. A run with a positive
    `niceness` yields the processor to others, since all runs share one machine here.
    Raises UserError if the workflow does not exist or uses an action without a stand-in.
    """
    file = tree / ".github" / "workflows" / workflow
    if not file.is_file():
        raise MissingFileError(f"{file}: no such workflow; commit it to the repository first")
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "event.json", json.dumps(event.complete(), indent=2))
    start = time.monotonic()
    process = subprocess.Popen(
        ["nice", "-n", str(niceness), *_command(file, event.name, folder, variables)],
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
            jobs = _follow(process.stdout or (), _job_names(file), folder, log)
        finally:
            process.terminate()  # stops an interrupted run; has no effect on a finished one
    shutil.rmtree(folder / "act", ignore_errors=True)
    return WorkflowRun(workflow, folder, jobs, round(time.monotonic() - start, 1), process.returncode == 0)


def _command(file: Path, event: str, folder: Path, variables: Mapping[str, str]) -> list[str]:
    command = [str(Path(sys.executable).parent / "act"), event, "--json", "--rm", "--no-cache-server"]
    command += ["--concurrent-jobs", str(CONCURRENT_JOBS_MAX)]
    command += ["--workflows", str(file), "--platform", "ubuntu-latest=-self-hosted"]
    command += ["--env", f"GITHUB_REPOSITORY={REPOSITORY}"]  # act would derive it from the path of `origin`
    command += ["--eventpath", str(folder / "event.json"), "--action-cache-path", str(folder / "act")]
    for option in ("--env-file", "--secret-file", "--var-file", "--input-file"):
        command += [option, "/dev/null"]  # act would read the default file of the user's work tree
    for repository, reference in sorted({(_standin(action), reference) for action, reference in actions(file)}):
        command += ["--local-repository", f"{repository}@{reference}={STANDINS / repository}"]
    for name, value in variables.items():
        command += ["--var", f"{name}={value}"]
    return command


def actions(workflow: Path) -> set[tuple[str, str]]:
    """Return (owner/name, commit) of each third-party action in `workflow` and in the repository's own actions."""
    files = [workflow, *sorted((workflow.parent.parent / "actions").glob("*/action.yml"))]
    uses = {step["uses"] for file in files for step in _steps(file) if "uses" in step and not _built_in(step)}
    return {
        (action, reference) for action, reference in (use.split("@", 1) for use in uses if not use.startswith("./"))
    }


def _built_in(step: Mapping[str, Any]) -> bool:
    return step["uses"].startswith(f"{BUILT_IN}@") and "repository" not in step.get("with", {})


def _steps(file: Path) -> Iterator[dict[str, Any]]:
    document = yaml12.parse(file.read_text(encoding="utf-8")) or {}
    for section in [document.get("runs", {}), *document.get("jobs", {}).values()]:
        yield from section.get("steps", [])


def _standin(action: str) -> str:
    """Return the repository of an action, such as `actions/cache` for `actions/cache/save`.

    Raises UserError if the action has no stand-in.
    """
    folder = STANDINS / action
    if not folder.is_dir():
        raise MissingFileError(f"{action}: has no local stand-in; write {folder}/action.yml")
    return "/".join(action.split("/")[:2])


def _job_names(file: Path) -> list[str]:
    return list(yaml12.parse(file.read_text(encoding="utf-8"))["jobs"])


class _Message(TypedDict, total=False):
    """A line of act's JSON output."""

    command: str
    content: str
    executionTime: int
    """Nanoseconds."""
    jobID: str
    jobResult: str
    level: str
    msg: str
    raw_output: bool
    stage: str
    step: str
    stepID: list[str]
    stepResult: str


def _follow(lines: Iterable[str], names: list[str], folder: Path, log: Callable[[str], None]) -> dict[str, JobRun]:
    """Read act's JSON lines until it ends, and append each job's output to its log."""
    followers = {name: _Follower(JobRun(name), folder, log) for name in names}
    for line in lines:
        message = _parse(line)
        if (job := message.get("jobID", "")) in followers:
            followers[job].read(message)
        elif message.get("level") not in {"warning", "info"} and not message["msg"].startswith("Error: Job"):
            log(f"act: {message['msg']}")
    return {name: follower.job for name, follower in followers.items()}


def _parse(line: str) -> _Message:
    try:
        message: _Message = json.loads(line)
    except json.JSONDecodeError:
        return {"level": "error", "msg": line.rstrip()}
    return message


class _Follower:
    """A reader of one job's messages that records its result, writes its log and reports progress."""

    def __init__(self, job: JobRun, folder: Path, log: Callable[[str], None]) -> None:
        self.job = job
        self._folder = folder
        self._log = log
        self._start: float | None = None
        self._output: defaultdict[str, list[str]] = defaultdict(list)  # by step
        self._failed: list[str] = []
        self._tolerated: set[str] = set()

    def read(self, message: _Message) -> None:
        """Process the next message of the job."""
        if self._start is None:
            self._start = time.monotonic()
            self._log(f"{self.job.name:<10} starts")
        if message.get("raw_output"):
            self._append(f"{self.job.name}.log", message["msg"])
            self._output[message["stepID"][0]].append(message["msg"])
        elif message.get("command") == "summary":
            self._append("summary.md", message["content"])
        elif "jobResult" in message:
            self.job.result = message["jobResult"]
            self.job.seconds = round(time.monotonic() - self._start, 1)
            self._log_failures()
        elif message["msg"] == TOLERATED_MESSAGE and len(message["stepID"]) == 1:
            self._tolerated.add(message["stepID"][0])
        elif _ends_a_step(message):
            self._end_step(message)

    def _append(self, name: str, text: str) -> None:
        with (self._folder / name).open("a", encoding="utf-8") as file:
            file.write(text)

    def _end_step(self, message: _Message) -> None:
        step = message["step"].split("@")[0]
        seconds = message.get("executionTime", 0) / 1e9
        self.job.steps[step] = round(seconds, 2)
        tolerated = message["stepID"][0] in self._tolerated
        label = TOLERATED_LABEL if tolerated else STEP_LABELS[message["stepResult"]]
        self._log(f"{self.job.name:<10} {label:<7} {seconds:6.1f} s  {step}{' (may fail)' * tolerated}")
        if message["stepResult"] == "failure":
            self._failed.append(message["stepID"][0])

    def _log_failures(self) -> None:
        """Log the last lines of each failed step at the end of the job, because act may deliver them late."""
        for step in self._failed:
            for line in tail("".join(self._output[step]))[-1 if step in self._tolerated else 0 :]:
                self._log(f"{self.job.name:<10}   | {line}")


def tail(output: str) -> list[str]:
    """Return the last lines of terminal output as a terminal displays them, without colors and overwritten text."""
    plain = TERMINAL_CODES.sub("", output).replace("\r\n", "\n")
    displayed = (line.rsplit("\r", 1)[-1].rstrip() for line in plain.split("\n"))
    return [shorten(line) for line in displayed if line][-TAIL_LINES:]


def shorten(line: str) -> str:
    """Return `line`, cut to LINE_CHARACTERS_MAX."""
    return figures.shorten(line, LINE_CHARACTERS_MAX)


def _ends_a_step(message: _Message) -> bool:
    """Whether a message ends a step of the workflow, as opposed to a step inside an action or one of act's own."""
    return message.get("stage") == "Main" and message.get("stepResult") in STEP_LABELS and len(message["stepID"]) == 1
