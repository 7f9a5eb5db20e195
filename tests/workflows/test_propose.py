"""The pull request of a retraining: one, updated in place, of nothing but data and what comes of it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from slipway.errors import UserError
from slipway.gates import Outcome, Verdict
from slipway.local import push_rule
from slipway.results import recorded
from slipway.retraining import propose
from tests import github_api, hostile_git

WORKFLOW = ".github/workflows/retrain.yaml"
CML = """#!{python}
import json, pathlib, subprocess, sys
asked = dict(word[2:].split("=", 1) for word in sys.argv[3:])
url = subprocess.run(["git", "remote", "get-url", "origin"], capture_output=True, text=True).stdout.strip()
pathlib.Path({log!r}).write_text(json.dumps({{"words": sys.argv[1:3], "asked": asked, "origin": url}}))
subprocess.run(["git", "remote", "set-url", "origin", "https://token:secret@github.example/x.git"], check=True)
body = {{"head": asked["branch"], "base": asked["target-branch"], "title": asked["title"], "body": asked["body"]}}
call = ["gh", "api", "--method", "POST", "repos/team/flights/pulls", "--input", "-"]
sys.exit({code} or subprocess.run(call, input=json.dumps(body), text=True).returncode)
"""


def git(*arguments: str, cwd: Path | None = None) -> str:
    options = {"cwd": cwd, "env": hostile_git.without(), "capture_output": True, "text": True, "check": True}
    return subprocess.run(["git", *arguments], **options).stdout.strip()


class Fork:
    """A clone on `main` with an origin, and what `slipway retrain` left in it."""

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
        """What `slipway retrain` leaves: its evidence, and the files that would change."""
        shutil.rmtree("build", ignore_errors=True)
        content = {"data.dvc": "February", ".dvcstore/files/md5/ab/cd": "rows"} | files
        for path, text in content.items():
            (propose.PROPOSAL / path).parent.mkdir(parents=True, exist_ok=True)
            (propose.PROPOSAL / path).write_text(text)
        with recorded("retrain") as result:
            result.evidence = {"trigger": trigger, "because": f"{trigger} was seen", "files": ["february"]}
            result.evidence |= {"proposal": True, "base": git("rev-parse", "HEAD")}
            result.verdicts = [Verdict("retrain", Outcome.PASS, "", "")]

    def propose(self) -> str:
        said = io.StringIO()
        with redirect_stdout(said):
            propose.propose()
        return said.getvalue()

    @property
    def files(self) -> dict[str, str]:
        """Content of each file on the branch, without the workflow."""
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
    assert "new data was seen" in pull["body"]
    assert [("pull-request.yaml", "retrain", {})] == fork.github.started


def test_the_clones_own_branch_index_and_work_tree_stay_as_they_are(fork):
    fork.leave()
    before = git("status", "--porcelain", "--branch"), git("config", "--local", "--list")
    fork.propose()
    assert before == (git("status", "--porcelain", "--branch"), git("config", "--local", "--list"))


def test_a_second_trigger_updates_the_one_that_is_open(fork):
    fork.leave()
    fork.propose()
    Path("code.py").write_text("new")
    fork.commit("Change")
    git("push", "--quiet", "origin", "main")
    fork.leave("decay", **{"data.dvc": "March"})
    fork.propose()
    (pull,) = fork.github.pulls
    assert "decay was seen" in pull["body"]
    assert {"data.dvc": "March", "code.py": "new"}.items() <= fork.files.items()
    assert 2 == len(fork.github.started)


def test_the_same_again_changes_the_words_and_pushes_nothing(fork):
    fork.leave()
    fork.propose()
    head = fork.head
    fork.leave("drift")
    fork.propose()
    assert (head, 1) == (fork.head, len(fork.github.started))
    assert "drift was seen" in fork.github.pulls[0]["body"]


def test_after_one_was_closed_another_is_opened(fork):
    fork.leave()
    fork.propose()
    fork.github.pulls[0]["state"] = "closed"
    fork.leave("decay", **{"data.dvc": "March"})
    fork.propose()
    assert ["closed", "open"] == [pull["state"] for pull in fork.github.pulls]


def by_hand(message: str, *options: str) -> str:
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
    theirs = by_hand("Fix by hand", *hostile_git.signer(tmp_path))
    assert "gpgsig" in git("cat-file", "commit", theirs)
    fork.leave("decay", **{"data.dvc": "March"})
    hostile_git.apply(tmp_path / "user", monkeypatch)
    with pytest.raises(UserError, match="retrain: another user has pushed to this branch"):
        fork.propose()
    assert theirs == git("ls-remote", str(fork.origin), "refs/heads/retrain").split()[0]


@pytest.mark.parametrize("words", ["error: GH013: Repository rule violations", "error: GH001: Large files detected"])
def test_what_the_remote_refuses_is_reported_in_its_words(fork, words):
    fork.leave()
    hostile_git.program(fork.origin / "hooks/pre-receive", f"echo '{words}' >&2; exit 1")
    with pytest.raises(UserError, match=f"refused the push to retrain: pre-receive hook declined; remote: {words}"):
        fork.propose()


def test_a_branch_that_moved_meanwhile_is_a_race(fork, monkeypatch):
    fork.leave()
    fork.propose()
    fork.leave("decay", **{"data.dvc": "March"})
    monkeypatch.setattr(propose, "head", stale)
    with pytest.raises(UserError, match=r"another push changed retrain first \(stale info\); nothing was changed"):
        fork.propose()


def stale(git_of_clone) -> str:
    """Return the head that the branch has, and let a colleague push before it is used."""
    known = git("ls-remote", "origin", "refs/heads/retrain").split()[0]
    by_hand("Fix by hand")
    return known


def test_a_branch_that_somebody_else_has_pushed_to_is_left_alone(fork):
    fork.leave()
    fork.propose()
    theirs = by_hand("Fix by hand")
    fork.leave("decay", **{"data.dvc": "March"})
    with pytest.raises(UserError, match="retrain: another user has pushed to this branch"):
        fork.propose()
    assert theirs == fork.head


@pytest.mark.parametrize("path", [".github/workflows/x.yaml", "src/slipway/x.py", "params.yaml", "metrics.py"])
def test_what_is_no_business_of_a_retraining_is_refused_and_nothing_is_pushed(fork, path):
    fork.leave(**{path: "harm"})
    with pytest.raises(UserError, match="and nothing else; refused"):
        fork.propose()
    assert "" == git("ls-remote", "origin", "refs/heads/retrain")


def test_a_link_is_refused(fork):
    fork.leave()
    (propose.PROPOSAL / "metrics").symlink_to("/etc")
    with pytest.raises(UserError, match="metrics: a retraining changes"):
        fork.propose()


def test_a_retraining_of_a_commit_that_is_not_on_main_is_refused(fork):
    Path("code.py").write_text("topic")
    fork.commit("Topic")
    fork.leave()
    with pytest.raises(UserError, match="not on origin's main"):
        fork.propose()


def test_a_retraining_that_main_has_left_behind_goes_on_top_of_the_newest_main(fork):
    fork.leave()
    newest = fork.move_main("second", **{"code.py": "new"})
    fork.propose()
    assert {"data.dvc": "February", "code.py": "new"}.items() <= fork.files.items()
    assert newest == git("rev-parse", "retrain^", cwd=fork.origin)
    assert "name: second" == git("show", f"retrain:{WORKFLOW}", cwd=fork.origin)


def test_a_file_that_main_has_changed_since_is_not_overwritten(fork):
    fork.leave(**{"metrics/train.json": "{}"})
    fork.move_main("second", **{"data.dvc": "March"})
    with pytest.raises(UserError, match=r"data\.dvc: changed on main since [0-9a-f]{12}, where the retraining started"):
        fork.propose()
    assert "" == git("ls-remote", "origin", "refs/heads/retrain")


def test_what_main_has_received_already_is_no_conflict(fork):
    fork.leave()
    fork.move_main("second", **{"data.dvc": "February"})
    fork.propose()
    assert {"data.dvc": "February", ".dvcstore/files/md5/ab/cd": "rows"} == fork.files


def test_what_github_refuses_says_which_setting_is_missing(fork):
    fork.leave()
    fork.github.refuses["pulls"] = "GitHub Actions is not permitted to create or approve pull requests."
    with pytest.raises(UserError) as refused:
        fork.propose()
    assert "not permitted" in str(refused.value)
    assert "Allow GitHub Actions to create and approve pull requests" in str(refused.value)
    assert "/team/flights/compare/main...retrain" in str(refused.value)
    assert 1 == len(str(refused.value).splitlines())


def test_the_checks_of_what_an_app_pushes_start_by_themselves(fork, monkeypatch):
    monkeypatch.setenv("RETRAIN_APP", "1")
    fork.leave()
    fork.propose()
    assert [] == fork.github.started


@pytest.mark.parametrize(
    ("app", "merge", "merging", "said"),
    [
        ("1", "auto", ["node 1"], "GitHub merges it once every gate has passed"),
        ("1", "", [], "RETRAIN_MERGE is not `auto`"),
        ("", "auto", [], "RETRAIN_MERGE needs RETRAIN_APP"),
    ],
)
def test_it_is_merged_by_itself_only_where_a_setting_asks_for_it(fork, monkeypatch, app, merge, merging, said):
    monkeypatch.setenv("RETRAIN_APP", app)
    monkeypatch.setenv("RETRAIN_MERGE", merge)
    fork.leave()
    assert said in fork.propose()
    assert merging == fork.github.merging


def test_where_github_cannot_wait_for_checks_nothing_is_merged(fork, monkeypatch):
    monkeypatch.setenv("RETRAIN_APP", "1")
    monkeypatch.setenv("RETRAIN_MERGE", "auto")
    fork.github.refuses["graphql"] = "Pull request is in clean status"
    fork.leave()
    assert "a person merges it: GitHub cannot wait" in fork.propose()


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
    log, tool = folder / "asked.json", folder / "bin" / "cml"
    tool.parent.mkdir()
    tool.write_text(CML.format(python=sys.executable, log=str(log), code=code))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    return log


def test_cml_opens_it_where_it_is_there_and_leaves_no_token_behind(fork, tmp_path, monkeypatch):
    log = _with_cml(tmp_path, monkeypatch, 0)
    fork.leave()
    fork.propose()
    told = json.loads(log.read_text())
    expected = {
        "driver": "github",
        "branch": "retrain",
        "target-branch": "main",
        "repo": "https://github.com/team/flights",
    }
    assert ["pr", "create"] == told["words"]
    assert expected.items() <= told["asked"].items()
    assert str(fork.origin) == told["origin"]
    assert "secret" not in git("config", "--local", "--list")
    assert 1 == len(fork.github.pulls)


def test_gh_opens_it_where_cml_fails(fork, tmp_path, monkeypatch):
    _with_cml(tmp_path, monkeypatch, 1)
    fork.leave()
    assert "cml failed (no reason given); trying gh" in fork.propose()
    assert 1 == len(fork.github.pulls)
