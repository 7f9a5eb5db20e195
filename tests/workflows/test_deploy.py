"""The shipped deploy.yaml and rollback.yaml without services: the order of their jobs, and their reports."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from slipway.environment import manifests
from slipway.environment.desired_state import DesiredState
from slipway.image import record as records
from slipway.local import act
from tests import github_api, images, preloaded
from tests.delivery import conftest
from tests.workflows.standing_in import ActProject

project = conftest.project
UV = """#!{python} -IS
# A fake uv. Commands that change or report the desired state are real; other commands only write a result.
import os, sys
REAL = ("cml", "release report", "release comment", *os.environ.get("REAL", "none").split(", "))
words = sys.argv[1:]
if words[:2] == ["python", "find"]:
    print(sys.executable)
if words[:2] != ["run", "slipway"]:
    sys.exit()
import json, pathlib, shutil
command, *options = words[2:]
call = " ".join(words[2:])
with open(os.environ["CALLS"], "a") as log:
    print(call, file=log)
if call == os.environ.get("FAULT"):
    reason, outcome = "a seeded fault", "fail"
elif call == "release build" and "BUILT" in os.environ:
    shutil.copytree(os.environ["BUILT"], "build/release")
    pathlib.Path(os.environ["GITHUB_OUTPUT"]).write_text("built=true\\n")
    reason, outcome = "", "pass"
elif command in ("promote", "rollback") or call.startswith(REAL):
    more = ["--no-wait"] if command in ("promote", "rollback") else []
    os.execv("{preloaded}", ["python", "-m", "slipway.cli", command, *options, *more])
else:
    reason, outcome = "", "pass"
job = options[0] if command == "release" else {{"image build": "image", "image push": "push"}}.get(call, command)
environment = {{"environment": options[1]}} if "--environment" in options else {{}}
verdict = {{"gate": "gate", "outcome": outcome, "threshold": "below 1", "observed": "0.5", "reason": reason}}
result = {{"job": job, "started": "2026-01-01T00:00:00Z", "verdicts": [verdict], "evidence": environment}}
if call != "release keep":
    pathlib.Path("results").mkdir(exist_ok=True)
    pathlib.Path("results", job + ".json").write_text(json.dumps(result))
pathlib.Path("build/prepared").mkdir(parents=True, exist_ok=True)
pathlib.Path("build/prepared/test.parquet").touch()
sys.exit(outcome == "fail")
"""
GH = """#!{python} -IS
# A fake `gh` that replaces the verification by Sigstore; every other command runs the real one.
import os, sys
if sys.argv[1:3] != ["attestation", "verify"]:
    os.execv({gh!r}, ["gh", *sys.argv[1:]])
import hashlib, json, pathlib
pathlib.Path(os.environ["CALLS"]).with_name("gh").write_text(json.dumps(sys.argv[3:]))
bundle = json.loads(pathlib.Path(sys.argv[sys.argv.index("--bundle") + 1]).read_text())
if bundle["unsigned"] != "sha256:" + hashlib.sha256(pathlib.Path(sys.argv[3]).read_bytes()).hexdigest():
    sys.exit("Error: no attestation of this digest")
print("[{{}}]")
"""


class Deployment(ActProject):
    """A project whose newest commit has the release v0.2.0, while both environments desire v0.1.0."""

    def __init__(self, project: conftest.Project, folder: Path, github: github_api.GitHub) -> None:
        super().__init__(project, folder, github)
        project.publish("v0.1.0")
        for environment in ("staging", "production"):
            project.promote("v0.1.0", environment)
        project.publish("v0.2.0")
        self.sha, self.newest = project.git("rev-parse", "HEAD"), "v0.2.0"
        self.replace_tool("uv", UV.format(python=sys.executable, preloaded=preloaded.program()))
        self.replace_tool("gh", GH.format(python=sys.executable, gh=str(Path(sys.executable).parent / "gh")))

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
        registry: str = "",
        base: str = "",
        **inputs: str,
    ) -> act.WorkflowRun:
        env = {"FAULT": fault}
        env |= {"REAL": real, "BUILT": str(self.project.store.root / self.newest)} if real else {}
        variables = {"STAGING_URL": "http://127.0.0.1:9", "PRODUCTION_URL": "http://127.0.0.1:9"}
        variables |= {"APPROVAL": approval, "ATTEST": str(attest).lower()}
        variables |= {"SLIPWAY_IMAGES": registry, "SLIPWAY_IMAGE_BASE": base}
        payload = {"ref": reference} | ({"after": self.sha} if event == "push" else {"inputs": inputs})
        return self.act(workflow, event, payload, env, variables)

    def overtake(self) -> None:
        """Publish a newer release, and check out the previous commit for the next run."""
        self.project.publish("v0.3.0")
        self.project.git("checkout", "--quiet", "--detach", self.sha)

    @property
    def desired(self) -> dict[str, str]:
        """The desired release of each environment."""
        branch = self.project.branch
        return {name: DesiredState(branch, name).read().release for name in ("staging", "production")}

    @property
    def comments(self) -> list[str]:
        return [comment["body"] for comment in self.github.comments.get(self.sha, [])]


@pytest.fixture
def deployment(project, tmp_path):
    with github_api.serve(tmp_path) as github:
        yield Deployment(project, tmp_path, github)


def _results(run: act.WorkflowRun) -> dict[str, str]:
    return {name: job.result for name, job in run.jobs.items()}


@pytest.mark.parametrize(
    ("fault", "stopped"),
    [
        ("image push", "image: push: gate"),
        ("promote --environment staging", "staging: promote: gate"),
        ("smoke --environment staging", "staging: smoke: gate"),
        ("loadtest --environment staging", "staging: loadtest: gate"),
    ],
)
def test_failure_before_production_leaves_it_unchanged_and_is_reported(deployment, fault, stopped):
    run = deployment.run(fault=fault)
    stage = stopped.split(":")[0]
    assert ("failure", "skipped", "success") == tuple(_results(run)[job] for job in (stage, "production", "report"))
    assert "v0.1.0" == deployment.desired["production"]
    assert not [line for line in deployment.calls if "production" in line]
    (comment,) = deployment.comments
    assert comment.startswith(f"# ❌ Not deployed: {stopped}\n")
    assert "a seeded fault" in comment
    assert "Production should run **v0.1.0**; this deployment did not change that." in comment


def test_report_of_a_failed_build_names_the_gate(deployment):
    run = deployment.run(fault="train --fresh")
    skipped = dict.fromkeys(("image", "staging", "production"), "skipped")
    assert {"build": "failure", "report": "success"} | skipped == _results(run)
    (comment,) = deployment.comments
    assert comment.startswith("# ❌ Not deployed: build: train: gate\n")
    assert "a seeded fault" in comment


def test_corrupt_release_stops_before_staging(deployment):
    (deployment.project.store.root / "v0.2.0/bento/src/app.py").write_text("another service")
    run = deployment.run(real="verify")
    assert ("failure", "skipped", "success") == tuple(_results(run)[job] for job in ("staging", "production", "report"))
    assert {"staging": "v0.1.0", "production": "v0.1.0"} == deployment.desired
    (comment,) = deployment.comments
    assert comment.startswith("# ❌ Not deployed: staging: verify: chain\n")
    assert "files: " in comment
    assert "bento/src/app.py: SHA-256 is" in comment


def test_attestation_is_stored_with_the_release_and_verified_before_each_promotion(deployment):
    run = deployment.run(attest=True, real="verify, release publish")
    assert run.succeeded
    assert {"staging": "v0.2.0", "production": "v0.2.0"} == deployment.desired
    assert ["attestation.sigstore.json"] == deployment.project.store.evidence_names("v0.2.0")
    manifest, *flags = json.loads((deployment.folder / "gh").read_text())
    assert manifest.endswith("/release/manifest.json")
    options = dict(zip(flags[::2], flags[1::2], strict=True))
    assert options.pop("--bundle").endswith("/attestation.sigstore.json")
    assert {
        "--repo": act.REPOSITORY,
        "--signer-workflow": f"{act.REPOSITORY}/.github/workflows/deploy.yaml",
        "--source-ref": "refs/heads/main",
        "--source-digest": deployment.sha,
        "--predicate-type": "https://slsa.dev/provenance/v1",
        "--format": "json",
    } == options


@pytest.fixture
def imaged(deployment, tmp_path, monkeypatch):
    """A deployment whose releases have manifests for Kubernetes, with its cache and a base for images."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    template = f"# rendered\nimage: {manifests.IMAGE}\nrelease: {manifests.RELEASE}\ndigest: {manifests.DIGEST}\n"
    for environment in ("staging", "production"):
        file = deployment.project.root / manifests.template_of(environment)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(template)
    deployment.project.publish("v0.3.0")
    deployment.sha, deployment.newest = deployment.project.git("rev-parse", "HEAD"), "v0.3.0"
    return deployment, images.base_of(tmp_path)


def test_image_is_attested_and_verified_before_each_promotion(imaged, tmp_path):
    deployment, base = imaged
    options = {"real": "verify, release publish, image", "registry": f"oci:{tmp_path}/images", "base": base}
    run = deployment.run(attest=True, **options)
    assert run.succeeded
    assert {"staging": "v0.3.0", "production": "v0.3.0"} == deployment.desired
    store = deployment.project.store
    (record,) = records.read_all(store, "v0.3.0")
    bundle = json.loads(store.read_evidence("v0.3.0", record.file(records.ATTESTED)))
    assert {"unsigned": record.digest} == bundle
    assert f"v0.3.0: pushed as {record.image}" in (run.folder / "image.log").read_text()


def test_promotions_write_the_digest_of_the_pushed_image_into_the_manifests(imaged, tool, tmp_path):
    deployment, base = imaged
    _ = tool("skopeo"), tool("docker-registry")
    with images.running_registry(tmp_path) as address:
        options = {"real": "image", "registry": f"{address}/team/model", "base": base}
        assert deployment.run(**options).succeeded
        (record,) = records.read_all(deployment.project.store, "v0.3.0")
        again = deployment.run(**options)
    assert record.name == f"{address}/team/model"
    branch = deployment.project.branch
    for environment in ("staging", "production"):
        text = branch.text(manifests.path_of(environment), branch.head)
        assert f"image: {record.image}\n" in text
        assert manifests.NO_IMAGE not in text
    assert "already pushed" in (again.folder / "image.log").read_text()


def test_a_repository_without_images_deploys(imaged):
    deployment, _ = imaged
    run = deployment.run(real="image", registry="none")
    assert run.succeeded
    assert "SLIPWAY_IMAGES=none: skipped; manifests name no image" in (run.folder / "image.log").read_text()
    assert [] == records.read_all(deployment.project.store, "v0.3.0")


def test_every_run_promotes_its_own_release(deployment):
    """A newer run publishes its release before this one promotes."""
    deployment.overtake()
    assert deployment.run().succeeded
    assert {"staging": "v0.2.0", "production": "v0.2.0"} == deployment.desired


def test_overtaken_run_changes_nothing_and_reports_it(deployment):
    """Its reviewers approve after a newer run completes, or its jobs are re-run."""
    deployment.overtake()
    for environment in ("staging", "production"):
        deployment.project.promote("v0.3.0", environment)
    run = deployment.run()
    assert ("failure", "skipped", "success") == tuple(_results(run)[job] for job in ("staging", "production", "report"))
    assert {"staging": "v0.3.0", "production": "v0.3.0"} == deployment.desired
    assert "staging: the desired release v0.3.0 is newer than v0.2.0; nothing was changed" in deployment.comments[0]


def test_with_manual_approval_a_push_stops_at_staging_and_a_manual_run_continues(deployment):
    run = deployment.run(approval="manual")
    assert ("success", "skipped", "success") == tuple(_results(run)[job] for job in ("staging", "production", "report"))
    assert {"staging": "v0.2.0", "production": "v0.1.0"} == deployment.desired
    assert deployment.comments[0].startswith("# ⏸ Staged: v0.2.0 passed")
    assert deployment.run("workflow_dispatch", approval="manual").succeeded
    assert {"staging": "v0.2.0", "production": "v0.2.0"} == deployment.desired
    (comment,) = deployment.comments
    assert comment.startswith("# ✅ Deployed: production runs v0.2.0")


def test_manual_run_on_another_branch_deploys_nothing(deployment):
    run = deployment.run("workflow_dispatch", "refs/heads/topic")
    assert {"skipped"} == set(_results(run).values())
    assert {"staging": "v0.1.0", "production": "v0.1.0"} == deployment.desired


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, {"staging": "v0.1.0", "production": "v0.2.0"}),
        ({"environment": "staging"}, {"staging": "v0.2.0", "production": "v0.3.0"}),
        ({"version": "v0.1.0"}, {"staging": "v0.1.0", "production": "v0.1.0"}),
    ],
)
def test_rollback_restores_the_previous_or_the_given_release(deployment, inputs, expected):
    project = deployment.project
    project.publish("v0.3.0")
    for version in ("v0.2.0", "v0.3.0"):
        project.promote(version, "production")
    for version in ("v0.2.0", "v0.1.0"):
        project.promote(version, "staging")
    run = deployment.run("workflow_dispatch", workflow="rollback.yaml", **inputs)
    assert ({"rollback": "success"}, expected) == (_results(run), deployment.desired)


@pytest.mark.parametrize("version", ["v9.9.9", '"; touch canary; "', "$(touch canary)"])
def test_rollback_to_an_unknown_release_changes_nothing(deployment, version):
    head = deployment.project.branch.head
    run = deployment.run("workflow_dispatch", workflow="rollback.yaml", version=version)
    assert ({"rollback": "failure"}, head) == (_results(run), deployment.project.branch.head)
    assert "no such release on origin" in (run.folder / "rollback.log").read_text()
    assert [] == list(deployment.folder.rglob("canary"))
