"""Releases and promotions as commits and tags on the branch `deploy` of a real origin."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from slipway.cli import app
from slipway.deployment import promotion
from slipway.environment.desired_state import Promotion, previous_release
from slipway.environment.spec import SCHEMA, EnvironmentFile, Policy, parse, render
from slipway.errors import DigestMismatchError, NoReleaseError, UnreadableFileError
from slipway.git import PushRaceError
from slipway.release import publish
from tests.delivery.conftest import CANARY, WORKFLOW


def _content(number: int, release: str | None = None) -> EnvironmentFile:
    version = release or f"v0.{number}.0"
    digest = f"sha256:{version.encode().hex():0>64}"
    return EnvironmentFile(release=version, digest=digest, commit="c" * 40, promotion=number)


def _history(*contents: EnvironmentFile | None) -> list[Promotion]:
    """Return a history, newest first, from desired states given oldest first."""
    return [Promotion("", "", "", "", content) for content in reversed(contents)]


def _with_policy(content: EnvironmentFile) -> EnvironmentFile:
    return content.model_copy(update={"policy": Policy(approval=True)})


ONE, TWO, THREE = _content(1), _content(2), _content(3)


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ((), None),
        ((ONE,), None),
        ((ONE, TWO), ONE),
        ((ONE, TWO, THREE), TWO),
        ((ONE, TWO, THREE, TWO), ONE),
        ((ONE, TWO, ONE, THREE), ONE),
        ((ONE, None, TWO), ONE),
        ((ONE, TWO, _content(3, "v0.2.0")), ONE),
        ((ONE, TWO, _with_policy(TWO), _with_policy(ONE)), None),
        ((ONE, TWO, _with_policy(TWO)), ONE),
    ],
)
def test_a_rollback_returns_to_the_previous_release_and_never_to_one_that_was_rolled_back(contents, expected):
    assert expected == previous_release(_history(*contents))


def test_an_environment_file_survives_the_round_trip():
    assert ONE == parse(render("staging", ONE), "here")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "empty; `git revert` the commit"),
        ("# nothing\n", "empty; `git revert` the commit"),
        ("- a list", "the file: Input should be a valid dictionary"),
        ("a: &a [*a, *a]\nb: 2013-02-31\n", "not YAML"),
        ("[" * 1000, "not YAML"),
        ("release: [", "not YAML"),
        (render("staging", ONE).replace("v0.1.0", "latest"), "release: String should match pattern"),
        (render("staging", ONE).replace("replicas: 1", "replicas: 0"), "replicas: Input should be greater than"),
        (render("staging", ONE) + "weight: 3\n", "weight: Extra inputs are not permitted"),
    ],
)
def test_an_invalid_environment_file_is_refused_with_the_field(text, rule):
    with pytest.raises(UnreadableFileError, match=f"^here: {rule}"):
        parse(text, "here")


def test_the_json_schema_is_that_of_the_model():
    assert EnvironmentFile.model_json_schema() == json.loads(SCHEMA.read_text())


def test_publishing_and_promoting_do_not_change_the_work_tree(project):
    def snapshot() -> tuple[str, ...]:
        commands = (("status", "--porcelain"), ("rev-parse", "HEAD"), ("branch", "--list"))
        return tuple(project.git(*command) for command in commands)

    project.publish("v0.1.0")
    (project.root / "change.txt").write_text("work in progress")
    before = snapshot()
    project.promote("v0.1.0")
    assert before == snapshot()


def test_a_release_commit_is_the_merged_commit_with_lock_and_model(project):
    built = project.publish("v0.1.0")
    commit = project.branch.published("v0.1.0").commit
    added = set(project.git("diff", "--name-only", built.commit, commit).splitlines())
    stored = {path for path in added if path.startswith(".dvcstore/files/md5/")}
    assert 3 == len(stored)
    workflows = {WORKFLOW, ".github/workflows/nested/other.yaml"}
    released = {"released/model/model.onnx", "released/model/signature.json"}
    assert {"dvc.yaml", *released, *workflows} == added - stored
    assert workflows == set(project.git("diff", "--name-only", "--diff-filter=D", built.commit, commit).splitlines())


def test_models_of_earlier_releases_stay_on_the_branch(project):
    project.publish("v0.1.0")
    first = set(project.git("ls-tree", "-r", "--name-only", "origin/deploy", ".dvcstore").splitlines())
    (project.root / "model/model.onnx").write_text("a better model")
    project.publish("v0.2.0")
    project.branch.fetch()
    assert first < set(project.git("ls-tree", "-r", "--name-only", "origin/deploy", ".dvcstore").splitlines())


def test_a_promotion_changes_one_file_and_names_the_release_that_it_replaces(project):
    for version in ("v0.1.0", "v0.2.0"):
        project.publish(version)
        project.promote(version)
    project.branch.fetch()
    assert "environments/staging.yaml" == project.git("diff", "--name-only", "origin/deploy~", "origin/deploy")
    message = project.git("log", "-1", "--format=%B", "origin/deploy")
    assert message.startswith("Promote v0.2.0 to staging\n")
    assert "Replaces: v0.1.0" in message


def test_a_promotion_quotes_the_results_about_its_own_release_only(project):
    project.publish("v0.1.0")
    verdict = {"gate": "answers", "outcome": "pass", "threshold": "at most 1e-06", "observed": "0.0 on 20 rows"}
    for job, version in (("smoke", "v0.1.0"), ("loadtest", "v0.0.9")):
        content = {
            "job": job,
            "started": "2026-01-01T00:00:00Z",
            "verdicts": [verdict],
            "evidence": {"release": version},
        }
        (project.root / "results").mkdir(exist_ok=True)
        (project.root / f"results/{job}.json").write_text(json.dumps(content))
    project.promote("v0.1.0", "production")
    message = project.git("log", "-1", "--format=%B", project.branch.head)
    assert "smoke: answers: pass" in message
    assert "loadtest" not in message


def gto(project) -> dict[str, Any]:
    """Return the model that `gto show` reads from the tags of `origin`."""
    project.git("fetch", "--quiet", "--tags")
    command = [sys.executable, "-m", "gto.cli", "show", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=project.root)
    (model,) = json.loads(done.stdout).values()
    return model


def test_gto_reads_versions_and_stages(project):
    project.publish("v0.1.0")
    project.publish("v0.2.0")
    project.promote("v0.1.0", "production")
    project.promote("v0.2.0", "staging")
    project.git("fetch", "--quiet", "--tags")
    model = gto(project)
    assert ("v0.2.0", {"production": "v0.1.0", "staging": "v0.2.0"}) == (model["version"], model["stage"])


@pytest.mark.parametrize("order", [["v0.1.0", "v0.2.0"], ["v0.2.0", "v0.1.0"]], ids=" then ".join)
def test_of_two_promotions_in_one_second_gto_shows_the_second(project, monkeypatch, order):
    project.publish("v0.1.0")
    project.publish("v0.2.0")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z")
    for version in order:
        project.promote(version, "production")
    assert {"production": order[1]} == gto(project)["stage"]


def test_a_promotion_is_later_than_one_from_a_clock_that_is_ahead(project, monkeypatch):
    project.publish("v0.1.0")
    project.publish("v0.2.0")
    with monkeypatch.context() as ahead:
        ahead.setenv("GIT_COMMITTER_DATE", "2090-01-01T00:00:00Z")
        project.promote("v0.1.0", "production")
    project.promote("v0.2.0", "production", CANARY)
    promotion.conclude(project.desired_state("production"), project.desired_state("production").read(), [])
    assert {"production": "v0.2.0"} == gto(project)["stage"]


def test_one_of_two_concurrent_promotions_wins_and_the_other_changes_nothing(project):
    project.publish("v0.1.0")
    project.publish("v0.2.0")
    slow, quick = project.desired_state("production"), project.desired_state("staging")
    quick.change(_content(1), "Promote v0.1.0 to staging", number=1)
    won = project.branch.head
    with pytest.raises(
        PushRaceError, match=r"another push changed deploy first \(non-fast-forward\); nothing was changed"
    ):
        slow.change(_content(1), "Promote v0.1.0 to production", number=1)
    assert won == project.branch.head
    assert "model#production#1" not in project.branch.tags


def test_one_of_two_concurrent_releases_gets_the_version(project):
    project.commit()
    late = project.build("v0.1.0")
    project.root.parent.joinpath("built").rename(project.root.parent / "late")
    project.publish("v0.1.0")
    with pytest.raises(DigestMismatchError, match="a version is never built twice"):
        publish.publish(project.root, project.root.parent / "late" / late.name, project.store)


def test_publishing_again_completes_a_killed_publication(project):
    project.commit()
    folder = project.build("v0.1.0")

    class Killed:
        def put(self, *_):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish.publish(project.root, folder, Killed())
    head = project.branch.head
    publish.publish(project.root, folder, project.store)
    assert (head, ["v0.1.0"]) == (project.branch.head, project.store.versions())


def test_a_release_that_never_reached_the_store_is_not_promoted(project):
    project.publish("v0.1.0")
    (project.store.root / "v0.1.0").rename(project.store.root / "elsewhere")
    with pytest.raises(NoReleaseError, match=r"v0\.1\.0: not in the store; run `slipway release publish` again"):
        project.promote("v0.1.0")
    assert project.desired_state("staging").read() is None


def test_production_gets_the_desired_release_of_staging_by_default(project):
    for version in ("v0.1.0", "v0.2.0"):
        project.publish(version)
    project.promote("v0.1.0", "staging")
    assert "v0.1.0" == promotion.promote(project.desired_state("production"), None, project.store).release
    assert "v0.2.0" == promotion.promote(project.desired_state("staging"), None, project.store).release


def test_promoting_the_desired_release_adds_no_commit(project):
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    head = project.branch.head
    project.promote("v0.1.0")
    assert head == project.branch.head


def test_a_promotion_only_goes_forward_and_a_rollback_goes_back(project):
    for version in ("v0.9.0", "v0.10.0"):
        project.publish(version)
    project.promote("v0.10.0")
    head = project.branch.head
    options = ["--environment", "staging", "--no-wait"]
    error = CliRunner().invoke(app, ["promote", *options, "--release", "v0.9.0"]).exception
    assert "staging: the desired release v0.10.0 is newer than v0.9.0; nothing was changed" in str(error)
    assert "to go back, run `slipway rollback --environment staging --to v0.9.0`" in str(error)
    assert head == project.branch.head
    assert 0 == CliRunner().invoke(app, ["rollback", *options, "--to", "v0.9.0"]).exit_code
    commit = project.branch.published("v0.10.0").built_from
    assert 0 == CliRunner().invoke(app, ["promote", *options], env={"SLIPWAY_RELEASE": commit}).exit_code
    assert "v0.10.0" == project.desired_state("staging").read().release


def test_a_run_promotes_the_release_of_its_commit_after_a_later_merge(project):
    commit = project.publish("v0.1.0").commit
    project.publish("v0.2.0")
    options = ["--environment", "staging", "--no-wait"]
    assert 0 == CliRunner().invoke(app, ["promote", *options], env={"SLIPWAY_RELEASE": commit}).exit_code
    assert "v0.1.0" == project.desired_state("staging").read().release


def test_a_commit_without_a_release_is_refused(project):
    project.publish("v0.1.0")
    commit = project.commit()
    with pytest.raises(NoReleaseError, match=f"{commit[:12]}: no release on origin was built from this commit"):
        project.promote(commit)


def test_a_rollback_is_a_revert_and_a_new_assignment_of_the_stage(project):
    for version in ("v0.1.0", "v0.2.0"):
        project.publish(version)
        project.promote(version)
    undone = project.branch.head
    promotion.rollback(project.desired_state("staging"), None, project.store)
    branch = project.branch
    assert "" == project.git("diff", branch.head, f"{undone}~2", "--", "environments/staging.yaml")
    assert f"This reverts commit {undone}" in project.git("log", "-1", "--format=%B", branch.head)
    assert branch.published("v0.1.0").commit == branch.tags["model#staging#3"]


def test_a_desired_release_is_promoted_again_only_after_a_rejection(project, capsys):
    project.publish("v0.1.0")
    desired, head = project.promote("v0.1.0"), project.branch.head
    for rejected in (None, desired.model_copy(update={"promotion": 7})):
        again = promotion.promote(project.desired_state("staging"), "v0.1.0", project.store, rejected=rejected)
        assert (desired, head) == (again, project.branch.head)
    assert "staging: v0.1.0 is already the desired release" in capsys.readouterr().out
    retried = promotion.promote(project.desired_state("staging"), "v0.1.0", project.store, rejected=desired)
    assert (desired.promotion + 1, head) == (retried.promotion, project.git("rev-parse", f"{project.branch.head}~1"))


def test_a_rollback_without_an_earlier_release_is_refused(project):
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    with pytest.raises(NoReleaseError, match="no earlier release to roll back to"):
        promotion.rollback(project.desired_state("staging"), None, project.store)


def test_a_commit_without_an_identity_names_the_user_who_merged(project, monkeypatch):
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    git = project.branch.git
    commit = git.commit(git.tree("HEAD", {"a": b"b"}), ["HEAD"], "Change")
    assert "octocat <octocat@users.noreply.github.com>" == git.run("log", "-1", "--format=%an <%ae>", commit)
