"""`slipway score` uses the model of a stored release or the desired release of an environment, always verified."""

from __future__ import annotations

import pytest

from slipway.errors import ArgumentError, DigestMismatchError, NoReleaseError
from slipway.score import released


@pytest.mark.parametrize(("release", "environment"), [("v0.1.0", ""), (None, "staging")])
def test_a_release_is_fetched_by_version_or_by_environment(project, tmp_path, release, environment):
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    project.publish("v0.2.0")
    folder = released._fetch(release, environment, tmp_path / "scratch")
    assert ("a model", "v0.1.0") == ((folder / "model.onnx").read_text(), folder.parent.name)


def test_a_release_that_differs_from_the_published_one_is_refused(project, tmp_path):
    built = project.publish("v0.1.0")
    manifest = project.store.root / "v0.1.0/manifest.json"
    manifest.write_text(manifest.read_text() + "\n")
    with pytest.raises(
        DigestMismatchError, match=rf"v0\.1\.0: digest in the store is sha256:\w+, expected {built.digest}"
    ):
        released._fetch("v0.1.0", "", tmp_path / "scratch")


def test_an_environment_without_a_desired_release_is_named(project, tmp_path):
    project.publish("v0.1.0")
    with pytest.raises(NoReleaseError, match="production: nothing is deployed"):
        released._fetch(None, "production", tmp_path / "scratch")


def test_a_release_and_an_environment_are_mutually_exclusive(tmp_path):
    with pytest.raises(ArgumentError, match="--release and --environment are mutually exclusive"):
        released.main(tmp_path / "in.csv", tmp_path / "out.csv", None, "v0.1.0", "staging", None)
