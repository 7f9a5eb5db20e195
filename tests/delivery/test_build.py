"""What a release may be built from: the commit as it is, and the model that its pipeline wrote."""

from __future__ import annotations

import tomllib

import pytest

from slipway.errors import DigestMismatchError, MissingFileError, WorkTreeError
from slipway.release import manifest
from slipway.release.build import IMAGE_REQUIREMENTS, Source, _requirements, build, fetch_published
from slipway.serving.explanations import BACKGROUND
from tests.delivery import requirements_project
from tests.delivery.conftest import add_background


def test_an_edited_file_is_not_released_under_the_name_of_its_commit(project):
    (project.root / "params.yaml").write_text("seed: 2\n")
    with pytest.raises(WorkTreeError, match=r"params\.yaml: edited since commit"):
        build(project.root, project.root / "build/release")


def test_what_the_pipeline_wrote_may_differ_from_the_commit(project):
    (project.root / "metrics/evaluate.json").write_text("{}")
    (project.root / "dvc.lock").write_text((project.root / "dvc.lock").read_text() + "\n")
    assert project.git("rev-parse", "HEAD") == Source.read(project.root).commit


def test_a_model_that_differs_from_the_lock_is_not_released(project):
    (project.root / "model/model.onnx").write_text("another model")
    with pytest.raises(DigestMismatchError, match=r"model: MD5 is \w+\.dir, expected \w+\.dir from dvc\.lock"):
        build(project.root, project.root / "build/release")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("other rows", DigestMismatchError, r"build/background\.json: MD5 is \w+, expected \w+ from dvc\.lock"),
        (None, MissingFileError, r"build/background\.json: not found; run `slipway train`"),
    ],
)
def test_background_rows_that_differ_from_the_lock_are_not_released(content, error, message, project):
    add_background(project.root)
    project.commit()
    assert Source.read(project.root).background
    (project.root / BACKGROUND).unlink()
    if content:
        (project.root / BACKGROUND).write_text(content)
    with pytest.raises(error, match=message):
        Source.read(project.root)


def test_a_build_without_a_trained_model_names_the_command(project):
    (project.root / "dvc.lock").unlink()
    with pytest.raises(MissingFileError, match=r"dvc\.lock: not found; run `slipway train` first"):
        build(project.root, project.root / "build/release")


def test_the_release_of_a_commit_is_fetched_and_not_built_again(project, tmp_path):
    output = tmp_path / "again"
    assert fetch_published(project.root, output, lambda: project.store) is None
    built = project.publish("v0.1.0")
    assert built.digest == fetch_published(project.root, output, lambda: project.store).digest
    project.commit()
    assert fetch_published(project.root, output, lambda: project.store) is None


@pytest.mark.parametrize(("model_format", "expected"), [("onnx", []), ("skops", ["tiny-trees"])])
def test_a_model_that_imports_its_classes_is_released_with_the_packages_of_the_problem(
    model_format, expected, tmp_path
):
    context, folder = tmp_path / "context", tmp_path / "release"
    context.mkdir()
    requirements_project.lock(context)
    manifest.write(folder / "model/signature.json", {"format": model_format})
    _requirements(context, folder)
    locked = tomllib.loads((folder / manifest.LOCKED).read_text()).get("packages", [])
    assert expected == [package["name"] for package in locked]
    assert bool(expected) is (requirements_project.WHEEL in (context / IMAGE_REQUIREMENTS).read_text())
