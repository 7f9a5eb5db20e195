"""The canary on Kubernetes: the steps of params.yaml, each judged by a job that runs the code of the laptop's canary.

tests/service/test_canary_job.py compares the verdicts.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from slipway.environment import manifests
from slipway.image import build, packages
from slipway.serving import canary_job
from slipway.settings import read_settings

ROOT = Path(__file__).parents[2]
CANARY = read_settings(ROOT / "params.yaml").canary
DOCUMENTS = list(yaml.safe_load_all((ROOT / manifests.template_of("production")).read_text()))
ROLLOUT = next(document["spec"] for document in DOCUMENTS if document["kind"] == "Rollout")
STEPS = ROLLOUT["strategy"]["canary"]["steps"]
EXPERIMENTS = [step["experiment"] for step in STEPS if "experiment" in step]
TEMPLATE = next(document for document in DOCUMENTS if document["kind"] == "AnalysisTemplate")
JOB = TEMPLATE["spec"]["metrics"][0]["provider"]["job"]["spec"]
POD = JOB["template"]["spec"]
CONTAINER = POD["containers"][0]
DEPLOYMENT = next(document["spec"]["template"] for document in DOCUMENTS if document["kind"] == "Deployment")
DOCKERFILE = (ROOT / "src/slipway/serving/Dockerfile.j2").read_text()


def _named(kind: str, name: str) -> dict:
    return next(
        document["spec"] for document in DOCUMENTS if (document["kind"], document["metadata"]["name"]) == (kind, name)
    )


# --- steps ---


def test_the_steps_are_those_of_params_yaml():
    assert CANARY.steps == [step["setWeight"] for step in STEPS if "setWeight" in step]


def test_every_step_is_judged_before_the_next():
    assert ["setWeight", "experiment"] * len(CANARY.steps) == [next(iter(step)) for step in STEPS]


def test_canary_and_baseline_have_the_same_age_and_number():
    templates = [
        {template["name"]: (template["specRef"], template["replicas"]) for template in experiment["templates"]}
        for experiment in EXPERIMENTS
    ]
    assert [{"canary": ("canary", 1), "baseline": ("stable", 1)}] * len(CANARY.steps) == templates


def test_a_step_ends_with_its_analysis():
    for experiment in EXPERIMENTS:
        assert "duration" not in experiment
        assert [True] == [analysis["requiredForCompletion"] for analysis in experiment["analyses"]]


def test_a_step_passes_every_argument_of_the_template():
    required = {argument["name"] for argument in TEMPLATE["spec"]["args"] if "value" not in argument}
    for experiment in EXPERIMENTS:
        (analysis,) = experiment["analyses"]
        assert TEMPLATE["metadata"]["name"] == analysis["templateName"]
        values = {argument["name"]: argument["value"] for argument in analysis["args"]}
        assert {name: f"{{{{templates.{name}.replicaset.name}}}}" for name in required} == values


def test_the_pods_of_a_step_may_be_as_old_as_the_query_reaches_back():
    assert ROLLOUT["progressDeadlineSeconds"] == canary_job.START_SECONDS


# --- the job ---


def _arguments() -> list[str]:
    """Return the arguments of the job with those of Argo and the variables filled in."""
    filled = {"prometheus": "http://prometheus:9090", "canary": "slipway-1-canary", "baseline": "slipway-1-baseline"}
    values = [re.sub(r"\{\{args\.(\w+)\}\}", lambda match: filled[match[1]], text) for text in CONTAINER["args"]]
    return [value.replace("$(NAMESPACE)", "slipway-production") for value in values]


def test_the_job_runs_the_module_that_judges_with_arguments_that_it_accepts():
    python, option, module = CONTAINER["command"]
    assert "-m" == option
    assert canary_job.__name__ == module
    assert importlib.util.find_spec(module)
    assert f'"{python}"' in DOCKERFILE
    options = canary_job._parser().parse_args(_arguments())
    assert {
        "prometheus": "http://prometheus:9090",
        "namespace": "slipway-production",
        "canary": "slipway-1-canary",
        "baseline": "slipway-1-baseline",
    } == vars(options)


def test_an_unknown_argument_would_be_detected(capsys):
    with pytest.raises(SystemExit):
        canary_job._parser().parse_args([*_arguments(), "--stable=x"])
    assert "--stable" in capsys.readouterr().err


def test_every_argument_of_the_job_is_one_of_the_template():
    used = set(re.findall(r"\{\{args\.(\w+)\}\}", " ".join(CONTAINER["args"])))
    assert used == {argument["name"] for argument in TEMPLATE["spec"]["args"]}


def test_the_job_starts_where_the_image_has_the_code():
    workdir = re.findall(r"^WORKDIR (.+)$", DOCKERFILE, re.MULTILINE)[-1]
    assert f"COPY ./src {workdir}/src" in DOCKERFILE
    assert CONTAINER["workingDir"] == f"{workdir}/src"


def test_pods_and_job_fit_the_image_that_is_built():
    service = DEPLOYMENT["spec"]["containers"][0]
    assert build.USER == f"{POD['securityContext']['runAsUser']}:{POD['securityContext']['runAsGroup']}"
    assert {build.PORT} == {port["containerPort"] for port in service["ports"]}
    assert "command" not in service  # the entry point of the image, with other arguments
    assert f"/{packages.VENV}/bin/python" == CONTAINER["command"][0]
    assert f"/{build.BENTO}/src" == CONTAINER["workingDir"]


def test_the_job_has_the_image_and_the_rights_of_the_service():
    service = DEPLOYMENT["spec"]["containers"][0]
    assert manifests.IMAGE == CONTAINER["image"] == service["image"]
    assert CONTAINER["securityContext"] == service["securityContext"]
    for name in ("securityContext", "serviceAccountName", "automountServiceAccountToken", "enableServiceLinks"):
        assert DEPLOYMENT["spec"][name] == POD[name]


def test_a_job_that_could_not_judge_is_not_repeated():
    assert (0, "Never") == (JOB["backoffLimit"], POD["restartPolicy"])


def test_no_request_goes_to_the_job():
    labels = JOB["template"]["metadata"]["labels"]
    assert not _named("Service", "slipway")["selector"].items() <= labels.items()
    assert not _named("NetworkPolicy", "slipway")["podSelector"]["matchLabels"].items() <= labels.items()


def test_the_job_reaches_only_dns_and_prometheus():
    policy = _named("NetworkPolicy", "slipway-canary")
    assert policy["podSelector"]["matchLabels"] == JOB["template"]["metadata"]["labels"]
    assert [] == policy["ingress"]
    reached = {
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for rule in policy["egress"]
        for peer in rule["to"]
        for port in rule["ports"]
    }
    address = next(argument["value"] for argument in TEMPLATE["spec"]["args"] if "value" in argument)
    namespace, port = re.fullmatch(r"http://\w+\.(\w+)\.svc:(\d+)", address).groups()
    assert {(namespace, int(port)), ("kube-system", 53)} == reached
