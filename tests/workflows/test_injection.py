"""Untrusted input is data and never code: a real run, under act, of a pull request that attempts injection everywhere.

Title, branch, commit message, file, column and value each carry a command that leaves its own trace. A vulnerable
workflow, run on the same pull request, is the control: it runs every command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from slipway.lab.data_mutants import READERS, WRITERS
from slipway.local import act
from slipway.local.home import GIT_CONFIG, Home
from slipway.local.repository import PullRequest, Repository, run
from tests import github_api, markdown

ROOT = Path(__file__).parents[2]
SHIPPED = Path(".github/workflows/pull-request.yaml")
KEPT = {"data": [], "report": ["data"]}
"""Jobs that read untrusted input, and the jobs that each needs; the others are dropped to save time."""

ROWS = 500  # of the data; any number violates the contract
PLACES = ("title", "branch", "message", "file", "column", "value")
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI-not-a-real-key",
    "GH_TOKEN": "ghp_notarealtoken0123456789",
    "SLIPWAY_SIGNING_KEY": "-----BEGIN PRIVATE KEY----- not-a-real-key",
    "SLIPWAY_TEST_PASSWORD": "hunter2-not-a-real-password",
}
COLUMNS = "columns.json"
CONTROL = f"""
name: control
on: pull_request
jobs:
  control:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - run: echo "${{{{ github.event.pull_request.title }}}}"
      - run: echo "${{{{ github.head_ref }}}}"
      - run: eval "echo $(git log -1 --format=%B HEAD^2)"
      - run: eval "echo $(ls docs | grep CANARY)"
      - run: eval "echo $(python -c 'import json; print(json.load(open("{COLUMNS}"))[0])')"
      - run: eval "echo $(python -c 'import json; print(json.load(open("{COLUMNS}"))[1])')"
      - run: echo "$SLIPWAY_TEST_PASSWORD"
""".replace("      - run:", "      - continue-on-error: true\n        run:")


def payload(place: str, around: str = "") -> str:
    """Return a command that writes `<canary>.<place>` within any quoting, without a space or a slash."""
    command = f"touch${{IFS}}$CANARY.{place}"
    return f"x$({command})`{command}`\";{command};\"';{command};'{around}"


MARKDOWN = " @everyone #8 [here](https://example.com) <img src=x> | **bold** \n# Ready"


@dataclass
class Attack:
    """A hostile pull request in its repository."""

    home: Home
    canary: Path
    pull: PullRequest
    repository: Repository

    def run(
        self, workflow: str, event: act.GitHubEvent, reference: str, **environment: str
    ) -> tuple[act.WorkflowRun, set[str]]:
        """Run a workflow of `reference`; return the run, and the places whose command left a trace."""
        name = Path(workflow).stem
        tree = self.repository.checkout(self.home.root / f"{name}-tree", reference)
        env = self.home.environment() | SECRETS | {"CANARY": str(self.canary)} | environment
        finished = act.run(workflow, tree, event, self.home.root / name, env=env, variables={}, log=print)
        traces = sorted(self.canary.parent.glob(f"{self.canary.name}.*"))
        for trace in traces:
            trace.unlink()
        return finished, {trace.suffix.removeprefix(".") for trace in traces}

    def check(self, workflow: str) -> tuple[act.WorkflowRun, set[str]]:
        """Run a workflow of the pull request."""
        return self.run(workflow, self.pull.event(), f"refs/pull/{self.pull.number}/merge")


def shorten(workflow: Path) -> None:
    """Drop the jobs that KEPT does not list; the steps of the others stay as shipped."""
    content = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    content["on"] = content.pop(True)  # YAML reads the key as a boolean
    content["jobs"] = {name: content["jobs"][name] | {"needs": needs} for name, needs in KEPT.items()}
    workflow.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def inject(source: Path, data: Path) -> list[str]:
    """Write a few rows of `source` to `data`, with a hostile column name and a hostile value in a text column."""
    table = READERS[source.suffix](source).head(ROWS)
    text = next(name for name in table if isinstance(table[name].iloc[0], str))
    names = [payload("column", MARKDOWN), payload("value", MARKDOWN)]
    table.loc[table.index[0], text] = names[1]
    data.mkdir()
    WRITERS[source.suffix](table.assign(**{names[0]: 1}), data / source.name)
    return names


@pytest.fixture(scope="module")
def attack(tmp_path_factory) -> Attack:
    """Open the pull request."""
    folder = tmp_path_factory.mktemp("attack")
    home = Home(folder / "home")
    home.root.mkdir()
    home.git_config.write_text(GIT_CONFIG, encoding="utf-8")
    repository = Repository(home.root, home.environment())
    repository.create(ROOT)
    author = repository.author
    shorten(author / SHIPPED)
    (author / SHIPPED.parent / "control.yaml").write_text(CONTROL, encoding="utf-8")
    repository.commit("Drop jobs that read no untrusted input")
    repository.git("push", "--quiet", "origin", "main")
    repository.branch(payload("branch"))
    names = inject(max((ROOT / "data").iterdir()), author / "data")
    for command in (["dvc", "add", "--quiet", "data"], ["dvc", "push", "--quiet", "data.dvc"]):
        run(command, author, home.environment())
    (author / COLUMNS).write_text(pd.Series(names).to_json(orient="values"), encoding="utf-8")
    for suffix in (".md", ".py"):
        (author / "docs" / f"{payload('file')} @everyone <img src=x>{suffix}").write_text("x = 1\n", encoding="utf-8")
    repository.commit(payload("message", MARKDOWN))
    pull = repository.open_pull_request(payload("title", MARKDOWN))
    return Attack(home, folder / "canary", pull, repository)


@pytest.fixture(scope="module")
def checked(attack) -> tuple[act.WorkflowRun, set[str]]:
    """Run pull-request.yaml on it."""
    finished, traces = attack.check("pull-request.yaml")
    assert {"data": "failure", "report": "success"} == {name: job.result for name, job in finished.jobs.items()}
    return finished, traces


@pytest.fixture(scope="module")
def control(attack) -> tuple[act.WorkflowRun, set[str]]:
    """Run the vulnerable workflow."""
    return attack.check("control.yaml")


def evidence(finished: act.WorkflowRun) -> bytes:
    return (finished.artifact("evidence") / "evidence.json").read_bytes()


def everything(finished: act.WorkflowRun) -> str:
    """Return all logs, artifacts and summaries of a run."""
    files = (path for path in finished.folder.rglob("*") if path.is_file())
    return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in files)


def test_a_vulnerable_workflow_runs_every_command(control):
    assert set(PLACES) == control[1]


def test_a_run_of_the_shipped_workflow_leaves_no_trace(checked):
    assert set() == checked[1]


def test_untrusted_names_reach_the_report(checked):
    assert {b"file", b"column", b"value"} == set(re.findall(rb"\$CANARY\.(\w+)", evidence(checked[0])))


def test_a_printed_secret_is_detected(control):
    assert SECRETS["SLIPWAY_TEST_PASSWORD"] in everything(control[0])


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_of_the_environment_is_in_no_log_and_no_result(checked, name):
    assert SECRETS[name] not in everything(checked[0])


def test_the_comment_has_no_trace_and_no_untrusted_markdown(attack, checked, tmp_path):
    with github_api.serve(tmp_path) as github:
        github.open_pull_request(7, attack.pull.head, f"team:{attack.pull.branch}")
        github.add_artifact(github_api.archive(evidence(checked[0])))
        api = {"GH_HOST": github.address, "GH_ENTERPRISE_TOKEN": "token", "SSL_CERT_FILE": github.certificate}
        event = act.GitHubEvent("workflow_run", {"workflow_run": run_of(attack.pull)})
        finished, traces = attack.run("pull-request-comment.yaml", event, "refs/heads/main", **api)
        (body,) = [comment["body"] for comment in github.comments[7]]
    assert (True, set()) == (finished.succeeded, traces)
    assert "data contract" in body.splitlines()[0]
    allowed = {"<details>", "<summary>", "</details>", "</summary>"}
    assert ({"https://github.example/run/1"}, allowed) == markdown.outside(body)


def run_of(pull: PullRequest) -> dict[str, Any]:
    """Return the run that checked a pull request, as GitHub describes it."""
    head = {
        "conclusion": "success",
        "head_sha": pull.head,
        "head_branch": pull.branch,
        "head_repository": {"owner": {"login": "team"}},
    }
    facts = {"event": "pull_request", "path": str(SHIPPED)}
    return {"id": 1, "html_url": "https://github.example/run/1", **facts, **head}
