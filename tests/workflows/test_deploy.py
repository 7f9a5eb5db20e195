"""deploy.yaml and rollback.yaml as they are shipped, with services left out: what follows on what, and what is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from slipway.local import act
from tests import github_api
from tests.delivery import conftest
from tests.workflows.standing_in import OnGitHub

project = conftest.project
UV = """#!{python}
# Stands in for uv. What changes the desired state, and what tells of it, is real; other verbs only leave a result.
import json, os, pathlib, shutil, sys
REAL = ("cml", "release report", "release comment", *os.environ.get("REAL", "none").split(", "))
words = sys.argv[1:]
if words[:2] == ["python", "find"]:
    print(sys.executable)
if words[:2] != ["run", "slipway"]:
    sys.exit()
verb, *options = words[2:]
asked = " ".join(words[2:])
with open(os.environ["ASKED"], "a") as log:
    print(asked, file=log)
if asked == os.environ.get("FAULT"):
    reason, outcome = "a seeded fault", "fail"
elif asked == "release build":
    if "BUILT" in os.environ:
        shutil.copytree(os.environ["BUILT"], "build/release")
    pathlib.Path(os.environ["GITHUB_OUTPUT"]).write_text("built=true\\nrelease=" + os.environ["BUILDS"] + "\\n")
    reason, outcome = "", "pass"
elif verb in ("promote", "rollback") or asked.startswith(REAL):
    more = ["--no-wait"] if verb in ("promote", "rollback") else []
    os.execv(sys.executable, [sys.executable, "-m", "slipway.cli", verb, *options, *more])
else:
    reason, outcome = "", "pass"
job = options[0] if verb == "release" else verb
environment = {{"environment": options[1]}} if "--environment" in options else {{}}
verdict = {{"gate": "gate", "outcome": outcome, "threshold": "below 1", "observed": "0.5", "reason": reason}}
result = {{"job": job, "started": "2026-01-01T00:00:00Z", "verdicts": [verdict], "evidence": environment}}
if asked != "release keep":
    pathlib.Path("results").mkdir(exist_ok=True)
    pathlib.Path("results", job + ".json").write_text(json.dumps(result))
pathlib.Path("build/prepared").mkdir(parents=True, exist_ok=True)
pathlib.Path("build/prepared/test.parquet").touch()
sys.exit(outcome == "fail")
"""
GH = """#!{python}
# Stands in for GitHub's `gh` where that would ask Sigstore; everything else is the real one's.
import hashlib, json, os, pathlib, sys
if sys.argv[1:3] != ["attestation", "verify"]:
    os.execv({gh!r}, ["gh", *sys.argv[1:]])
pathlib.Path(os.environ["ASKED"]).with_name("gh").write_text(json.dumps(sys.argv[3:]))
bundle = json.loads(pathlib.Path(sys.argv[sys.argv.index("--bundle") + 1]).read_text())
if bundle["unsigned"] != "sha256:" + hashlib.sha256(pathlib.Path(sys.argv[3]).read_bytes()).hexdigest():
    sys.exit("Error: no attestation of this digest")
print("[{{}}]")
"""


class Deployment(OnGitHub):
    """A run of deploy.yaml on the newest commit of a project, of which v0.2.0 was built; production runs v0.1.0."""

    def __init__(self, project: conftest.Project, folder: Path, github: github_api.GitHub) -> None:
        super().__init__(project, folder, github)
        project.publish("v0.1.0")
        for environment in ("staging", "production"):
            project.promote("v0.1.0", environment)
        project.publish("v0.2.0")
        self.sha = project.git("rev-parse", "HEAD")
        self.stand_in("uv", UV.format(python=sys.executable))
        self.stand_in("gh", GH.format(python=sys.executable, gh=str(Path(sys.executable).parent / "gh")))

    def run(
        self,
        event: str = "push",
        reference: str = "refs/heads/main",
        *,
        workflow: str = "deploy.yaml",
        fault: str = "",
        approval: str = "",
        attest: bool = False,
        real: str = "",
        builds: str = "v0.2.0",
        **inputs: str,
    ) -> act.Run:
        env = {"FAULT": fault, "BUILDS": builds}
        env |= {"REAL": real, "BUILT": str(self.project.store.root / "v0.2.0")} if real else {}
        variables = {"STAGING_URL": "http://127.0.0.1:9", "PRODUCTION_URL": "http://127.0.0.1:9"}
        variables |= {"APPROVAL": approval, "ATTEST": str(attest).lower()}
        payload = {"ref": reference} | ({"after": self.sha} if event == "push" else {"inputs": inputs})
        return self.act(workflow, event, payload, env, variables)

    def overtake(self) -> None:
        """Publish a newer release, and let the next run be one of the commit before."""
        self.project.publish("v0.3.0")
        self.project.git("checkout", "--quiet", "--detach", self.sha)

    @property
    def runs(self) -> dict[str, str]:
        """Release of each environment, as git says."""
        branch = self.project.branch
        return {name: branch.read(name).release for name in ("staging", "production")}

    @property
    def comments(self) -> list[str]:
        return [comment["body"] for comment in self.github.comments.get(self.sha, [])]


@pytest.fixture
def deployment(project, tmp_path):
    with github_api.serve(tmp_path) as github:
        yield Deployment(project, tmp_path, github)


def _results(run: act.Run) -> dict[str, str]:
    return {name: job.result for name, job in run.jobs.items()}


@pytest.mark.parametrize(
    ("fault", "stopped"),
    [
        ("promote --environment staging", "staging: promote: gate"),
        ("smoke --environment staging", "staging: smoke: gate"),
        ("loadtest --environment staging", "staging: loadtest: gate"),
    ],
)
def test_what_fails_before_production_leaves_it_untouched_and_is_told(deployment, fault, stopped):
    run = deployment.run(fault=fault)
    stage = stopped.split(":")[0]
    assert ("failure", "skipped", "success") == tuple(_results(run)[job] for job in (stage, "production", "report"))
    assert "v0.1.0" == deployment.runs["production"]
    assert not [line for line in deployment.asked if "production" in line]
    (comment,) = deployment.comments
    assert comment.startswith(f"# ❌ Not deployed: {stopped}\n")
    assert "a seeded fault" in comment
    assert "Production should run **v0.1.0**; this deployment did not change that." in comment


def test_report_of_a_failed_build_names_the_gate(deployment):
    run = deployment.run(fault="train --fresh")
    assert {"build": "failure", "staging": "skipped", "production": "skipped", "report": "success"} == _results(run)
    (comment,) = deployment.comments
    assert comment.startswith("# ❌ Not deployed: build: train: gate\n")
    assert "a seeded fault" in comment


def test_a_release_that_is_not_what_was_published_stops_before_staging(deployment):
    (deployment.project.store.root / "v0.2.0/bento/src/app.py").write_text("another service")
    run = deployment.run(real="verify")
    assert ("failure", "skipped", "success") == tuple(_results(run)[job] for job in ("staging", "production", "report"))
    assert {"staging": "v0.1.0", "production": "v0.1.0"} == deployment.runs
    (comment,) = deployment.comments
    assert comment.startswith("# ❌ Not deployed: staging: verify: chain\n")
    assert "files: " in comment
    assert "bento/src/app.py: SHA-256 is" in comment


def test_what_github_attests_is_kept_beside_the_release_and_verified_before_each_promotion(deployment):
    run = deployment.run(attest=True, real="verify, release publish")
    assert run.succeeded
    assert {"staging": "v0.2.0", "production": "v0.2.0"} == deployment.runs
    assert ["attestation.sigstore.json"] == deployment.project.store.evidence_names("v0.2.0")
    manifest, *flags = json.loads((deployment.folder / "gh").read_text())
    assert manifest.endswith("/release/manifest.json")
    given = dict(zip(flags[::2], flags[1::2], strict=True))
    assert given.pop("--bundle").endswith("/attestation.sigstore.json")
    assert {
        "--repo": act.REPOSITORY,
        "--signer-workflow": f"{act.REPOSITORY}/.github/workflows/deploy.yaml",
        "--source-ref": "refs/heads/main",
        "--source-digest": deployment.sha,
        "--predicate-type": "https://slsa.dev/provenance/v1",
        "--format": "json",
    } == given


def test_each_run_promotes_the_release_that_it_built(deployment):
    """A newer run has published its release already when this one promotes."""
    deployment.overtake()
    assert deployment.run().succeeded
    assert {"staging": "v0.2.0", "production": "v0.2.0"} == deployment.runs


def test_a_run_that_was_overtaken_is_told_so_and_changes_nothing(deployment):
    """Its reviewers approved when a newer run was through, or its jobs were run again."""
    deployment.overtake()
    for environment in ("staging", "production"):
        deployment.project.promote("v0.3.0", environment)
    run = deployment.run()
    assert ("failure", "skipped", "success") == tuple(_results(run)[job] for job in ("staging", "production", "report"))
    assert {"staging": "v0.3.0", "production": "v0.3.0"} == deployment.runs
    assert "staging: should run v0.3.0, which is newer than v0.2.0; nothing was changed" in deployment.comments[0]


def test_with_manual_approval_a_push_ends_in_staging_and_a_run_by_hand_goes_on(deployment):
    run = deployment.run(approval="manual")
    assert ("success", "skipped", "success") == tuple(_results(run)[job] for job in ("staging", "production", "report"))
    assert {"staging": "v0.2.0", "production": "v0.1.0"} == deployment.runs
    assert deployment.comments[0].startswith("# ⏸ Staged: v0.2.0 passed")
    assert deployment.run("workflow_dispatch", approval="manual").succeeded
    assert {"staging": "v0.2.0", "production": "v0.2.0"} == deployment.runs
    (comment,) = deployment.comments
    assert comment.startswith("# ✅ Deployed: production runs v0.2.0")


def test_a_run_by_hand_on_another_branch_deploys_nothing(deployment):
    run = deployment.run("workflow_dispatch", "refs/heads/topic")
    assert {"skipped"} == set(_results(run).values())
    assert {"staging": "v0.1.0", "production": "v0.1.0"} == deployment.runs


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, {"staging": "v0.1.0", "production": "v0.2.0"}),
        ({"environment": "staging"}, {"staging": "v0.2.0", "production": "v0.3.0"}),
        ({"version": "v0.1.0"}, {"staging": "v0.1.0", "production": "v0.1.0"}),
    ],
)
def test_a_rollback_goes_to_the_release_before_or_to_the_one_that_is_named(deployment, inputs, expected):
    project = deployment.project
    project.publish("v0.3.0")
    for version in ("v0.2.0", "v0.3.0"):
        project.promote(version, "production")
    for version in ("v0.2.0", "v0.1.0"):
        project.promote(version, "staging")
    run = deployment.run("workflow_dispatch", workflow="rollback.yaml", **inputs)
    assert ({"rollback": "success"}, expected) == (_results(run), deployment.runs)


@pytest.mark.parametrize("version", ["v9.9.9", '"; touch canary; "', "$(touch canary)"])
def test_a_rollback_to_what_is_no_release_changes_nothing(deployment, version):
    head = deployment.project.branch.head
    run = deployment.run("workflow_dispatch", workflow="rollback.yaml", version=version)
    assert ({"rollback": "failure"}, head) == (_results(run), deployment.project.branch.head)
    assert "no such release on origin" in (run.folder / "rollback.log").read_text()
    assert [] == list(deployment.folder.rglob("canary"))
