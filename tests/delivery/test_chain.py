"""The chain from reviewed source to a running release: every link has faults that break it and no other link."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from slipway import output, results
from slipway.environment import manifests
from slipway.environment.desired_state import DesiredState
from slipway.environment.spec import path_of
from slipway.environment.versions import version_tag
from slipway.errors import ArgumentError, NoReleaseError, RejectedError
from slipway.files import sha256
from slipway.git import Git
from slipway.release import manifest
from slipway.release.signing import attestation, keys, signature
from slipway.release.store.folder import FolderStore
from slipway.serving.explanations import BACKGROUND
from slipway.supply_chain import chain, verification
from slipway.supply_chain.chain import BROKEN, HOLDS, NOT_CHECKED
from tests.delivery import conftest

VERSION = "v0.1.0"
TEMPLATE = f"# rendered\nimage: {manifests.IMAGE}\nrelease: {manifests.RELEASE}\ndigest: {manifests.DIGEST}\n"
LOCK = f'[[package]]\nname = "a"\nversion = "1"\nsdist = {{ url = "x", hash = "sha256:{"a" * 64}" }}\n'


class Forger:
    """An attacker with write access to `deploy`, its tags and the store, who keeps all but one link consistent."""

    def __init__(self, project) -> None:
        self.project = project
        self.git = project.branch.git
        self.folder = project.store.root / VERSION
        self.facts = json.loads((self.folder / manifest.MANIFEST).read_text())
        self.tree: dict[str, bytes | None] = {}

    def write(self, name: str, text: str) -> None:
        """Write a file of the release."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def set_inputs(self, **inputs: str) -> None:
        """Change inputs in the manifest."""
        self.facts["inputs"] |= inputs

    def install(self, text: str) -> None:
        """Write `text` as pylock.toml and its hash into the manifest."""
        self.write(manifest.LOCKED, text)
        self.set_inputs(requirements=sha256(self.folder / manifest.LOCKED))

    def seal(self) -> str:
        """Write the manifest for the current files and return its digest."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file() and path.name != manifest.MANIFEST)
        hashes = {path.relative_to(self.folder).as_posix(): sha256(path) for path in files}
        manifest.write(self.folder / manifest.MANIFEST, {**self.facts, "files": hashes})
        return manifest.digest_of(self.folder)

    def publish(self, onto: str | None = None) -> None:
        """Push a release commit, tag and environment file that match the current release."""
        branch = self.project.branch
        before = branch.published(VERSION)
        digest = self.seal()
        built_from = self.facts["commit"]
        body = f"Release {VERSION}\n\nDigest: {digest}\nBuilt-from: {built_from}\n"
        commit = self.git.commit(self.git.tree(before.commit, self.tree), [onto or branch.head], body)
        content = DesiredState(branch, "staging").read().model_copy(update={"digest": digest, "commit": built_from})
        tag = self.git.tag(version_tag(VERSION), commit, "Release")
        self.push(tag, f"refs/tags/{version_tag(VERSION)}")
        head = self.git.commit(self.git.tree(branch.head, {}), [branch.head, *([] if onto else [commit])], "Merge")
        self.push(head, "refs/heads/deploy")
        self.project.desired_state("staging").change(content, "Promote", number=None)

    def change_deploy(self, path: str, content: bytes) -> None:
        head = self.project.branch.head
        self.push(self.git.commit(self.git.tree(head, {path: content}), [head], "Change"), "refs/heads/deploy")

    def push(self, object_id: str, name: str) -> None:
        self.git.run("push", "--quiet", "--force", "origin", f"{object_id}:{name}")


def unmerged_source(forger):
    """A commit with the same files that was never merged."""
    commit = forger.facts["commit"]
    forger.facts["commit"] = forger.git.commit(f"{commit}^{{tree}}", [commit], "Not reviewed")
    forger.push(forger.facts["commit"], "refs/heads/topic")
    forger.publish()


def changed_source_file(forger):
    forger.tree["src/app.py"] = b"another service"
    forger.publish()


def unexpected_file(forger):
    forger.tree[".github/workflows.yaml"] = b"name: no workflow\n"
    forger.publish()


def missing_file(forger):
    forger.tree[".gitignore"] = None
    forger.publish()


def workflow_file(forger):
    forger.tree[conftest.WORKFLOW] = forger.git.run_bytes("show", f"{forger.facts['commit']}:{conftest.WORKFLOW}")
    forger.publish()


def tag_off_the_branch(forger):
    forger.publish(onto=forger.facts["commit"])


def different_desired_digest(forger):
    text = forger.git.run("show", f"{forger.project.branch.head}:{path_of('staging')}")
    content = yaml.safe_load(text) | {"digest": f"sha256:{'e' * 64}"}
    desired = forger.project.desired_state("staging").read()
    forger.change_deploy(path_of("staging"), yaml.safe_dump(content).encode())
    for kind in manifests.KINDS:
        filled = manifests.fill(TEMPLATE, "staging", desired, kind).replace(forger.seal(), content["digest"])
        forger.change_deploy(manifests.path_of("staging", kind), filled.encode())


def flipped_byte(forger):
    forger.write("kind", "gooe")


def different_release_in_store(forger):
    forger.write("kind", "crash")
    forger.seal()


def manifest_of_another_version(forger):
    forger.facts["version"] = "v0.9.0"
    forger.publish()


def different_lock_file(forger):
    forger.write("dvc.lock", (forger.folder / "dvc.lock").read_text() + "\n")
    forger.publish()


def different_parameters(forger):
    forger.write("params.yaml", "seed: 2\n")
    forger.set_inputs(params=sha256(forger.folder / "params.yaml"))
    forger.publish()


def improved_metrics(forger):
    forger.write("metrics/evaluate.json", '{"model": {"roc_auc": 0.99}}')
    forger.publish()


def different_data_in_manifest(forger):
    forger.set_inputs(data=f"{'e' * 32}.dir")
    forger.publish()


def different_data_in_lock_file(forger):
    lock = yaml.safe_load((forger.folder / "dvc.lock").read_text())
    lock["stages"]["all"]["deps"][0]["md5"] = f"{'e' * 32}.dir"
    forger.write("dvc.lock", yaml.safe_dump(lock))
    forger.tree["dvc.lock"] = yaml.safe_dump(lock).encode()
    forger.publish()


def different_model(forger):
    for name in ("model/model.onnx", "bento/src/model/model.onnx"):
        forger.write(name, "another model")
    forger.publish()


def different_model_for_dvc(forger):
    forger.tree["released/model/model.onnx"] = b"another model"
    forger.publish()


def different_artifact_path(forger):
    text = forger.git.run("show", f"{forger.project.branch.published(VERSION).commit}:dvc.yaml")
    forger.tree["dvc.yaml"] = text.replace("released/model", "docs").encode()
    forger.publish()


def changed_service(forger):
    forger.write("bento/src/app.py", "another service")
    forger.publish()


def unexpected_module(forger):
    forger.write("bento/src/json.py", "import os")
    forger.publish()


def different_model_in_service(forger):
    forger.write("bento/src/model/model.onnx", "another model")
    forger.publish()


def different_background(forger):
    forger.write(f"bento/src/{BACKGROUND}", "other rows")
    forger.publish()


def missing_service(forger):
    shutil.rmtree(forger.folder / "bento")
    forger.publish()


def package_with_different_hash(forger):
    package = (
        f'[[packages]]\nname = "a"\nversion = "1"\nwheels = [{{ url = "x", hashes = {{ sha256 = "{"b" * 64}" }} }}]\n'
    )
    forger.install(f'lock-version = "1.0"\n{package}')
    forger.publish()


def package_from_git(forger):
    forger.install('[[packages]]\nname = "a"\nversion = "1"\nvcs = { type = "git", url = "https://example.org/a" }\n')
    forger.publish()


def package_without_hash_in_image(forger):
    forger.write("bento/env/python/requirements.txt", "# via b\nb==1\n")
    forger.publish()


def different_kubernetes_manifests(forger):
    _replace_image(forger, manifests.path_of("staging"))


def different_service_for_knative(forger):
    _replace_image(forger, manifests.path_of("staging", manifests.KNATIVE))


def _replace_image(forger, path: str) -> None:
    text = forger.git.run("show", f"{forger.project.branch.head}:{path}")
    assert "image.invalid" in text
    forger.change_deploy(path, text.replace("image.invalid", "image.example").encode())


FAULTS = {
    "source": [unmerged_source],
    "record": [changed_source_file, unexpected_file, missing_file, workflow_file, tag_off_the_branch],
    "environment": [different_desired_digest],
    "files": [flipped_byte],
    "digest": [different_release_in_store, manifest_of_another_version],
    "lock": [different_lock_file, different_parameters, improved_metrics],
    "data": [different_data_in_manifest, different_data_in_lock_file],
    "model": [different_model, different_model_for_dvc, different_artifact_path],
    "code": [changed_service, unexpected_module, different_model_in_service, different_background, missing_service],
    "packages": [package_with_different_hash, package_from_git, package_without_hash_in_image],
    "manifests": [different_kubernetes_manifests, different_service_for_knative],
}


WRONG_RELEASES = [different_release_in_store, manifest_of_another_version]


@pytest.fixture(scope="module")
def promoted(tmp_path_factory):
    """Return the folder of a project with a release promoted to staging; tests copy it, because faults change it."""
    folder = tmp_path_factory.mktemp("promoted")
    with pytest.MonkeyPatch.context() as patch:
        conftest.settle(folder, patch)
        project = conftest.create(folder)
        patch.chdir(project.root)
        (project.root / "deploy/rendered").mkdir(parents=True)
        (project.root / manifests.template_of("staging")).write_text(TEMPLATE)
        (project.root / "deploy/knative").mkdir()
        (project.root / manifests.template_of("staging", manifests.KNATIVE)).write_text(TEMPLATE)
        (project.root / "uv.lock").write_text(LOCK)
        conftest.add_background(project.root)
        project.publish(VERSION)
        project.promote(VERSION)
    return folder


@pytest.fixture
def forger(promoted, tmp_path, monkeypatch):
    shutil.copytree(promoted, tmp_path, dirs_exist_ok=True)
    conftest.settle(tmp_path, monkeypatch)
    project = conftest.Project(tmp_path / "project", tmp_path / "origin.git", FolderStore(tmp_path / "store"))
    project.git("remote", "set-url", "origin", str(project.origin))
    monkeypatch.chdir(project.root)
    return Forger(project)


def walked(capsys) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit status of `slipway verify` and its links by name."""
    with output.session(["--json"]):
        code = verification.verify(None, "staging", None)
    report = json.loads(capsys.readouterr().out)
    assert report["holds"] is (code == 0)
    return code, {link["name"]: link for link in report["links"]}


def outcomes(links, outcome: str) -> set[str]:
    return {name for name, link in links.items() if link["outcome"] == outcome}


def test_every_link_that_can_be_checked_holds(forger, capsys):
    code, links = walked(capsys)
    assert (0, set()) == (code, outcomes(links, BROKEN))
    assert {"image", "signature", "attestation"} == outcomes(links, NOT_CHECKED)


def test_republishing_without_a_fault_breaks_no_link(forger, capsys):
    forger.publish()
    assert 0 == walked(capsys)[0]


@pytest.mark.parametrize(
    ("link", "fault"),
    [(link, fault) for link, faults in FAULTS.items() for fault in faults],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_fault_breaks_its_link_and_no_other(forger, capsys, link, fault):
    fault(forger)
    code, links = walked(capsys)
    assert (1, {link}) == (code, outcomes(links, BROKEN)), links
    if link == "files" or fault in WRONG_RELEASES:  # without the published release nothing else can be checked
        assert not outcomes(links, HOLDS) & {"files", "digest", "lock", "data", "model", "code", "packages"}
    else:
        assert set(chain.LINKS) - {link, "image", "signature", "attestation"} == outcomes(links, HOLDS)


def test_every_link_has_a_fault():
    assert chain.LINKS.keys() - {"image", "signature", "attestation"} == FAULTS.keys()


def test_links_of_a_damaged_release_are_not_checked_and_do_not_hold(forger, capsys):
    flipped_byte(forger)
    _, links = walked(capsys)
    unchecked = {link["name"] for link in links.values() if link["outcome"] == NOT_CHECKED and link["required"]}
    depend = {"digest", "lock", "data", "model", "code", "packages", "image", "attestation"}
    assert depend >= unchecked >= {"digest", "model", "image"}
    assert "see `files`" in links["model"]["detail"]
    assert links["files"]["detail"].startswith("kind: SHA-256 is ")


def test_a_malformed_manifest_breaks_a_link_that_names_its_key(forger, capsys):
    del forger.facts["inputs"]
    forger.publish()
    code, links = walked(capsys)
    assert (1, {"files"}) == (code, outcomes(links, BROKEN))
    assert "manifest.json: manifest.inputs: missing" in links["files"]["detail"]
    assert NOT_CHECKED == links["model"]["outcome"]


def test_an_image_is_named_and_not_checked(forger, capsys):
    desired = forger.project.desired_state()
    content = desired.read().model_copy(update={"image": f"ghcr.io/a/b@sha256:{'c' * 64}"})
    desired.change(content, "Promote", number=None)
    code, links = walked(capsys)
    assert (0, NOT_CHECKED, HOLDS) == (code, links["image"]["outcome"], links["manifests"]["outcome"])
    assert "ghcr.io/a/b@sha256:" in links["image"]["detail"]
    assert "gh attestation verify oci://ghcr.io/a/b@" in links["image"]["remedy"]


def attest(forger, monkeypatch, script: str, *, required: bool) -> None:
    """Store an attestation of the release and install a fake `gh` that runs `script`."""
    bundle = forger.project.root.parent / attestation.NAME
    bundle.write_text("{}")
    forger.project.store.add_evidence(VERSION, [bundle])
    gh = bundle.with_name("gh")
    gh.write_text(f"#!/bin/sh\n{script}\n")
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{gh.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/flights")
    monkeypatch.setenv(attestation.REQUIRED, str(required).lower())


REFUSES = "echo 'Error: verifying with issuer \"sigstore.dev\"' >&2; exit 1"


@pytest.mark.parametrize(
    ("script", "required", "expected"),
    [
        ("echo '[{}]'", True, (0, HOLDS)),
        ("echo '[{}]'", False, (0, HOLDS)),
        (REFUSES, True, (1, BROKEN)),
        (REFUSES, False, (0, NOT_CHECKED)),
        ("echo '[]'", True, (1, BROKEN)),
        ("echo", True, (1, BROKEN)),
    ],
)
def test_an_attestation_holds_if_gh_verifies_it_and_fails_the_chain_only_if_required(
    forger, monkeypatch, capsys, script, required, expected
):
    attest(forger, monkeypatch, script, required=required)
    code, links = walked(capsys)
    assert expected == (code, links["attestation"]["outcome"])
    assert script != REFUSES or "sigstore.dev" in links["attestation"]["detail"]


def test_a_missing_attestation_fails_the_chain_if_required(forger, monkeypatch, capsys):
    monkeypatch.setenv(attestation.REQUIRED, "true")
    code, links = walked(capsys)
    assert (1, NOT_CHECKED) == (code, links["attestation"]["outcome"])
    assert "set the variable ATTEST to true" == links["attestation"]["remedy"]


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/team/flights.git",
        "https://github.com/team/flights",
        "git@github.com:team/flights.git",
        "ssh://git@github.com/team/flights.git/",
        "https://x:token@github.com/team/flights",
    ],
)
def test_the_attesting_repository_is_that_of_origin(project, monkeypatch, address):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    project.git("remote", "set-url", "origin", address)
    assert "team/flights" == attestation._repository(Git(project.root))


def test_the_output_names_the_comparison_the_difference_and_the_remedy(forger, capsys):
    changed_service(forger)
    assert 1 == verification.verify(VERSION, None, None)
    text = capsys.readouterr().out
    assert "  BROKEN       code         each file of the service against the commit and the model\n" in text
    assert "bento/src/app.py: differs between the release and the commit or the model" in text
    assert "  not checked  signature " in text
    assert "`slipway release key FILE` makes a key pair" in text
    assert text.endswith("; broken: code; not checked: image, signature, attestation\n")


def test_the_chain_is_recorded_as_a_gate(forger):
    verification.verify(None, None, "staging")
    result = json.loads((forger.project.root / "results/verify.json").read_text())
    assert [("chain", "pass")] == [(verdict["gate"], verdict["outcome"]) for verdict in result["verdicts"]]
    assert (VERSION, "staging") == (result["evidence"]["release"], result["evidence"]["environment"])


def test_before_a_promotion_to_production_the_release_of_staging_is_verified(forger, capsys):
    forger.project.publish("v0.2.0")
    for before, expected in (("staging", "v0.2.0"), ("production", VERSION)):
        with output.session(["--json"]):
            verification.verify(None, None, before)
        assert expected == json.loads(capsys.readouterr().out)["release"]


def test_before_a_promotion_a_release_may_be_named(forger, capsys):
    forger.project.publish("v0.2.0")
    with output.session(["--json"]):
        verification.verify(VERSION, None, "staging")
    assert VERSION == json.loads(capsys.readouterr().out)["release"]
    assert "staging" == results.read(Path("results"))["verify"].environment


@pytest.mark.parametrize(("version", "before"), [(VERSION, None), (None, "production"), (VERSION, "production")])
def test_an_environment_excludes_a_version_and_before(forger, version, before):
    with pytest.raises(ArgumentError, match="--environment selects the release; omit the version and --before"):
        verification.verify(version, "staging", before)


def test_an_environment_without_a_desired_release_is_named(forger):
    with pytest.raises(NoReleaseError, match="production: nothing is deployed"):
        verification.verify(None, "production", None)


def test_a_release_with_a_broken_link_is_not_signed(forger, tmp_path, monkeypatch, capsys):
    keys.make(forger.project.root, tmp_path / "key.pem")
    monkeypatch.setenv(keys.SIGNING_KEY, str(tmp_path / "key.pem"))
    changed_service(forger)
    with pytest.raises(RejectedError, match=r"not signed, .*broken: code"):
        verification.sign(VERSION)
    assert [] == list(signature.of_release(forger.project.store, VERSION))


def test_a_release_older_than_the_key_can_be_signed(forger, tmp_path, monkeypatch, capsys):
    keys.make(forger.project.root, tmp_path / "key.pem")
    monkeypatch.setenv(keys.SIGNING_KEY, str(tmp_path / "key.pem"))
    assert {"signature"} == outcomes(walked(capsys)[1], BROKEN)
    verification.sign(VERSION)
    capsys.readouterr()
    code, links = walked(capsys)
    assert (0, HOLDS) == (code, links["signature"]["outcome"])
