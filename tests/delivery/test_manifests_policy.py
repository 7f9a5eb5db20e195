"""Validation of `deploy/` by independent tools: kubectl, schemas of Kubernetes, types of Argo and Knative, and checkov.

The tools are installed from the lock files in `kubernetes/` on the first run, which requires npm and kubectl. Each
property is removed once, and a check must fail.
"""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from slipway.environment import manifests
from slipway.environment.deploy_branch import BRANCH
from slipway.environment.place import ENVIRONMENTS
from slipway.environment.spec import EnvironmentFile
from slipway.errors import ToolError
from slipway.local import npm
from slipway.serving import prediction_log
from slipway.serving.app import App

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
LOCKS = Path(__file__).parent / "kubernetes"
CACHE = ROOT / "build" / "kubernetes"  # not in git
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
CONTENT = EnvironmentFile(
    release="v1.2.3",
    digest=f"sha256:{'d' * 64}",
    commit="c" * 40,
    promotion=1,
    image=f"ghcr.io/acme/flights@sha256:{'a' * 64}",
)
KUBERNETES = ("1.30", "1.37")
"""Oldest and newest supported version; 1.30 is the first with `sleep` in preStop."""
needs_kubectl = pytest.mark.tool("kubectl")
Manifest = dict[str, Any]


def documents(environment: str) -> list[Manifest]:
    """Return the manifests that a promotion to `environment` writes."""
    template = (ROOT / manifests.template_of(environment)).read_text()
    return list(yaml.safe_load_all(manifests.fill(template, environment, CONTENT)))


def argocd() -> list[Manifest]:
    files = [file for file in (ROOT / "deploy/argocd").glob("*.yaml") if file.name != "kustomization.yaml"]
    return [yaml.safe_load(file.read_text()) for file in sorted(files)]


def single(objects: list[Manifest], kind: str) -> Manifest:
    """Return the only manifest of a kind, apart from those of the canary's job."""
    (manifest,) = [
        manifest
        for manifest in objects
        if manifest["kind"] == kind and manifest["metadata"]["name"] != "slipway-canary"
    ]
    return manifest


def with_job(objects: list[Manifest]) -> list[Manifest]:
    """Return the manifests, and the job that Argo Rollouts creates from each AnalysisTemplate."""
    jobs = [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "judge", "namespace": manifest["metadata"]["namespace"]},
            "spec": metric["provider"]["job"]["spec"],
        }
        for manifest in objects
        if manifest["kind"] == "AnalysisTemplate"
        for metric in manifest["spec"]["metrics"]
    ]
    return [*objects, *jobs]


def pod(objects: list[Manifest]) -> Manifest:
    return single(objects, "Deployment")["spec"]["template"]["spec"]


def container(objects: list[Manifest]) -> Manifest:
    return pod(objects)["containers"][0]


def _identity(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


@pytest.fixture
def kustomize(tool) -> Callable[[Path], list[Manifest]]:
    """Return a function that renders a folder with kubectl."""
    kubectl = tool("kubectl")

    def run(folder: Path) -> list[Manifest]:
        done = subprocess.run([kubectl, "kustomize", folder], check=True, capture_output=True, text=True)
        return sorted(yaml.safe_load_all(done.stdout), key=_identity)

    return run


@pytest.fixture(scope="session")
def types(tool) -> Path:
    """Folder with Argo's types for tsc."""
    tool("npm")
    return npm.install(LOCKS, CACHE / "types", "the types of Argo CD")


# --- kubectl ---


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_rendered_overlay_is_that_of_kubectl(kustomize, environment):
    rendered = yaml.safe_load_all((ROOT / manifests.template_of(environment)).read_text())
    assert kustomize(ROOT / "deploy/overlays" / environment) == sorted(rendered, key=_identity)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_promotion_fills_in_the_release_like_kustomize(kustomize, environment, tmp_path):
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    name, digest = CONTENT.image.split("@")
    labels = {"app.kubernetes.io/name": "slipway", "app.kubernetes.io/version": CONTENT.release}
    template = {"metadata": {"labels": labels, "annotations": {"slipway/digest": CONTENT.digest}}}
    patch = {"kind": "Deployment", "metadata": {"name": "slipway"}, "spec": {"template": template}}
    top = {
        "resources": [f"deploy/overlays/{environment}"],
        "images": [{"name": "image.invalid/slipway", "newName": name, "digest": digest}],
        "patches": [{"target": {"kind": "Deployment"}, "patch": json.dumps(patch)}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(top))
    assert kustomize(tmp_path) == sorted(documents(environment), key=_identity)


@needs_kubectl
def test_the_command_renders_the_committed_overlays(tmp_path):
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    shutil.rmtree(tmp_path / "deploy/rendered")
    written = manifests.render(tmp_path)
    assert [tmp_path / manifests.template_of(name) for name in ENVIRONMENTS] == written
    assert all(manifests.is_current(tmp_path, name) for name in ENVIRONMENTS)


@needs_kubectl
def test_an_error_of_kubectl_has_the_overlay(tmp_path):
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    (tmp_path / "deploy/base/service.yaml").unlink()
    with pytest.raises(ToolError, match=r"overlays/staging: .*service\.yaml"):
        manifests.render(tmp_path)


# --- schemas ---


def _schema_errors(tools: Path, file: Path, version: str) -> str:
    command = [tools / "kubernetes-validate", "--strict", "--no-warn", "--quiet", "-k", version, file]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else ""


def _native(objects: list[Manifest]) -> list[Manifest]:
    return [manifest for manifest in objects if "argoproj.io" not in manifest["apiVersion"]]


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_manifests_satisfy_the_schemas_of_kubernetes(tools, tmp_path, environment, version):
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(_native(with_job(documents(environment)))))
    assert "" == _schema_errors(tools, file, version)


def test_a_misspelled_field_violates_the_schema_of_kubernetes(tools, tmp_path):
    objects = _native(documents("staging"))
    container(objects)["securityContext"]["readOnlyRootFileSystem"] = True
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    assert "readOnlyRootFileSystem" in _schema_errors(tools, file, KUBERNETES[-1])


PACKAGES = {
    "AnalysisTemplate": "argo-rollouts",
    "Rollout": "argo-rollouts",
    "AppProject": "argo-cd",
    "Application": "argo-cd",
}


def knative(environment: str = "production") -> Manifest:
    """Return the service for Knative that a promotion writes."""
    template = (ROOT / manifests.template_of(environment, manifests.KNATIVE)).read_text()
    return yaml.safe_load(manifests.fill(template, environment, CONTENT, manifests.KNATIVE))


def _type_errors(types: Path, scratch: Path, objects: list[Manifest]) -> str:
    lines = []
    for number, manifest in enumerate(objects):
        kind = manifest["kind"]
        module = f"@kubernetes-models/{PACKAGES.get(kind, 'knative')}/{manifest['apiVersion']}/{kind}"
        lines += [f"import type {{ I{kind} as T{number} }} from '{module}';"]
        lines += [f"export const m{number}: T{number} = {json.dumps(manifest)};"]
    source = scratch / "manifests.ts"
    source.write_text("\n".join(lines))
    (scratch / "node_modules").symlink_to(types / "node_modules")
    tsc = types / "node_modules/.bin/tsc"
    flags = ["--noEmit", "--strict", "--skipLibCheck", "--module", "esnext", "--moduleResolution", "bundler"]
    return subprocess.run([tsc, *flags, source], check=False, capture_output=True, text=True).stdout


def test_the_manifests_of_argo_satisfy_its_types(types, tmp_path):
    objects = [manifest for manifest in documents("production") if "argoproj.io" in manifest["apiVersion"]]
    assert sorted(PACKAGES) == sorted({manifest["kind"] for manifest in [*objects, *argocd()]})
    assert "" == _type_errors(types, tmp_path, [*objects, *argocd()])


@pytest.mark.parametrize(
    ("kind", "fault", "message"),
    [
        ("Rollout", lambda spec: spec["strategy"]["canary"]["steps"].append({"setWeights": 90}), "setWeights"),
        ("Rollout", lambda spec: spec.update(revisionHistoryLimit="5"), "string"),
        ("AnalysisTemplate", lambda spec: spec["metrics"][0].pop("name"), "name"),
        ("Application", lambda spec: spec.pop("project"), "project"),
        ("AppProject", lambda spec: spec.update(sourceRepo="x"), "sourceRepo"),
    ],
)
def test_an_invalid_field_violates_the_types_of_argo(types, tmp_path, kind, fault, message):
    manifest = next(manifest for manifest in [*documents("production"), *argocd()] if manifest["kind"] == kind)
    fault(manifest["spec"])
    assert message in _type_errors(types, tmp_path, [manifest])


def test_the_service_for_knative_satisfies_its_types(types, tmp_path):
    assert "" == _type_errors(types, tmp_path, [knative()])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda spec: spec.update(containerConcurrency="64"), "string"),
        (lambda spec: spec["containers"][0].update(args="--port"), "string"),
        (lambda spec: spec.update(replicas=3), "replicas"),
    ],
)
def test_an_invalid_field_violates_the_types_of_knative(types, tmp_path, fault, message):
    service = knative()
    fault(service["spec"]["template"]["spec"])
    assert message in _type_errors(types, tmp_path, [service])


def knative_faults(service: Manifest) -> set[str]:
    """Return what the service for Knative lacks of what the pods in a cluster have."""
    template = service["spec"]["template"]
    (container,) = template["spec"]["containers"]
    pods, own = pod(documents("staging"))["containers"][0], container["securityContext"]
    expected = {key: value for key, value in pods["securityContext"].items() if key != "privileged"}
    user = {
        key: pod(documents("staging"))["securityContext"][key]
        for key in ("runAsNonRoot", "runAsUser", "seccompProfile")
    }
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    present = {
        "security": own != expected | user,
        "port": [entry["containerPort"] for entry in container["ports"]] != [pods["ports"][0]["containerPort"]],
        "limits": any(container["resources"][name].keys() < {"cpu", "memory"} for name in ("requests", "limits")),
        "probes": any(
            container.get(probe, {}).get("httpGet", {}).get("path") != pods[probe]["httpGet"]["path"]
            for probe in ("readinessProbe", "livenessProbe")
        ),
        "writable": mounted != {"/tmp"},  # noqa: S108  of the container
        "concurrency": template["spec"]["containerConcurrency"] != PARAMS["serving"]["max_concurrency"],
        "timeout": template["spec"]["timeoutSeconds"] <= 2 * PARAMS["serving"]["timeout_seconds"],
        "idle": template["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] != "0",
        "tag": "@sha256:" not in container["image"],
    }
    return {fault for fault, is_present in present.items() if is_present}


def test_the_service_for_knative_is_as_restricted_as_the_pods():
    assert set() == knative_faults(knative())


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("security", lambda spec: spec["containers"][0]["securityContext"].pop("readOnlyRootFilesystem")),
        ("security", lambda spec: spec["containers"][0]["securityContext"].update(runAsUser=0)),
        ("port", lambda spec: spec["containers"][0]["ports"][0].update(containerPort=8080)),
        ("limits", lambda spec: spec["containers"][0]["resources"]["limits"].pop("memory")),
        ("probes", lambda spec: spec["containers"][0].pop("readinessProbe")),
        ("writable", lambda spec: spec["containers"][0]["volumeMounts"].clear()),
        ("concurrency", lambda spec: spec.update(containerConcurrency=0)),
        ("timeout", lambda spec: spec.update(timeoutSeconds=10)),
        ("tag", lambda spec: spec["containers"][0].update(image="ghcr.io/acme/flights:latest")),
    ],
)
def test_a_weaker_service_for_knative_is_detected(name, fault):
    service = knative()
    fault(service["spec"]["template"]["spec"])
    assert {name} == knative_faults(service)


# --- hardening ---


def missing_properties(objects: list[Manifest]) -> set[str]:
    """Return the missing properties among those that checkov does not check."""
    kinds = {manifest["kind"] for manifest in objects}
    main, spec = container(objects), pod(objects)
    settings, log = PARAMS["serving"], PARAMS["serving"]["prediction_log"]
    startup, stop = main.get("startupProbe", {}), main.get("lifecycle", {}).get("preStop", {}).get("sleep", {})
    mounts = {mount["mountPath"]: mount["name"] for mount in main.get("volumeMounts", [])}
    volumes = {volume["name"]: volume.get("emptyDir", {}) for volume in spec.get("volumes", [])}
    environment = {entry["name"]: entry["value"] for entry in main["env"]}
    log_bytes = _bytes(
        volumes.get(mounts.get(environment.get(prediction_log.FOLDER_VARIABLE)), {}).get("sizeLimit", "0")
    )
    spread = {rule["topologyKey"] for rule in spec.get("topologySpreadConstraints", [])}
    enforced = single(objects, "Namespace")["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce")
    properties = {
        "start within agent.ready_seconds": startup.get("periodSeconds", 0) * startup.get("failureThreshold", 0)
        >= PARAMS["agent"]["ready_seconds"],
        "drain before SIGTERM": stop.get("seconds", 0) >= PARAMS["agent"]["drain_seconds"],
        "time for the slowest request": spec.get("terminationGracePeriodSeconds", 30)
        > stop.get("seconds", 0) + settings["timeout_seconds"],
        "spread over nodes": "kubernetes.io/hostname" in spread,
        "spread over zones": "topology.kubernetes.io/zone" in spread,
        "never root": spec.get("securityContext", {}).get("runAsNonRoot") is True,
        "writable /tmp": "sizeLimit" in volumes.get(mounts.get("/tmp"), {}),  # noqa: S108  of the container
        "BentoML's home is writable": environment.get("BENTOML_HOME", "").startswith("/tmp/"),  # noqa: S108
        "space for the prediction log": log_bytes >= log["files"] * log["file_bytes"],
        "restricted namespace": enforced == "restricted",
        **{kind: kind in kinds for kind in ("PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy")},
    }
    return {name for name, holds in properties.items() if not holds}


def _bytes(quantity: str) -> int:
    return int(quantity.removesuffix("Mi")) * 2**20


def _without(kind: str) -> Callable[[list[Manifest]], None]:
    return lambda objects: objects.remove(single(objects, kind))


def _pod_without(*path: str | int) -> Callable[[list[Manifest]], None]:
    def inject(objects: list[Manifest]) -> None:
        *above, last = path
        place = pod(objects)
        for step in above:
            place = place[step]
        place.pop(last)

    return inject


def _main_without(*path: str | int) -> Callable[[list[Manifest]], None]:
    return _pod_without("containers", 0, *path)


def _environment_without(name: str) -> Callable[[list[Manifest]], None]:
    return lambda objects: container(objects)["env"].remove(
        next(entry for entry in container(objects)["env"] if entry["name"] == name)
    )


FAULTS: dict[str, tuple[Callable[[list[Manifest]], Any], str]] = {
    "image by tag": (lambda objects: container(objects).update(image="ghcr.io/acme/flights:v1.2.3"), "CKV_K8S_43"),
    "image without tag": (lambda objects: container(objects).update(image="ghcr.io/acme/flights"), "CKV_K8S_14"),
    "may be root": (_pod_without("securityContext"), "CKV_K8S_23"),
    "root by the image": (_pod_without("securityContext", "runAsNonRoot"), "never root"),
    "user of a node": (lambda objects: pod(objects)["securityContext"].update(runAsUser=1034), "CKV_K8S_40"),
    "writable root": (_main_without("securityContext", "readOnlyRootFilesystem"), "CKV_K8S_22"),
    "capabilities": (_main_without("securityContext", "capabilities"), "CKV_K8S_37"),
    "privilege escalation": (_main_without("securityContext", "allowPrivilegeEscalation"), "CKV_K8S_20"),
    "privileged": (lambda objects: container(objects)["securityContext"].update(privileged=True), "CKV_K8S_16"),
    "no seccomp": (_pod_without("securityContext", "seccompProfile"), "CKV_K8S_31"),
    "token of the account": (_pod_without("automountServiceAccountToken"), "CKV_K8S_38"),
    "network of the node": (lambda objects: pod(objects).update(hostNetwork=True), "CKV_K8S_19"),
    "default namespace": (
        lambda objects: [manifest["metadata"].update(namespace="default") for manifest in objects],
        "CKV_K8S_21",
    ),
    "no CPU request": (_main_without("resources", "requests", "cpu"), "CKV_K8S_10"),
    "no CPU limit": (_main_without("resources", "limits", "cpu"), "CKV_K8S_11"),
    "no memory request": (_main_without("resources", "requests", "memory"), "CKV_K8S_12"),
    "no memory limit": (_main_without("resources", "limits", "memory"), "CKV_K8S_13"),
    "no liveness probe": (_main_without("livenessProbe"), "CKV_K8S_8"),
    "no readiness probe": (_main_without("readinessProbe"), "CKV_K8S_9"),
    "no network policy": (_without("NetworkPolicy"), "NetworkPolicy"),
    "no startup probe": (_main_without("startupProbe"), "start within agent.ready_seconds"),
    "no drain": (_main_without("lifecycle"), "drain before SIGTERM"),
    "killed while answering": (
        lambda objects: pod(objects).update(terminationGracePeriodSeconds=15),
        "time for the slowest request",
    ),
    "pods on one node": (_pod_without("topologySpreadConstraints", 0), "spread over nodes"),
    "pods in one zone": (_pod_without("topologySpreadConstraints", 1), "spread over zones"),
    "no /tmp": (_main_without("volumeMounts", 0), "writable /tmp"),
    "temporary files without end": (_pod_without("volumes", 0, "emptyDir", "sizeLimit"), "writable /tmp"),
    "home on the root": (_environment_without("BENTOML_HOME"), "BentoML's home is writable"),
    "no prediction log": (_environment_without(prediction_log.FOLDER_VARIABLE), "space for the prediction log"),
    "evicted by its log": (
        lambda objects: pod(objects)["volumes"][1]["emptyDir"].update(sizeLimit="100Mi"),
        "space for the prediction log",
    ),
    "any pod in the namespace": (
        lambda objects: single(objects, "Namespace")["metadata"].pop("labels"),
        "restricted namespace",
    ),
    "no disruption budget": (_without("PodDisruptionBudget"), "PodDisruptionBudget"),
    "no autoscaler": (_without("HorizontalPodAutoscaler"), "HorizontalPodAutoscaler"),
}


@pytest.fixture(scope="session")
def checkov(tools, tmp_path_factory) -> dict[str, set[str]]:
    """Failed and skipped checks by environment, and by fault of staging."""
    folder = tmp_path_factory.mktemp("manifests")
    for environment in ENVIRONMENTS:
        (folder / f"{environment}.yaml").write_text(yaml.safe_dump_all(with_job(documents(environment))))
    for name, (inject, _) in FAULTS.items():
        objects = copy.deepcopy(documents("staging"))
        inject(objects)
        _own_namespace(objects, name)
        (folder / f"{_slug(name)}.yaml").write_text(yaml.safe_dump_all(objects))
    command = [tools / "checkov", "--directory", folder, "--framework", "kubernetes", "--output", "json"]
    done = subprocess.run([*command, "--skip-download"], check=False, capture_output=True, text=True)
    results = json.loads(done.stdout)["results"]
    failures: dict[str, set[str]] = {file.stem: set() for file in folder.iterdir()}
    checked = {Path(check["file_path"]).stem for check in results["passed_checks"]}
    assert set(failures) == checked, "checkov read other files"
    for check in [*results["failed_checks"], *results["skipped_checks"]]:
        failures[Path(check["file_path"]).stem].add(check["check_id"])
    return failures


def _own_namespace(objects: list[Manifest], name: str) -> None:
    """Move the manifests to a separate namespace, because checkov searches for a NetworkPolicy in all files."""
    for manifest in objects:
        if manifest["metadata"].get("namespace") == "slipway-staging":
            manifest["metadata"]["namespace"] = _slug(name)


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_checkov_reports_and_skips_nothing(checkov, environment):
    assert set() == checkov[environment]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_property_is_missing(environment):
    assert set() == missing_properties(documents(environment))


@pytest.mark.parametrize("name", FAULTS)
def test_a_removed_property_fails_a_check(checkov, name):
    inject, expected = FAULTS[name]
    objects = copy.deepcopy(documents("staging"))
    inject(objects)
    assert expected in checkov[_slug(name)] | missing_properties(objects)


# --- consistency ---


def test_probes_and_scrapes_use_routes_of_the_service():
    app = App({"version": "v1.2.3"}, *[_Anything()] * 3, PARAMS["serving"])
    main = container(documents("production"))
    paths = {main[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    scraped = single(documents("production"), "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert {"/livez", "/readyz"} == paths
    assert {200} == {app._page(path, "GET", ())[0] for path in [*paths]}
    assert "/metrics" == scraped["prometheus.io/path"]


class _Anything:
    """Placeholder for objects that the pages of the service do not use."""

    def __getattr__(self, _: str) -> None:
        return None


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_all_selectors_match_the_pods_and_their_port(environment):
    objects = documents(environment)
    labels = single(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        single(objects, "Service")["spec"]["selector"],
        single(objects, "Deployment")["spec"]["selector"]["matchLabels"],
        single(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        single(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *[manifest["spec"]["selector"]["matchLabels"] for manifest in objects if manifest["kind"] == "Rollout"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert {"http"} == {port["targetPort"] for port in single(objects, "Service")["spec"]["ports"]}
    assert ["--host", "0.0.0.0", "--port", "3000"] == container(objects)["args"]  # noqa: S104  of the pod
    assert [{"name": "http", "containerPort": 3000}] == container(objects)["ports"]


def test_the_autoscaler_scales_the_owner_of_the_pods():
    targets = {
        environment: single(documents(environment), "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["kind"]
        for environment in ENVIRONMENTS
    }
    assert {"staging": "Deployment", "production": "Rollout"} == targets
    assert 0 == single(documents("production"), "Deployment")["spec"]["replicas"]


def test_argo_cd_follows_the_folder_of_promotions():
    for environment in ENVIRONMENTS:
        own = [manifest for manifest in argocd() if manifest["metadata"]["name"].endswith(environment)]
        spec = single(own, "Application")["spec"]
        assert (BRANCH, Path(manifests.path_of(environment)).parent.as_posix()) == (
            spec["source"]["targetRevision"],
            spec["source"]["path"],
        )
        assert single(documents(environment), "Namespace")["metadata"]["name"] == spec["destination"]["namespace"]


def test_argo_cd_may_create_the_kinds_of_promotions_and_no_others():
    project = single(argocd(), "AppProject")["spec"]
    allowed = {(rule["group"], rule["kind"]) for rule in project["namespaceResourceWhitelist"]}
    needed = {
        (manifest["apiVersion"].rpartition("/")[0], manifest["kind"])
        for environment in ENVIRONMENTS
        for manifest in documents(environment)
    }
    assert needed == allowed | {(rule["group"], rule["kind"]) for rule in project["clusterResourceWhitelist"]}
    assert {single(documents(name), "Namespace")["metadata"]["name"] for name in ENVIRONMENTS} == {
        place["namespace"] for place in project["destinations"]
    }


@needs_kubectl
def test_the_third_command_of_the_page_replaces_the_repository_everywhere():
    page = (ROOT / "docs/kubernetes.md").read_text()
    (command,) = [line.strip() for line in page.splitlines() if "kustomize deploy/argocd" in line]
    rendering, _, applying = command.rpartition(" | ")
    assert applying.endswith("apply -f -")
    done = subprocess.run(["sh", "-c", rendering], cwd=ROOT, check=True, capture_output=True, text=True)
    objects = list(yaml.safe_load_all(done.stdout))
    assert "OWNER" not in done.stdout
    assert ["AppProject", "Application", "Application"] == sorted(manifest["kind"] for manifest in objects)
    assert {"argocd"} == {manifest["metadata"]["namespace"] for manifest in objects}
