"""The link of the chain from a container image to its release: every fault is refused by name.

The base is an empty system whose Python compiles nothing; test_served_image.py builds and runs a real one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from slipway import output, results
from slipway.environment import manifests
from slipway.errors import ArgumentError, NoReleaseError, ToolError
from slipway.image import base, build, layers, platforms, publish, registry
from slipway.image import record as records
from slipway.image.layout import CONFIG_TYPE, LAYER_TYPE, MANIFEST_TYPE, Layout
from slipway.release import evidence, manifest
from slipway.release.signing import attestation, keys
from slipway.supply_chain import verification
from slipway.supply_chain.chain import BROKEN, HOLDS, NOT_CHECKED
from tests import images
from tests.delivery.conftest import git

VERSION = "v0.1.0"
TEMPLATE = f"# rendered\nimage: {manifests.IMAGE}\nrelease: {manifests.RELEASE}\ndigest: {manifests.DIGEST}\n"
REGISTRY = "registry.example/flights"


class Pushed:
    """A published release with an image in a folder, and an attacker who can write to both."""

    def __init__(self, project, folder: Path, base: str) -> None:
        self.project = project
        self.base = base
        self.folder = folder
        self.images = Layout(folder / "home/images")

    @property
    def record(self) -> records.ImageRecord:
        (only,) = records.read_all(self.project.store, VERSION)
        return only

    def record_in(self, name: str) -> records.ImageRecord:
        """Return the record of the image in a registry."""
        (only,) = [record for record in records.read_all(self.project.store, VERSION) if record.name == name]
        return only

    def blob(self, content: str) -> Path:
        """Return the blob of a layer by its content."""
        (layer,) = [layer for layer in self.record.layers if layer.content == content]
        return self.images.blob(layer.digest)

    def replace(self, config=lambda content: content, layer: bytes | None = None) -> None:
        """Replace image, tag and evidence by those of an image with another configuration or model, consistently."""
        old = self.record
        content = self.images.read_json(old.digest)
        settings = config(self.images.read_json(content["config"]["digest"]))
        if layer is not None:
            content["layers"][-1] = self.images.add(gzip.compress(layer), LAYER_TYPE)
            file = self.images.blob(content["layers"][-1]["digest"])
            settings["rootfs"]["diff_ids"][-1] = layers.diff_id(file)
        content["config"] = self.images.add_json(settings, CONFIG_TYPE)
        descriptor = self.images.add_json(content, MANIFEST_TYPE)
        self.images.name(descriptor, VERSION)
        self.evidence(old).unlink()
        new = old.model_copy(update={"image": f"{old.name}@{descriptor['digest']}"})
        self.evidence(new).write_bytes(records.as_json(new))

    def evidence(self, of: records.ImageRecord, suffix: str = records.SUFFIX) -> Path:
        return self.project.store.root / f"{VERSION}.evidence" / of.file(suffix)


@pytest.fixture
def pushed(project, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.delenv(publish.IMAGES, raising=False)
    (project.root / "deploy/rendered").mkdir(parents=True)
    (project.root / manifests.template_of("staging")).write_text(TEMPLATE)
    (project.root / ".gitignore").write_text("/build\n/data\n/model\n/results\n")
    release = project.publish(VERSION)
    base = images.base_of(tmp_path)
    publish.build_image(release.folder, base)
    publish.push_image(release.folder, None)
    return Pushed(project, tmp_path, base)


def image_link(capsys) -> dict[str, str]:
    """Return the link of the image from `slipway verify`."""
    capsys.readouterr()
    with output.session(["--json"]):
        verification.verify(VERSION, None, None)
    return {link["name"]: link for link in json.loads(capsys.readouterr().out)["links"]}["image"]


@pytest.fixture
def signed(pushed, monkeypatch, tmp_path):
    """Sign the image, whose base this machine would not make."""
    keys.make(pushed.project.root, tmp_path / "key.pem")
    monkeypatch.setenv(keys.SIGNING_KEY, str(tmp_path / "key.pem"))
    publish.push_image(pushed.project.root.parent / "built" / VERSION, None)
    return pushed


@pytest.mark.parametrize("reference", ["oci:other@sha256:0", "@sha256:0"], ids=["named", "of a distribution"])
def test_a_program_of_an_image_that_nobody_vouches_for_does_not_run(pushed, capsys, monkeypatch, reference):
    made = base.Base(pushed.images, [], ["sha256:1"], "@sha256:1")
    monkeypatch.setattr(base, "make", lambda _: made)
    record = pushed.record.model_copy(update={"base": reference})
    pushed.evidence(record).write_bytes(records.as_json(record))
    monkeypatch.setenv("XDG_CACHE_HOME", str(pushed.folder / "another cache"))
    (pushed.folder / "compiled").unlink()
    link = image_link(capsys)
    assert (NOT_CHECKED, False) == (link["outcome"], (pushed.folder / "compiled").exists())
    assert "nobody signed or attested it" in link["detail"]


def test_the_image_is_traced_to_the_files_of_its_release(signed, capsys):
    pushed = signed
    link = image_link(capsys)
    assert (HOLDS, pushed.record.image) == (link["outcome"], link["detail"].partition(": 3 layers")[0])
    labels = pushed.images.read_json(pushed.record.digest)["annotations"]
    release = manifest.digest_of(pushed.project.store.root / VERSION)
    assert (release, release) == (labels["slipway.release.digest"], pushed.record.release_digest)


def test_the_history_has_an_entry_for_each_layer(pushed):
    """podman and buildah cannot build on an image with layers and no history."""
    content = pushed.images.read_json(pushed.record.digest)
    config = pushed.images.read_json(content["config"]["digest"])
    assert ["base", *build.CONTENTS] == [entry["comment"] for entry in config["history"]]
    assert len(config["history"]) == len(content["layers"])


def test_the_bill_of_materials_refers_to_the_image(pushed):
    tag = f"{pushed.record.digest.replace(':', '-')}.sbom"
    content = pushed.images.read_json(pushed.images.named(tag)["digest"])
    assert pushed.record.digest == content["subject"]["digest"]
    assert b"{}" == pushed.images.read(content["layers"][0]["digest"])  # of the project's release


def tampered_layer(pushed):
    file = pushed.blob("model")
    file.write_bytes(file.read_bytes() + b"\0")
    return f"{pushed.record.layers[-1].digest}: content of the blob is "


def missing_layer(pushed):
    pushed.blob("packages").unlink()
    return f"{pushed.record.layers[1].digest}: blob is missing"


def other_model(pushed):
    archive = gzip.decompress(pushed.blob("model").read_bytes())
    pushed.replace(layer=archive.replace(b"a model", b"b model"))
    return "layer `model` of the image differs from the release: app/bento/src/model/model.onnx"


def moved_tag(pushed):
    pushed.images.name(pushed.images.named(f"{pushed.record.digest.replace(':', '-')}.sbom"), VERSION)
    return f"{pushed.record.name}:{VERSION}: the tag was moved to sha256:"


def deleted_tag(pushed):
    (pushed.images.folder / "index.json").unlink()
    return f"{pushed.record.name}:{VERSION}: the tag was moved to None"


def wrong_platform(pushed):
    pushed.replace(lambda content: content | {"architecture": "s390x"})
    return f"{pushed.record.image}: wrong platform linux/s390x"


def other_release(pushed):
    def config(content):
        content["config"]["Labels"]["slipway.release.digest"] = "sha256:0"
        return content

    pushed.replace(config)
    return "the image was built from release sha256:0"


def preloaded_library(pushed):
    def config(content):
        content["config"]["Env"].append("LD_PRELOAD=/tmp/evil.so")
        return content

    pushed.replace(config)
    return f"{pushed.record.image}: its configuration is not the one that the release builds"


def unlisted_archive(pushed):
    def config(content):
        content["rootfs"]["diff_ids"][-1] = f"sha256:{'0' * 64}"
        return content

    pushed.replace(config)
    return "layer 4 of the image: its archive is sha256:"


FAULTS = [
    *(tampered_layer, missing_layer, other_model, moved_tag, deleted_tag, wrong_platform),
    *(other_release, preloaded_library, unlisted_archive),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_of_the_image_is_refused_by_name(pushed, capsys, fault):
    expected = fault(pushed)
    link = image_link(capsys)
    assert BROKEN == link["outcome"], link
    assert link["detail"].startswith(expected), link


def test_an_image_without_a_required_attestation_is_refused(pushed, capsys, monkeypatch):
    monkeypatch.setenv(attestation.REQUIRED, "true")
    link = image_link(capsys)
    assert (BROKEN, True) == (link["outcome"], "has no attestation from GitHub" in link["detail"])


def test_a_stored_result_of_the_job_is_no_record_of_an_image(signed, capsys, tmp_path):
    """`release keep` stores results/image.json under a name that begins like those of the records."""
    with results.recorded("image", tmp_path) as result:
        result.evidence = results.Subject(release=VERSION)
    stored = evidence.store_results(signed.project.store, VERSION, tmp_path)
    assert [True] == [name.startswith("image-2") for name in stored[VERSION]]
    assert HOLDS == image_link(capsys)["outcome"]


def test_an_image_is_signed_with_the_key_of_its_release(pushed, capsys, monkeypatch, tmp_path):
    keys.make(pushed.project.root, tmp_path / "key.pem")
    link = image_link(capsys)
    assert (BROKEN, True) == (link["outcome"], "not signed; trusted keys" in link["detail"])
    monkeypatch.setenv(keys.SIGNING_KEY, str(tmp_path / "key.pem"))
    publish.push_image(pushed.project.root.parent / "built" / VERSION, None)
    link = image_link(capsys)
    assert (HOLDS, True) == (link["outcome"], "signed by" in link["detail"])


def test_a_signature_of_another_image_is_refused(pushed, capsys, monkeypatch, tmp_path):
    keys.make(pushed.project.root, tmp_path / "key.pem")
    monkeypatch.setenv(keys.SIGNING_KEY, str(tmp_path / "key.pem"))
    other = pushed.record.model_copy(update={"image": f"{pushed.record.name}@sha256:{'0' * 64}"})
    signed = records.sign(other, keys.signer())
    pushed.evidence(pushed.record, records.SIGNED).write_bytes(signed)
    link = image_link(capsys)
    assert (BROKEN, True) == (link["outcome"], "signature of a different release" in link["detail"])


def test_two_builds_have_the_same_digest(pushed, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another cache"))
    git(pushed.project.store.root, "clone", "--quiet", str(pushed.project.origin), "clone")
    monkeypatch.chdir(pushed.project.store.root / "clone")
    publish.build_image(pushed.project.store.root / VERSION, pushed.base)
    assert pushed.record.digest == Layout(publish.LAYOUT).named(VERSION)["digest"]


def test_an_image_is_not_checked_on_a_machine_that_builds_none(pushed, capsys, monkeypatch):
    monkeypatch.setattr(platforms.platform, "system", lambda: "Darwin")
    link = image_link(capsys)
    assert (NOT_CHECKED, False) == (link["outcome"], link["required"])
    assert link["detail"].startswith("Darwin x86_64: images are built on Linux")


def test_a_release_without_an_image_is_not_checked(project, capsys):
    project.publish(VERSION)
    assert NOT_CHECKED == image_link(capsys)["outcome"]


def test_an_unpublished_release_is_not_pushed(project, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = project.build(VERSION)
    publish.build_image(folder, images.base_of(tmp_path))
    with pytest.raises(NoReleaseError, match=r"v0\.1\.0: not in the store; run `slipway release publish` first"):
        publish.push_image(folder, None)


def test_a_release_keeps_the_image_that_was_pushed_first(pushed, tmp_path, capsys):
    record = pushed.record
    publish.build_image(Path("build/release"), pushed.base, VERSION)
    assert "already pushed" in capsys.readouterr().out
    (tmp_path / "other").mkdir()
    other = pushed.images.read_json(record.digest)
    other["annotations"]["another"] = "base"
    layout = Layout(publish.LAYOUT)
    layout.name(layout.add_json(other, MANIFEST_TYPE), VERSION)
    publish.push_image(Path("build/release"), None)
    assert (record.digest, record) == (pushed.images.named(VERSION)["digest"], pushed.record)


def test_no_image_is_built_where_none_is_requested(project, monkeypatch, capsys):
    monkeypatch.setenv(publish.IMAGES, "none")
    publish.build_image(Path("build/release"), None, VERSION)
    publish.push_image(Path("build/release"), None)
    assert 2 == capsys.readouterr().out.count("SLIPWAY_IMAGES=none: skipped; manifests name no image")
    assert not publish.LAYOUT.exists()


HTPASSWD = "ada:$2y$04$abcdefghijklmnopqrstuuelFIrj1X2I000XXMz7L1C/fhxasxOm2"  # bcrypt of `built-in`


def test_a_workflow_pushes_with_the_token_of_its_job(pushed, tool, tmp_path, monkeypatch):
    _ = tool("skopeo"), tool("docker-registry")
    (tmp_path / "htpasswd").write_text(f"{HTPASSWD}\n")
    built = pushed.project.root.parent / "built" / VERSION
    settings = {"auth": {"htpasswd": {"realm": "x", "path": str(tmp_path / "htpasswd")}}}
    with images.running_registry(tmp_path / "images", settings) as address:
        monkeypatch.setattr(registry, "GITHUB", address)
        monkeypatch.setenv(publish.IMAGES, f"{address}/team/model")
        monkeypatch.setenv("GITHUB_ACTOR", "ada")
        monkeypatch.setenv("GH_TOKEN", "another")
        with pytest.raises(ToolError, match="authentication required"):
            publish.push_image(built, None)
        monkeypatch.setenv("GH_TOKEN", "built-in")
        publish.push_image(built, None)
        assert pushed.record_in(f"{address}/team/model").digest == registry.resolve(f"{address}/team/model", VERSION)


FAKE_APT = """#!/bin/sh
case "$*" in
*-oDir::State::lists=*) ;;
*) echo "E: No packages found" >&2; exit 100 ;;
esac
echo "$0 $*" >> {log}
echo "  Depends: python3.12-minimal"
"""


def test_missing_lists_of_packages_are_fetched_for_the_base_alone(tmp_path, monkeypatch):
    for name in ("apt-get", "apt-cache"):
        (tmp_path / name).write_text(FAKE_APT.format(log=tmp_path / "log"))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    file = tmp_path / "layer.tar.gz"
    file.write_bytes(b"")
    layer = layers.Layer(file, f"sha256:{hashlib.sha256(b'').hexdigest()}", "sha256:1")
    monkeypatch.setattr(base.cache, "layer", lambda *_: layer)
    assert ["sha256:1"] == base.make(Layout(tmp_path / "layout")).diff_ids
    assert re.search(r"apt-get -oDir::State::lists=\S+ -oDir::Cache=\S+ update", (tmp_path / "log").read_text())


def test_a_push_without_a_build_names_the_command(project):
    with pytest.raises(ArgumentError, match=r"build/image: contains no image of v0\.1\.0; run `slipway image build`"):
        publish.push_image(project.publish(VERSION).folder, None)


def test_a_base_by_tag_is_refused(project):
    with pytest.raises(ArgumentError, match=r"--base python:3\.12: not an image by digest"):
        publish.build_image(project.publish(VERSION).folder, "python:3.12")


def test_a_promotion_writes_the_image_of_a_registry_into_the_manifests(pushed):
    path = manifests.path_of("staging")
    pushed.project.promote(VERSION)
    text = pushed.project.branch.text(path, pushed.project.branch.head)
    assert manifests.NO_IMAGE in text  # no cluster can pull from a folder
    remote = pushed.record.model_copy(update={"image": f"{REGISTRY}@{pushed.record.digest}"})
    pushed.evidence(remote).write_bytes(records.as_json(remote))
    pushed.project.promote(VERSION)
    text = pushed.project.branch.text(path, pushed.project.branch.head)
    assert f"image: {remote.image}\n" in text
    assert manifests.NO_IMAGE not in text
