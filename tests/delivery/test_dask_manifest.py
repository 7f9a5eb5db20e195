"""The cluster in `deploy/dask` satisfies the resource definition that the operator of Dask installs."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
LOCK = Path(__file__).parent / "kubernetes/dask.txt"
CACHE = ROOT / "build/dask-operator"  # not in git
DEFINITION = "dask_kubernetes/operator/deployment/helm/dask-kubernetes-operator/crds/daskcluster.yaml"
CLUSTER = yaml.safe_load((ROOT / "deploy/dask/cluster.yaml").read_text())


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """Return the operator's schema of a DaskCluster, which rejects unknown fields too."""
    cached = CACHE / LOCK.name
    if not cached.exists() or cached.read_bytes() != LOCK.read_bytes():
        shutil.rmtree(CACHE, ignore_errors=True)
        uv = Path(sys.executable).with_name("uv")
        command = [uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target", CACHE, "-r", LOCK]
        subprocess.run(command, check=True)
        shutil.copy(LOCK, cached)
    definition = yaml.load((CACHE / DEFINITION).read_text(), yaml.CSafeLoader)
    assert CLUSTER["kind"] == definition["spec"]["names"]["kind"]
    (version,) = definition["spec"]["versions"]
    assert CLUSTER["apiVersion"] == f"{definition['spec']['group']}/{version['name']}"
    return _strict(version["schema"]["openAPIV3Schema"]["properties"]["spec"])


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    closed = {"additionalProperties": False} if isinstance(node.get("properties"), dict) and "type" in node else {}
    return closed | {key: _strict(value) for key, value in node.items()}


def _errors(schema: dict[str, Any], spec: dict[str, Any]) -> str:
    return "\n".join(error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(spec))


def test_the_cluster_satisfies_the_definition_of_the_operator(schema):
    assert "" == _errors(schema, CLUSTER["spec"])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda spec: spec.pop("scheduler"), "'scheduler' is a required property"),
        (lambda spec: spec["worker"].update(replica=4), "'replica' was unexpected"),
        (lambda spec: spec["worker"]["spec"]["containers"][0].update(args="dask worker"), "is not of type 'array'"),
        (
            lambda spec: spec["worker"]["spec"]["containers"][0]["securityContext"].update(readOnlyRootFileSystem=True),
            "'readOnlyRootFileSystem' was unexpected",
        ),
        (lambda spec: spec["scheduler"]["service"]["ports"][0].pop("port"), "'port' is a required property"),
    ],
)
def test_an_invalid_field_violates_the_definition(schema, fault, message):
    spec = copy.deepcopy(CLUSTER["spec"])
    fault(spec)
    assert message in _errors(schema, spec)


@pytest.mark.parametrize("component", ["scheduler", "worker"])
def test_the_program_of_a_pod_accepts_its_arguments(component):
    program, *arguments = CLUSTER["spec"][component]["spec"]["containers"][0]["args"]
    done = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments, "--help"], capture_output=True, text=True, check=False
    )
    assert (0, True) == (done.returncode, f"dask {component}" in done.stdout), done.stderr
