"""Kubernetes manifests that a promotion writes to the branch `deploy`, next to the environment's file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from slipway.deployment import promotion
from slipway.environment import manifests
from slipway.environment.spec import EnvironmentFile
from slipway.errors import ArgumentError, MissingToolError, SettingError

ROOT = Path(__file__).parents[2]
MANIFESTS = "environments/staging/kubernetes.yaml"
KNATIVE = "environments/staging/knative/service.yaml"
IMAGE = f"ghcr.io/acme/flights@sha256:{'a' * 64}"
OTHER_IMAGE = f"ghcr.io/acme/flights@sha256:{'b' * 64}"


@pytest.fixture
def cluster(project):
    """A project with the folder `deploy/`."""
    shutil.copytree(ROOT / "deploy", project.root / "deploy")
    return project


def _promote(project, version: str, image: str | None = None, environment: str = "staging") -> EnvironmentFile:
    return promotion.promote(project.desired_state(environment), version, project.store, image)


def _read(project, path: str = MANIFESTS) -> str:
    return project.git("show", f"{project.branch.head}:{path}")


def _image(project, environment: str = "staging") -> str:
    documents = yaml.safe_load_all(_read(project, manifests.path_of(environment)))
    (deployment,) = [document for document in documents if document["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container["image"]


def test_a_promotion_is_one_commit_of_the_environments_file_and_the_manifests(cluster):
    cluster.publish("v0.1.0")
    _promote(cluster, "v0.1.0", IMAGE)
    head = cluster.branch.head
    changed = cluster.git("diff", "--name-only", f"{head}~", head).splitlines()
    assert ["environments/staging.yaml", KNATIVE, MANIFESTS] == changed


def test_the_manifests_have_image_version_and_digest_of_the_release(cluster):
    built = cluster.publish("v0.1.0")
    _promote(cluster, "v0.1.0", IMAGE)
    documents = yaml.safe_load_all(_read(cluster))
    (deployment,) = [document for document in documents if document["kind"] == "Deployment"]
    metadata = deployment["spec"]["template"]["metadata"]
    assert IMAGE == _image(cluster)
    assert "v0.1.0" == metadata["labels"]["app.kubernetes.io/version"]
    assert built.digest == metadata["annotations"]["slipway/digest"]


def test_the_service_for_knative_has_image_version_and_digest_of_the_release(cluster):
    built = cluster.publish("v0.1.0")
    _promote(cluster, "v0.1.0", IMAGE)
    service = yaml.safe_load(_read(cluster, KNATIVE))
    template = service["spec"]["template"]
    assert "slipway-staging" == service["metadata"]["name"]
    assert [IMAGE] == [container["image"] for container in template["spec"]["containers"]]
    assert "v0.1.0" == template["metadata"]["labels"]["app.kubernetes.io/version"]
    assert built.digest == template["metadata"]["annotations"]["slipway/digest"]


def test_a_service_for_knative_without_an_image_has_a_comment_and_cannot_be_pulled(cluster):
    cluster.publish("v0.1.0")
    _promote(cluster, "v0.1.0")
    text = _read(cluster, KNATIVE)
    assert "# NO IMAGE" in text
    assert manifests.IMAGE in text


def test_manifests_without_an_image_have_a_comment_and_cannot_be_pulled(cluster):
    cluster.publish("v0.1.0")
    _promote(cluster, "v0.1.0")
    assert "# NO IMAGE" in _read(cluster)
    assert manifests.IMAGE == _image(cluster)


def test_manifests_with_an_image_have_no_comment(cluster):
    cluster.publish("v0.1.0")
    _promote(cluster, "v0.1.0", IMAGE)
    assert "NO IMAGE" not in _read(cluster)


def test_production_gets_the_image_that_staging_had(cluster):
    cluster.publish("v0.1.0")
    _promote(cluster, "v0.1.0", IMAGE)
    _promote(cluster, "v0.1.0", environment="production")
    assert IMAGE == _image(cluster, "production")


def test_a_release_keeps_its_image_after_a_rollback(cluster):
    for version, image in (("v0.1.0", IMAGE), ("v0.2.0", OTHER_IMAGE)):
        cluster.publish(version)
        _promote(cluster, version, image)
    promotion.rollback(cluster.desired_state("staging"), "v0.1.0", cluster.store)
    assert IMAGE == _image(cluster)


def test_another_image_of_the_same_release_is_a_promotion(cluster):
    cluster.publish("v0.1.0")
    _promote(cluster, "v0.1.0", IMAGE)
    _promote(cluster, "v0.1.0", OTHER_IMAGE)
    assert OTHER_IMAGE == _image(cluster)


def test_an_image_by_tag_is_refused(cluster):
    cluster.publish("v0.1.0")
    with pytest.raises(ArgumentError, match=r"--image ghcr\.io/acme/flights:latest: not an image by digest"):
        _promote(cluster, "v0.1.0", "ghcr.io/acme/flights:latest")
    assert cluster.desired_state("staging").read() is None


@pytest.mark.parametrize("way", ["git revert", "slipway rollback"])
def test_a_rollback_restores_the_manifests_byte_for_byte(cluster, way):
    contents = []
    for version, image in (("v0.1.0", IMAGE), ("v0.2.0", OTHER_IMAGE)):
        cluster.publish(version)
        _promote(cluster, version, image)
        contents.append(_read(cluster))
    if way == "git revert":
        cluster.git("checkout", "--quiet", "-B", "undo", cluster.branch.head)
        cluster.git("revert", "--no-edit", "HEAD")
        cluster.git("push", "--quiet", "origin", "HEAD:deploy")
    else:
        promotion.rollback(cluster.desired_state("staging"), None, cluster.store)
    assert contents[0] != contents[1]
    assert contents[0] == _read(cluster)


def test_publishing_the_next_release_does_not_change_the_manifests(cluster):
    cluster.publish("v0.1.0")
    _promote(cluster, "v0.1.0", IMAGE)
    before = _read(cluster)
    cluster.publish("v0.2.0")
    assert before == _read(cluster)


def test_the_overlays_are_those_of_the_release_not_of_the_work_tree(cluster):
    cluster.publish("v0.1.0")
    (cluster.root / manifests.template_of("staging")).write_text("work in progress")
    _promote(cluster, "v0.1.0", IMAGE)
    assert IMAGE == _image(cluster)


def test_a_release_without_overlays_removes_the_manifests(cluster):
    cluster.publish("v0.1.0")
    _promote(cluster, "v0.1.0", IMAGE)
    shutil.rmtree(cluster.root / "deploy")
    cluster.publish("v0.2.0")
    _promote(cluster, "v0.2.0")
    assert "" == cluster.git("ls-tree", "--name-only", cluster.branch.head, MANIFESTS, KNATIVE)


@pytest.mark.parametrize("placeholder", [manifests.IMAGE, manifests.RELEASE, manifests.DIGEST])
@pytest.mark.parametrize("kind", manifests.KINDS, ids=["kubernetes", "knative"])
def test_templates_without_a_placeholder_are_refused(placeholder, kind):
    path = manifests.template_of("production", kind)
    template = (ROOT / path).read_text().replace(placeholder, "something")
    content = EnvironmentFile(release="v0.1.0", digest=f"sha256:{'c' * 64}", commit="d" * 40, promotion=1)
    with pytest.raises(SettingError, match=f"{path}: contains no {placeholder[:14]}.*; add it again in deploy/"):
        manifests.fill(template, "production", content, kind)


def test_an_edit_of_any_source_makes_the_rendered_overlays_stale(tmp_path):
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    assert manifests.is_current(tmp_path, "production")
    for folder in manifests.SOURCES:
        file = next(file for file in sorted((tmp_path / folder).rglob("*.yaml")))
        text = file.read_text()
        file.write_text(text + "# edited\n")
        assert not manifests.is_current(tmp_path, "production"), file
        file.write_text(text)
    assert manifests.is_current(tmp_path, "production")


def test_rendering_without_kubectl_is_a_one_line_error(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingToolError, match=r"^kubectl: not found, or older than 1\.30; `uv tool install "):
        manifests.render(tmp_path)
