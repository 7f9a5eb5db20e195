"""The bill of materials is valid CycloneDX, lists every file by hash and is reproducible."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import version

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from slipway.release import sbom
from tests.release_manifest import manifest

FACTS = manifest()
MODEL = {"model.onnx": "a" * 64, "signature.json": "b" * 64}
LOCKED = f"""
[[packages]]
name = "numpy"
version = "{version("numpy")}"
sdist = {{ url = "https://files.example/numpy.tar.gz", hashes = {{ sha256 = "{"1" * 64}" }} }}
wheels = [{{ url = "https://files.example/numpy.whl", hashes = {{ sha256 = "{"2" * 64}" }} }}]

[[packages]]
name = "pydantic"
version = "{version("pydantic")}"
wheels = [{{ url = "https://files.example/pydantic.whl", hashes = {{ sha256 = "{"3" * 64}" }} }}]

[[packages]]
name = "pyyaml"
version = "0.0.1"
wheels = [{{ url = "https://files.example/pyyaml.whl", hashes = {{ sha256 = "{"4" * 64}" }} }}]

[[packages]]
name = "never-heard-of"
version = "1.0"
wheels = [{{ url = "https://files.example/never.whl", hashes = {{ sha256 = "{"5" * 64}" }} }}]
"""


@pytest.fixture(scope="module")
def text() -> str:
    return sbom.render(FACTS, MODEL, LOCKED)


@pytest.fixture(scope="module")
def parts(text) -> dict[str, dict]:
    return {part["name"]: part for part in json.loads(text)["components"]}


def test_the_output_matches_the_schema_of_cyclonedx(text):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_schema_rejects_a_fault(text):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('"library"', '"lib"'))


def test_the_schema_rejects_an_invalid_url(text):
    """jsonschema checks the format of URLs with a grammar that tests/conftest.py loads on first use."""
    assert "https://files.example/" in text
    faulty = text.replace("https://files.example/", "https://[files.example/")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(faulty)


def test_the_output_is_reproducible(text):
    assert text == sbom.render(FACTS, MODEL, LOCKED)


def test_the_time_is_that_of_the_commit(text):
    assert "2026-01-01T22:00:00+00:00" == json.loads(text)["metadata"]["timestamp"]


@pytest.mark.parametrize(
    "other",
    [
        (manifest(commit="d" * 40), MODEL, LOCKED),
        (FACTS, {**MODEL, "model.onnx": "f" * 64}, LOCKED),
        (FACTS, MODEL, LOCKED.replace("0.0.1", "0.0.2")),
    ],
)
def test_a_different_release_has_a_different_serial_number(text, other):
    assert json.loads(text)["serialNumber"] != json.loads(sbom.render(*other))["serialNumber"]


def test_every_package_and_model_file_is_listed(parts):
    assert {package["name"] for package in tomllib.loads(LOCKED)["packages"]} | MODEL.keys() == parts.keys()


def test_every_installable_file_is_listed_by_hash(parts):
    files = {file["url"]: file["hashes"][0]["content"] for file in parts["numpy"]["externalReferences"]}
    assert {"https://files.example/numpy.tar.gz": "1" * 64, "https://files.example/numpy.whl": "2" * 64} == files


def test_the_model_is_listed_by_hash(parts):
    assert ("machine-learning-model", "a" * 64) == (
        parts["model.onnx"]["type"],
        parts["model.onnx"]["hashes"][0]["content"],
    )


def test_a_license_is_that_of_the_installed_version(parts):
    assert [{"license": {"id": "MIT", "acknowledgement": "declared"}}] == parts["pydantic"]["licenses"]


def test_a_version_that_is_not_installed_has_no_license(parts):
    assert ["licenses" in parts[name] for name in ("pyyaml", "never-heard-of")] == [False, False]


def test_the_release_depends_on_every_component(text, parts):
    (root,) = (edge for edge in json.loads(text)["dependencies"] if edge["ref"] == "release")
    assert sorted(part["bom-ref"] for part in parts.values()) == root["dependsOn"]
