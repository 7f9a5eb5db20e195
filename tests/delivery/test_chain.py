"""The chain from reviewed source to what runs: for each link a fault that breaks it, and no other."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from slipway import results
from slipway.delivery import manifests, release
from slipway.delivery.chain import chain, verification
from slipway.delivery.chain.chain import BROKEN, HOLDS, NOT_CHECKED
from slipway.delivery.environment_file import path_of
from slipway.delivery.store.folder import FolderStore
from slipway.delivery.trust import attestation, keys, signature
from slipway.delivery.versions import version_tag
from slipway.errors import UserError
from slipway.files import sha256
from slipway.git import Git
from tests.delivery import conftest

VERSION = "v0.1.0"
TEMPLATE = f"# rendered\nimage: {manifests.IMAGE}\nrelease: {manifests.RELEASE}\ndigest: {manifests.DIGEST}\n"
LOCK = f'[[package]]\nname = "a"\nversion = "1"\nsdist = {{ url = "x", hash = "sha256:{"a" * 64}" }}\n'


class Forger:
    """Who may write `deploy`, its tags and the store, and makes everything fit but one thing."""

    def __init__(self, project) -> None:
        self.project = project
        self.git = project.branch.git
        self.folder = project.store.root / VERSION
        self.facts = json.loads((self.folder / release.MANIFEST).read_text())
        self.tree: dict[str, bytes | None] = {}

    def write(self, name: str, text: str) -> None:
        """A file of the release."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def say(self, **inputs: str) -> None:
        """In the manifest."""
        self.facts["inputs"] |= inputs

    def install(self, text: str) -> None:
        """As pylock.toml."""
        self.write(release.LOCKED, text)
        self.say(requirements=sha256(self.folder / release.LOCKED))

    def seal(self) -> str:
        """Make the manifest fit the files; returns the digest."""
        (self.folder / release.MANIFEST).unlink()
        return release.seal(self.folder, {name: one for name, one in self.facts.items() if name != "files"}).digest

    def publish(self, onto: str | None = None) -> None:
        """Make a release commit, its tag and the environment's file fit the release as it is now."""
        branch = self.project.branch
        before = branch.published(VERSION)
        digest = self.seal()
        built_from = self.facts["commit"]
        body = f"Release {VERSION}\n\nDigest: {digest}\nBuilt-from: {built_from}\n"
        commit = self.git.commit(self.git.tree(before.commit, self.tree), [onto or branch.head], body)
        content = branch.read("staging").model_copy(update={"digest": digest, "commit": built_from})
        tag = self.git.tag(version_tag(VERSION), commit, "Release")
        self.push(tag, f"refs/tags/{version_tag(VERSION)}")
        head = self.git.commit(self.git.tree(branch.head, {}), [branch.head, *([] if onto else [commit])], "Merge")
        self.push(head, "refs/heads/deploy")
        self.project.branch.change("staging", content, "Promote", number=None)

    def change_deploy(self, path: str, content: bytes) -> None:
        head = self.project.branch.head
        self.push(self.git.commit(self.git.tree(head, {path: content}), [head], "Change"), "refs/heads/deploy")

    def push(self, one: str, name: str) -> None:
        self.git.run("push", "--quiet", "--force", "origin", f"{one}:{name}")


def another_source(forger):
    """A commit that nobody has merged; it has the same files."""
    commit = forger.facts["commit"]
    forger.facts["commit"] = forger.git.commit(f"{commit}^{{tree}}", [commit], "Not reviewed")
    forger.push(forger.facts["commit"], "refs/heads/topic")
    forger.publish()


def more_than_a_run_writes(forger):
    forger.tree["src/app.py"] = b"another service"
    forger.publish()


def a_file_too_many(forger):
    forger.tree[".github/workflows.yaml"] = b"name: no workflow\n"
    forger.publish()


def a_file_left_out(forger):
    forger.tree[".gitignore"] = None
    forger.publish()


def a_workflow_put_back(forger):
    forger.tree[conftest.WORKFLOW] = forger.git.run_bytes("show", f"{forger.facts['commit']}:{conftest.WORKFLOW}")
    forger.publish()


def a_tag_that_leads_elsewhere(forger):
    forger.publish(onto=forger.facts["commit"])


def another_digest_should_run(forger):
    text = forger.git.run("show", f"{forger.project.branch.head}:{path_of('staging')}")
    content = yaml.safe_load(text) | {"digest": f"sha256:{'e' * 64}"}
    kubernetes = manifests.fill(TEMPLATE, "staging", forger.project.branch.read("staging"))
    forger.change_deploy(path_of("staging"), yaml.safe_dump(content).encode())
    forger.change_deploy(manifests.path_of("staging"), kubernetes.replace(forger.seal(), content["digest"]).encode())


def a_flipped_byte(forger):
    forger.write("kind", "gooe")


def another_release_in_the_store(forger):
    forger.write("kind", "crash")
    forger.seal()


def a_manifest_of_another_version(forger):
    forger.facts["version"] = "v0.9.0"
    forger.publish()


def another_lock_in_the_release(forger):
    forger.write("dvc.lock", (forger.folder / "dvc.lock").read_text() + "\n")
    forger.publish()


def other_parameters(forger):
    forger.write("params.yaml", "seed: 2\n")
    forger.say(params=sha256(forger.folder / "params.yaml"))
    forger.publish()


def better_metrics(forger):
    forger.write("metrics/evaluate.json", '{"model": {"roc_auc": 0.99}}')
    forger.publish()


def other_data_in_the_manifest(forger):
    forger.say(data=f"{'e' * 32}.dir")
    forger.publish()


def other_data_in_the_lock(forger):
    lock = yaml.safe_load((forger.folder / "dvc.lock").read_text())
    lock["stages"]["all"]["deps"][0]["md5"] = f"{'e' * 32}.dir"
    forger.write("dvc.lock", yaml.safe_dump(lock))
    forger.tree["dvc.lock"] = yaml.safe_dump(lock).encode()
    forger.publish()


def another_model(forger):
    for name in ("model/model.onnx", "bento/src/model/model.onnx"):
        forger.write(name, "another model")
    forger.publish()


def another_model_for_dvc(forger):
    forger.tree["released/model/model.onnx"] = b"another model"
    forger.publish()


def an_artifact_elsewhere(forger):
    text = forger.git.run("show", f"{forger.project.branch.published(VERSION).commit}:dvc.yaml")
    forger.tree["dvc.yaml"] = text.replace("released/model", "docs").encode()
    forger.publish()


def another_service(forger):
    forger.write("bento/src/app.py", "another service")
    forger.publish()


def a_module_too_many(forger):
    forger.write("bento/src/json.py", "import os")
    forger.publish()


def another_model_in_the_service(forger):
    forger.write("bento/src/model/model.onnx", "another model")
    forger.publish()


def a_service_that_is_not_there(forger):
    shutil.rmtree(forger.folder / "bento")
    forger.publish()


def a_package_with_another_hash(forger):
    package = (
        f'[[packages]]\nname = "a"\nversion = "1"\nwheels = [{{ url = "x", hashes = {{ sha256 = "{"b" * 64}" }} }}]\n'
    )
    forger.install(f'lock-version = "1.0"\n{package}')
    forger.publish()


def a_package_from_elsewhere(forger):
    forger.install('[[packages]]\nname = "a"\nversion = "1"\nvcs = { type = "git", url = "https://example.org/a" }\n')
    forger.publish()


def a_package_without_a_hash_in_the_image(forger):
    forger.write("bento/env/python/requirements.txt", "# via b\nb==1\n")
    forger.publish()


def something_else_in_the_cluster(forger):
    text = forger.git.run("show", f"{forger.project.branch.head}:{manifests.path_of('staging')}")
    forger.change_deploy(manifests.path_of("staging"), text.replace("image.invalid", "image.example").encode())


FAULTS = {
    "source": [another_source],
    "record": [
        more_than_a_run_writes,
        a_file_too_many,
        a_file_left_out,
        a_workflow_put_back,
        a_tag_that_leads_elsewhere,
    ],
    "environment": [another_digest_should_run],
    "files": [a_flipped_byte],
    "digest": [another_release_in_the_store, a_manifest_of_another_version],
    "lock": [another_lock_in_the_release, other_parameters, better_metrics],
    "data": [other_data_in_the_manifest, other_data_in_the_lock],
    "model": [another_model, another_model_for_dvc, an_artifact_elsewhere],
    "code": [another_service, a_module_too_many, another_model_in_the_service, a_service_that_is_not_there],
    "packages": [a_package_with_another_hash, a_package_from_elsewhere, a_package_without_a_hash_in_the_image],
    "manifests": [something_else_in_the_cluster],
}


OTHER_RELEASES = [another_release_in_the_store, a_manifest_of_another_version]


@pytest.fixture(scope="module")
def promoted(tmp_path_factory):
    """Folder of a project with a release that staging should run; copied, because faults change all of it."""
    folder = tmp_path_factory.mktemp("promoted")
    with pytest.MonkeyPatch.context() as patch:
        conftest.settle(folder, patch)
        project = conftest.create(folder)
        patch.chdir(project.root)
        (project.root / "deploy/rendered").mkdir(parents=True)
        (project.root / manifests.template_of("staging")).write_text(TEMPLATE)
        (project.root / "uv.lock").write_text(LOCK)
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
    """Exit code of the verb, and its links by name."""
    code = verification.verify(None, "staging", None, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is (code == 0)
    return code, {link["name"]: link for link in told["links"]}


def outcomes(links, outcome: str) -> set[str]:
    return {name for name, link in links.items() if link["outcome"] == outcome}


def test_every_link_of_a_release_holds_that_can_be_checked(forger, capsys):
    code, links = walked(capsys)
    assert (0, set()) == (code, outcomes(links, BROKEN))
    assert {"image", "signature", "attestation"} == outcomes(links, NOT_CHECKED)


def test_a_forger_who_changes_nothing_breaks_nothing(forger, capsys):
    forger.publish()
    assert 0 == walked(capsys)[0]


@pytest.mark.parametrize(
    ("link", "fault"),
    [(link, fault) for link, faults in FAULTS.items() for fault in faults],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_a_fault_breaks_its_link_and_no_other(forger, capsys, link, fault):
    fault(forger)
    code, links = walked(capsys)
    assert (1, {link}) == (code, outcomes(links, BROKEN)), links
    if link == "files" or fault in OTHER_RELEASES:  # without the published release nothing else can be checked
        assert not outcomes(links, HOLDS) & {"files", "digest", "lock", "data", "model", "code", "packages"}
    else:
        assert set(chain.LINKS) - {link, "image", "signature", "attestation"} == outcomes(links, HOLDS)


def test_every_link_has_a_fault():
    assert chain.LINKS.keys() - {"image", "signature", "attestation"} == FAULTS.keys()


def test_what_cannot_be_checked_of_a_release_that_is_not_whole_does_not_count_as_held(forger, capsys):
    a_flipped_byte(forger)
    _, links = walked(capsys)
    unsure = {link["name"] for link in links.values() if link["outcome"] == NOT_CHECKED and link["required"]}
    assert {"digest", "lock", "data", "model", "code", "packages", "attestation"} >= unsure >= {"digest", "model"}
    assert "see `files`" in links["model"]["found"]
    assert links["files"]["found"].startswith("kind: SHA-256 is ")


def test_a_manifest_that_lacks_what_it_should_say_is_no_traceback(forger, capsys):
    del forger.facts["inputs"]
    forger.publish()
    code, links = walked(capsys)
    assert (1, {"lock", "data", "model", "packages"}) == (code, outcomes(links, BROKEN))
    assert "KeyError" in links["model"]["found"]


def test_an_image_is_named_and_said_to_be_unchecked(forger, capsys):
    content = forger.project.branch.read("staging").model_copy(update={"image": f"ghcr.io/a/b@sha256:{'c' * 64}"})
    forger.project.branch.change("staging", content, "Promote", number=None)
    code, links = walked(capsys)
    assert (0, NOT_CHECKED, HOLDS) == (code, links["image"]["outcome"], links["manifests"]["outcome"])
    assert "ghcr.io/a/b@sha256:" in links["image"]["found"]
    assert "gh attestation verify oci://ghcr.io/a/b@" in links["image"]["mend"]


def attest(forger, monkeypatch, said: str, *, required: bool) -> None:
    """Keep an attestation beside the release; `gh` prints `said`, or fails with it."""
    kept = forger.project.root.parent / attestation.NAME
    kept.write_text("{}")
    forger.project.store.add_evidence(VERSION, [kept])
    gh = kept.with_name("gh")
    gh.write_text(f"#!/bin/sh\n{said}\n")
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{gh.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/flights")
    monkeypatch.setenv(attestation.REQUIRED, str(required).lower())


REFUSES = "echo 'Error: verifying with issuer \"sigstore.dev\"' >&2; exit 1"


@pytest.mark.parametrize(
    ("said", "required", "expected"),
    [
        ("echo '[{}]'", True, (0, HOLDS)),
        ("echo '[{}]'", False, (0, HOLDS)),
        (REFUSES, True, (1, BROKEN)),
        (REFUSES, False, (0, NOT_CHECKED)),
        ("echo '[]'", True, (1, BROKEN)),
        ("echo", True, (1, BROKEN)),
    ],
)
def test_an_attestation_holds_if_gh_verifies_it_and_else_counts_where_it_is_required(
    forger, monkeypatch, capsys, said, required, expected
):
    attest(forger, monkeypatch, said, required=required)
    code, links = walked(capsys)
    assert expected == (code, links["attestation"]["outcome"])
    assert said != REFUSES or "sigstore.dev" in links["attestation"]["found"]


def test_without_an_attestation_a_release_is_not_held_where_one_is_required(forger, monkeypatch, capsys):
    monkeypatch.setenv(attestation.REQUIRED, "true")
    code, links = walked(capsys)
    assert (1, NOT_CHECKED) == (code, links["attestation"]["outcome"])
    assert "set the variable ATTEST to true" == links["attestation"]["mend"]


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
def test_the_repository_that_attests_is_that_of_origin(project, monkeypatch, address):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    project.git("remote", "set-url", "origin", address)
    assert "team/flights" == attestation._repository(Git(project.root))


def test_the_text_names_what_was_compared_and_the_mend(forger, capsys):
    another_service(forger)
    assert 1 == verification.verify(VERSION, None, None, as_json=False)
    said = capsys.readouterr().out
    assert "  BROKEN       code         each file of the service, with the commit and the model\n" in said
    assert "bento/src/app.py: not the same in the release and in the commit or the model" in said
    assert "  not checked  signature " in said
    assert "`slipway release key FILE` makes a pair" in said
    assert said.endswith("; broken: code; not checked: signature, attestation\n")


def test_what_was_found_is_recorded_as_a_gate(forger):
    verification.verify(None, None, "staging", as_json=False)
    result = json.loads((forger.project.root / "results/verify.json").read_text())
    assert [("chain", "pass")] == [(one["gate"], one["outcome"]) for one in result["verdicts"]]
    assert (VERSION, "staging") == (result["evidence"]["release"], result["evidence"]["environment"])


def test_before_a_promotion_to_production_it_is_the_release_of_staging_that_is_verified(forger, capsys):
    forger.project.publish("v0.2.0")
    for before, expected in (("staging", "v0.2.0"), ("production", VERSION)):
        verification.verify(None, None, before, as_json=True)
        assert expected == json.loads(capsys.readouterr().out)["release"]


def test_before_a_promotion_a_release_may_be_named(forger, capsys):
    forger.project.publish("v0.2.0")
    verification.verify(VERSION, None, "staging", as_json=True)
    assert VERSION == json.loads(capsys.readouterr().out)["release"]
    assert "staging" == results.read(Path("results"))["verify"].evidence["environment"]


@pytest.mark.parametrize(("version", "before"), [(VERSION, None), (None, "production"), (VERSION, "production")])
def test_more_than_one_way_to_name_a_release_is_refused(forger, version, before):
    with pytest.raises(UserError, match="--environment names the release; give neither a version nor --before"):
        verification.verify(version, "staging", before, as_json=False)


def test_an_environment_that_should_run_nothing_is_named(forger):
    with pytest.raises(UserError, match="production: nothing should run there yet"):
        verification.verify(None, "production", None, as_json=False)


def test_only_what_holds_is_signed(forger, tmp_path, monkeypatch, capsys):
    keys.make(forger.project.root, tmp_path / "key.pem")
    monkeypatch.setenv(keys.SIGNING_KEY, str(tmp_path / "key.pem"))
    another_service(forger)
    with pytest.raises(UserError, match=r"not signed, .*broken: code"):
        verification.sign(VERSION)
    assert [] == list(signature.of_release(forger.project.store, VERSION))


def test_a_release_from_before_the_key_is_signed_afterwards(forger, tmp_path, monkeypatch, capsys):
    keys.make(forger.project.root, tmp_path / "key.pem")
    monkeypatch.setenv(keys.SIGNING_KEY, str(tmp_path / "key.pem"))
    assert {"signature"} == outcomes(walked(capsys)[1], BROKEN)
    verification.sign(VERSION)
    capsys.readouterr()
    code, links = walked(capsys)
    assert (0, HOLDS) == (code, links["signature"]["outcome"])
