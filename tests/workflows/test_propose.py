"""A retraining has a single pull request, updated in place, with data and its results only."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from slipway.errors import RejectedError, RemoteMovedError, ToolError
from slipway.gates import Outcome, Verdict
from slipway.github import checked_run
from slipway.local import push_rule
from slipway.results import recorded
from slipway.retraining import propose
from slipway.retraining.retrain_evidence import RETRAIN, RetrainEvidence
from tests import github_api, hostile_git

WORKFLOW = ".github/workflows/retrain.yaml"
CML = """#!{python}
import json, pathlib, subprocess, sys
options = dict(word[2:].split("=", 1) for word in sys.argv[3:])
url = subprocess.run(["git", "remote", "get-url", "origin"], capture_output=True, text=True).stdout.strip()
pathlib.Path({log!r}).write_text(json.dumps({{"words": sys.argv[1:3], "options": options, "origin": url}}))
subprocess.run(["git", "remote", "set-url", "origin", "https://token:secret@github.example/x.git"], check=True)
head, base = options["branch"], options["target-branch"]
body = {{"head": head, "base": base, "title": options["title"], "body": options["body"]}}
call = ["gh", "api", "--method", "POST", "repos/team/flights/pulls", "--input", "-"]
sys.exit({code} or subprocess.run(call, input=json.dumps(body), text=True).returncode)
"""


def git(*arguments: str, cwd: Path | None = None) -> str:
    options = {"cwd": cwd, "env": hostile_git.without(), "capture_output": True, "text": True, "check": True}
    return subprocess.run(["git", *arguments], **options).stdout.strip()


class Fork:
    """A clone on `main` with an origin, and the results of `slipway retrain`."""

    def __init__(self, folder: Path, github: github_api.GitHub) -> None:
        self.github, self.origin = github, folder / "origin.git"
        git("init", "--quiet", "--bare", "--initial-branch=main", str(self.origin))
        push_rule.install(self.origin)
        git("init", "--quiet", "--initial-branch=main", str(folder / "clone"))
        os.chdir(folder / "clone")
        git("remote", "add", "origin", str(self.origin))
        self.move_main("first")

    def move_main(self, workflow: str, **files: str) -> str:
        """Push a commit with a changed workflow and `files` to `main`, and return it."""
        Path(WORKFLOW).parent.mkdir(parents=True, exist_ok=True)
        for path, text in {WORKFLOW: f"name: {workflow}", "data.dvc": "January", **files}.items():
            Path(path).write_text(text)
            git("add", path)
        git("commit", "--quiet", "--message", "Change")
        git("push", "--quiet", "origin", "main")
        return git("rev-parse", "HEAD")

    def commit(self, message: str) -> str:
        git("add", "--all")
        git("commit", "--quiet", "--message", message)
        return git("rev-parse", "HEAD")

    def leave(self, trigger: str = "new data", **files: str) -> None:
        """Write the results of `slipway retrain`: its evidence, and the files that would change."""
        shutil.rmtree("build", ignore_errors=True)
        content = {"data.dvc": "February", ".dvcstore/files/md5/ab/cd": "rows"} | files
        for path, text in content.items():
            (propose.PROPOSAL / path).parent.mkdir(parents=True, exist_ok=True)
            (propose.PROPOSAL / path).write_text(text)
        with recorded(RETRAIN) as result:
            result.evidence = RetrainEvidence(
                trigger=trigger,
                because=f"{trigger} was observed",
                proposal=True,
                base=git("rev-parse", "HEAD"),
                files=["february"],
            )
            result.verdicts = [Verdict("retrain", Outcome.PASS, "", "")]

    def propose(self) -> str:
        output = io.StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            propose.propose()
        return output.getvalue()

    @property
    def files(self) -> dict[str, str]:
        """Return the content of each file on the branch, except the workflow."""
        names = set(git("ls-tree", "-r", "--name-only", "retrain", cwd=self.origin).splitlines()) - {WORKFLOW}
        return {name: git("show", f"retrain:{name}", cwd=self.origin) for name in names}

    @property
    def head(self) -> str:
        return git("rev-parse", "retrain", cwd=self.origin)


@pytest.fixture
def fork(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")
    for name in ("RETRAIN_APP", "RETRAIN_MERGE", "GITHUB_SERVER_URL", "GITHUB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    with github_api.serve(tmp_path) as github:
        monkeypatch.setenv("GITHUB_REPOSITORY", github_api.REPOSITORY)
        monkeypatch.setenv("GH_HOST", github.address)
        monkeypatch.setenv("GH_ENTERPRISE_TOKEN", "token")
        monkeypatch.setenv("SSL_CERT_FILE", github.certificate)
        yield Fork(tmp_path, github)


def test_a_proposal_becomes_a_branch_a_pull_request_and_a_run_of_its_checks(fork):
    fork.leave()
    fork.propose()
    assert {"data.dvc": "February", ".dvcstore/files/md5/ab/cd": "rows"} == fork.files
    (pull,) = fork.github.pulls
    assert ("team:retrain", "main", "Retrain on february (new data)") == (
        pull["head"]["label"],
        pull["base"]["ref"],
        pull["title"],
    )
    assert "new data was observed" in pull["body"]
    assert [(checks.file, "retrain", {}) for checks in checked_run.CHECKS] == fork.github.dispatched


def test_branch_index_work_tree_and_configuration_of_the_clone_are_unchanged(fork):
    fork.leave()
    before = git("status", "--porcelain", "--branch"), git("config", "--local", "--list")
    fork.propose()
    assert before == (git("status", "--porcelain", "--branch"), git("config", "--local", "--list"))


def test_a_second_trigger_updates_the_open_pull_request(fork):
    fork.leave()
    fork.propose()
    Path("code.py").write_text("new")
    fork.commit("Change")
    git("push", "--quiet", "origin", "main")
    fork.leave("decay", **{"data.dvc": "March"})
    fork.propose()
    (pull,) = fork.github.pulls
    assert "decay was observed" in pull["body"]
    assert {"data.dvc": "March", "code.py": "new"}.items() <= fork.files.items()
    assert 2 * len(checked_run.CHECKS) == len(fork.github.dispatched)


def test_the_same_proposal_again_updates_the_description_and_pushes_nothing(fork):
    fork.leave()
    fork.propose()
    head = fork.head
    fork.leave("drift")
    fork.propose()
    assert (head, len(checked_run.CHECKS)) == (fork.head, len(fork.github.dispatched))
    assert "drift was observed" in fork.github.pulls[0]["body"]


def test_a_closed_pull_request_is_followed_by_another(fork):
    fork.leave()
    fork.propose()
    fork.github.pulls[0]["state"] = "closed"
    fork.leave("decay", **{"data.dvc": "March"})
    fork.propose()
    assert ["closed", "open"] == [pull["state"] for pull in fork.github.pulls]


def push_as_colleague(message: str, *options: str) -> str:
    """Push a commit to the branch, as a colleague does, and return it."""
    git("fetch", "--quiet", "origin", "retrain")
    git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    git(*options, "commit", "--quiet", "--allow-empty", "--message", message)
    git("push", "--quiet", "origin", "HEAD:refs/heads/retrain")
    git("checkout", "--quiet", "main")
    return git("ls-remote", "origin", "refs/heads/retrain").split()[0]


def test_a_signed_commit_of_a_colleague_is_not_replaced(fork, tmp_path, monkeypatch):
    """With log.showSignature, git prints a line about the signature where a trailer would be."""
    fork.leave()
    fork.propose()
    theirs = push_as_colleague("Fix by hand", *hostile_git.signer(tmp_path))
    assert "gpgsig" in git("cat-file", "commit", theirs)
    fork.leave("decay", **{"data.dvc": "March"})
    hostile_git.apply(tmp_path / "user", monkeypatch)
    with pytest.raises(RemoteMovedError, match="retrain: another user has pushed to this branch"):
        fork.propose()
    assert theirs == git("ls-remote", str(fork.origin), "refs/heads/retrain").split()[0]


@pytest.mark.parametrize("words", ["error: GH013: Repository rule violations", "error: GH001: Large files detected"])
def test_a_rejection_by_the_remote_is_reported_verbatim(fork, words):
    fork.leave()
    hostile_git.program(fork.origin / "hooks/pre-receive", f"echo '{words}' >&2; exit 1")
    with pytest.raises(ToolError, match=f"refused the push to retrain: pre-receive hook declined; remote: {words}"):
        fork.propose()


def test_a_branch_that_moved_meanwhile_is_a_race(fork, monkeypatch):
    fork.leave()
    fork.propose()
    fork.leave("decay", **{"data.dvc": "March"})
    monkeypatch.setattr(propose, "head", stale)
    with pytest.raises(ToolError, match=r"another push changed retrain first \(stale info\); nothing was changed"):
        fork.propose()


def stale(git_of_clone) -> str:
    """Return the head of the branch, and let a colleague push before it is used."""
    head = git("ls-remote", "origin", "refs/heads/retrain").split()[0]
    push_as_colleague("Fix by hand")
    return head


def test_a_branch_with_a_commit_of_a_colleague_is_not_replaced(fork):
    fork.leave()
    fork.propose()
    theirs = push_as_colleague("Fix by hand")
    fork.leave("decay", **{"data.dvc": "March"})
    with pytest.raises(RemoteMovedError, match="retrain: another user has pushed to this branch"):
        fork.propose()
    assert theirs == fork.head


@pytest.mark.parametrize("path", [".github/workflows/x.yaml", "src/slipway/x.py", "params.yaml", "metrics.py"])
def test_a_file_that_a_retraining_may_not_change_is_rejected_and_nothing_is_pushed(fork, path):
    fork.leave(**{path: "harm"})
    with pytest.raises(RejectedError, match=r"rejected; a retraining may only change data\.dvc"):
        fork.propose()
    assert "" == git("ls-remote", "origin", "refs/heads/retrain")


def test_a_symbolic_link_is_rejected(fork):
    fork.leave()
    (propose.PROPOSAL / "metrics").symlink_to("/etc")
    with pytest.raises(RejectedError, match="metrics: rejected; a retraining may only change"):
        fork.propose()


def test_a_retraining_of_a_commit_outside_main_is_rejected(fork):
    Path("code.py").write_text("topic")
    fork.commit("Topic")
    fork.leave()
    with pytest.raises(RemoteMovedError, match="not on main of origin"):
        fork.propose()


def test_a_proposal_goes_on_top_of_the_newest_main(fork):
    fork.leave()
    newest = fork.move_main("second", **{"code.py": "new"})
    fork.propose()
    assert {"data.dvc": "February", "code.py": "new"}.items() <= fork.files.items()
    assert newest == git("rev-parse", "retrain^", cwd=fork.origin)
    assert "name: second" == git("show", f"retrain:{WORKFLOW}", cwd=fork.origin)


def test_a_file_that_main_has_changed_meanwhile_is_not_overwritten(fork):
    fork.leave(**{"metrics/train.json": "{}"})
    fork.move_main("second", **{"data.dvc": "March"})
    with pytest.raises(
        RemoteMovedError, match=r"data\.dvc: changed on main since [0-9a-f]{12}, where the retraining started"
    ):
        fork.propose()
    assert "" == git("ls-remote", "origin", "refs/heads/retrain")


def test_the_same_change_on_main_is_no_conflict(fork):
    fork.leave()
    fork.move_main("second", **{"data.dvc": "February"})
    fork.propose()
    assert {"data.dvc": "February", ".dvcstore/files/md5/ab/cd": "rows"} == fork.files


def test_a_rejection_by_github_names_the_missing_setting(fork):
    fork.leave()
    fork.github.rejections["pulls"] = "GitHub Actions is not permitted to create or approve pull requests."
    with pytest.raises(ToolError) as refused:
        fork.propose()
    assert "not permitted" in str(refused.value)
    assert "Allow GitHub Actions to create and approve pull requests" in str(refused.value)
    assert "/team/flights/compare/main...retrain" in str(refused.value)
    assert 1 == len(str(refused.value).splitlines())


def test_a_push_by_an_app_dispatches_no_checks(fork, monkeypatch):
    monkeypatch.setenv("RETRAIN_APP", "1")
    fork.leave()
    fork.propose()
    assert [] == fork.github.dispatched


@pytest.mark.parametrize(
    ("app", "merge", "merging", "message"),
    [
        ("1", "auto", ["node 1"], "GitHub merges it after every gate has passed"),
        ("1", "", [], "RETRAIN_MERGE is not `auto`"),
        ("", "auto", [], "RETRAIN_MERGE requires RETRAIN_APP"),
    ],
)
def test_auto_merge_is_enabled_only_if_the_settings_request_it(fork, monkeypatch, app, merge, merging, message):
    monkeypatch.setenv("RETRAIN_APP", app)
    monkeypatch.setenv("RETRAIN_MERGE", merge)
    fork.leave()
    assert message in fork.propose()
    assert merging == fork.github.auto_merges


def test_nothing_is_merged_where_github_cannot_wait_for_checks(fork, monkeypatch):
    monkeypatch.setenv("RETRAIN_APP", "1")
    monkeypatch.setenv("RETRAIN_MERGE", "auto")
    fork.github.rejections["graphql"] = "Pull request is in clean status"
    fork.leave()
    assert "waiting for a manual merge: GitHub cannot wait" in fork.propose()


def test_without_a_token_nothing_is_pushed(fork, monkeypatch):
    monkeypatch.delenv("GH_ENTERPRISE_TOKEN")
    monkeypatch.delenv("GH_TOKEN", raising=False)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    fork.leave()
    assert "not proposed, because GITHUB_REPOSITORY or GH_TOKEN is not set" in fork.propose()
    assert "" == git("ls-remote", "origin", "refs/heads/retrain")


def test_without_a_retraining_there_is_nothing_to_propose(fork):
    assert "nothing to propose" in fork.propose()
    assert [] == fork.github.calls


def _with_cml(folder: Path, monkeypatch, code: int) -> Path:
    log, tool = folder / "call.json", folder / "bin" / "cml"
    tool.parent.mkdir()
    tool.write_text(CML.format(python=sys.executable, log=str(log), code=code))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    return log


def test_cml_opens_the_pull_request_if_installed_and_leaves_no_token_behind(fork, tmp_path, monkeypatch):
    log = _with_cml(tmp_path, monkeypatch, 0)
    fork.leave()
    fork.propose()
    call = json.loads(log.read_text())
    expected = {
        "driver": "github",
        "branch": "retrain",
        "target-branch": "main",
        "repo": "https://github.com/team/flights",
    }
    assert ["pr", "create"] == call["words"]
    assert expected.items() <= call["options"].items()
    assert str(fork.origin) == call["origin"]
    assert "secret" not in git("config", "--local", "--list")
    assert 1 == len(fork.github.pulls)


def test_gh_opens_the_pull_request_if_cml_fails(fork, tmp_path, monkeypatch):
    _with_cml(tmp_path, monkeypatch, 1)
    fork.leave()
    assert "cml failed (no reason given); trying gh" in fork.propose()
    assert 1 == len(fork.github.pulls)
