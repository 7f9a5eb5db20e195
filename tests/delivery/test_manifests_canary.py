"""The canary on Kubernetes: it has the steps of params.yaml, and its analysis uses metrics of the service.

The queries run in promtool if it is installed (Debian's package `prometheus`); a PromQL parser checks them everywhere.
"""

from __future__ import annotations

import math
import re
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from slipway.environment import manifests
from slipway.serving.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
CANARY = PARAMS["canary"]
DOCUMENTS = list(yaml.safe_load_all((ROOT / manifests.template_of("production")).read_text()))
STRATEGY = next(document["spec"]["strategy"]["canary"] for document in DOCUMENTS if document["kind"] == "Rollout")
METRICS = {
    metric["name"]: metric
    for document in DOCUMENTS
    if document["kind"] == "AnalysisTemplate"
    for metric in document["spec"]["metrics"]
}
QUERIES = {name: metric["provider"]["prometheus"]["query"] for name, metric in METRICS.items()}
SIGN_TESTS = ("latency", "predictions")
TARGET_LABELS = {"namespace", "pod"}  # that Prometheus adds in a cluster
NAN = math.nan


# --- steps and numbers ---


def test_the_steps_are_those_of_params_yaml():
    assert CANARY["steps"] == [step["setWeight"] for step in STRATEGY["steps"] if "setWeight" in step]


def test_every_step_is_judged_before_the_next():
    assert ["setWeight", "analysis"] * len(CANARY["steps"]) == [next(iter(step)) for step in STRATEGY["steps"]]


def test_the_margins_are_those_of_params_yaml():
    assert 1 + CANARY["latency_margin"] == _bound("latency")
    assert CANARY["prediction_shift"] == _bound("predictions")


@pytest.mark.parametrize("name", METRICS)
def test_a_step_has_the_duration_and_the_requests_of_params_yaml(name):
    evaluations, needed = METRICS[name]["count"], int(re.search(r">= (\d+)\n?$", QUERIES[name])[1])
    assert (evaluations - 1) * _seconds(METRICS[name]["interval"]) >= CANARY["step_seconds"]
    assert evaluations * needed >= CANARY["minimum_requests"]
    assert needed >= CANARY["window_requests"]


def test_the_false_alarm_rate_is_that_of_params_yaml():
    steps = len(CANARY["steps"])
    errors = steps * METRICS["errors"]["count"] * _bound("errors")
    signs = sum(steps * 0.5 ** METRICS[name]["count"] for name in SIGN_TESTS)
    assert errors + signs <= CANARY["false_alarms"]


def test_errors_abort_immediately_and_margins_only_if_every_evaluation_exceeds_them():
    limits = {name: (metric["failureLimit"], metric["inconclusiveLimit"]) for name, metric in METRICS.items()}
    assert {"errors": (0, 0), "latency": (9, 0), "predictions": (9, 0)} == limits
    assert {10} == {metric["count"] for metric in METRICS.values()}


def _bound(name: str) -> float:
    return float(METRICS[name]["failureCondition"].split()[-1])


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]


# --- conditions, as Argo Rollouts evaluates them ---


def _phase(name: str, result: list[float]) -> str:
    """Return the phase as `EvaluateResult` in Argo's utils/evaluate: failed, then inconclusive, then successful."""
    success, failure = (_holds(METRICS[name][f"{which}Condition"], result) for which in ("success", "failure"))
    if failure:
        return "Failed"
    return "Successful" if success else "Inconclusive"


def _holds(condition: str, result: list[float]) -> bool:
    form = r"len\(result\) == 1 && result\[0\] (<=|>=|<|>) ([0-9.]+)"
    operator, bound = re.fullmatch(form, condition).groups()
    compare = {"<=": float.__le__, ">=": float.__ge__, "<": float.__lt__, ">": float.__gt__}[operator]
    return len(result) == 1 and compare(result[0], float(bound))


@pytest.mark.parametrize(
    ("name", "result", "expected"),
    [
        ("errors", [1.0], "Successful"),
        ("errors", [0.0003], "Successful"),
        ("errors", [0.0002], "Failed"),
        ("errors", [0.0], "Failed"),
        ("latency", [1.2], "Successful"),
        ("latency", [1.3], "Failed"),
        ("latency", [math.inf], "Failed"),
        ("predictions", [0.19], "Successful"),
        ("predictions", [0.21], "Failed"),
        *[(name, result, "Inconclusive") for name in METRICS for result in ([], [NAN], [1.0, 1.0])],
    ],
)
def test_an_evaluation_passes_fails_or_is_inconclusive(name, result, expected):
    assert expected == _phase(name, result)


# --- metrics of the queries ---


def _filled(query: str) -> str:
    """Return the query with the arguments of Argo."""
    for name, value in {"namespace": "slipway-production", "canary": "new", "stable": "old"}.items():
        query = query.replace(f"{{{{args.{name}}}}}", value)
    return query


def _selectors(node: Any) -> Iterator[promql_parser.VectorSelector]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for below in ("lhs", "rhs", "expr", "vector_selector"):
        if hasattr(node, below):
            yield from _selectors(getattr(node, below))
    for argument in getattr(node, "args", []):
        yield from _selectors(argument)


def _exported() -> dict[str, set[str]]:
    """Return the labels of each exported metric, by name."""
    text = Metrics({"version": "v1.2.3", "commit": "c"}, {"task": "multiclass", "classes": ["a", "b"]}).text().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        name: {label for sample in samples if sample.name == name for label in sample.labels}
        for name in _names(samples)
    }


def _names(samples: list[Any]) -> set[str]:
    return {sample.name for sample in samples}


def _unknown(query: str) -> set[str]:
    """Return metrics and labels of the query that the service does not export."""
    exported, unknown = _exported(), set()
    for selector in _selectors(promql_parser.parse(_filled(query))):
        present = exported.get(selector.name)
        labels = {matcher.name for matcher in selector.matchers.matchers} - TARGET_LABELS
        unknown |= {selector.name} if present is None else {f"{selector.name}{{{label}}}" for label in labels - present}
    return unknown


@pytest.mark.parametrize("name", QUERIES)
def test_the_service_exports_the_metrics_of_the_queries(name):
    assert set() == _unknown(QUERIES[name])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("slipway_requests_total", "slipway_request_total", {"slipway_request_total"}),
        ("status!=", "code!=", {"slipway_requests_total{code}"}),
    ],
)
def test_a_query_for_a_missing_metric_is_detected(old, new, expected):
    assert expected == _unknown(QUERIES["errors"].replace(old, new))


@pytest.mark.parametrize("name", QUERIES)
def test_every_selector_is_bound_to_the_namespace_and_to_pods_of_the_rollout(name):
    for selector in _selectors(promql_parser.parse(_filled(QUERIES[name]))):
        matchers = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
        assert "slipway-production" == matchers["namespace"]
        assert matchers["pod"] in {"slipway-new-.+", "slipway-old-.+", "slipway-(new|old)-.+"}


def test_a_step_passes_every_argument_of_the_template():
    template = next(document for document in DOCUMENTS if document["kind"] == "AnalysisTemplate")
    required = {argument["name"] for argument in template["spec"]["args"] if "value" not in argument}
    for step in STRATEGY["steps"]:
        if "analysis" in step:
            assert [template["metadata"]["name"]] == [
                reference["templateName"] for reference in step["analysis"]["templates"]
            ]
            assert required == {argument["name"] for argument in step["analysis"]["args"]}


# --- error rates of the analysis of errors ---


def _chance(new: np.ndarray, new_failed: np.ndarray, old: np.ndarray, old_failed: np.ndarray) -> np.ndarray:
    """Return the result of the query `errors` for these counts."""
    return np.exp((new_failed + old_failed) * np.log(1 + 4 * new / (new + old)) - math.log(5) * new_failed)


def _runs(rates: tuple[float, float], fraction: float, requests: int, runs: int = 4000) -> np.ndarray:
    """Return the result of each evaluation of a step, of shape (runs, evaluations).

    There are `requests` per minute, and `fraction` of them go to the canary.
    """
    rng = np.random.default_rng(0)
    minutes = METRICS["errors"]["count"]
    new = np.cumsum(rng.binomial(requests, fraction, (runs, minutes)), axis=1)
    old = requests * np.arange(1, minutes + 1) - new
    fresh = [rng.binomial(np.diff(side, axis=1, prepend=0), rate) for side, rate in zip((new, old), rates, strict=True)]
    return _chance(new, np.cumsum(fresh[0], axis=1), old, np.cumsum(fresh[1], axis=1))


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.2])
@pytest.mark.parametrize("fraction", [0.2, 0.5])
def test_equal_error_rates_are_rarely_rolled_back(rate, fraction):
    alarms = (_runs((rate, rate), fraction, 600) < _bound("errors")).any(axis=1).mean()
    assert alarms <= METRICS["errors"]["count"] * _bound("errors")


def test_five_percent_of_errors_against_a_thousandth_are_detected_in_the_first_step():
    assert (_runs((0.05, 0.001), 0.2, 600) < _bound("errors")).any(axis=1).mean() > 0.999


# --- results of the queries in Prometheus ---

SCRAPE_SECONDS, SCRAPES = 15, 80


def _series(pod: str, steps: Mapping[str, float], namespace: str = "slipway-production") -> list[dict[str, str]]:
    """Return counters of a pod that increase by `steps` per scrape."""
    return [
        {"series": _labeled(name, f'namespace="{namespace}",pod="slipway-{pod}-x"'), "values": f"0+{step}x{SCRAPES}"}
        for name, step in steps.items()
    ]


def _labeled(name: str, labels: str) -> str:
    return name.replace("}", f",{labels}}}") if "{" in name else f"{name}{{{labels}}}"


def _counters(requests: float, failed: float = 0, seconds: float = 0.01, below: float = 0.5) -> dict[str, float]:
    """Return the increase per scrape.

    `seconds` is the mean duration of a request, and `below` the fraction of predictions up to 0.5.
    """
    return {
        'slipway_requests_total{status="200"}': requests - failed,
        'slipway_requests_total{status="500"}': failed,
        "slipway_request_seconds_sum": requests * seconds,
        "slipway_request_seconds_count": requests,
        'slipway_prediction_bucket{le="0.5"}': requests * below,
        'slipway_prediction_bucket{le="+Inf"}': requests,
        "slipway_prediction_count": requests,
    }


@pytest.fixture
def promtool(tool, tmp_path):
    """Return a function for the errors of promtool, which are empty if the expression has the expected samples."""
    return partial(_promtool, tool("promtool"), tmp_path)


def _promtool(
    program: str, folder: Path, series: list[dict[str, str]], expression: str, expected: list[dict[str, Any]]
) -> str:
    test = {"expr": expression, "eval_time": "15m", "exp_samples": expected}
    case = {"interval": f"{SCRAPE_SECONDS}s", "input_series": series, "promql_expr_test": [test]}
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "evaluation_interval": "1m", "tests": [case]}))
    done = subprocess.run([program, "test", "rules", file], check=False, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


OTHERS = [*_series("new", _counters(1000, 1000), "slipway-staging"), *_series("older", _counters(1000, 1000))]
"""Series that must not count: the same pods in staging, and the pods of a third release."""
CASES = {
    "errors, none": ("errors", _counters(20), _counters(80), 1.0),
    "errors, as many": ("errors", _counters(20, 2), _counters(80, 8), (1.8**5 / 5) ** 80),
    "errors, more": ("errors", _counters(20, 1), _counters(80, 0), (1.8 / 5) ** 40),
    "errors, fewer": ("errors", _counters(20, 0), _counters(80, 1), 1.8**40),
    "latency, equal": ("latency", _counters(20), _counters(80), 1.0),
    "latency, half as much again": ("latency", _counters(20, seconds=0.015), _counters(80), 1.5),
    "predictions, equal": ("predictions", _counters(20), _counters(80), 0.0),
    "predictions, shifted": ("predictions", _counters(20, below=0.2), _counters(80), 0.3),
}


@pytest.mark.parametrize("case", CASES)
def test_prometheus_returns_the_expected_number(promtool, case):
    name, new, old, expected = CASES[case]
    close = f"abs(({_filled(QUERIES[name])}) - {expected}) <= bool {1e-9 + 1e-6 * expected}"
    series = [*_series("new", new), *_series("old", old), *OTHERS]
    assert "" == promtool(series, close, [{"labels": "{}", "value": 1}])


@pytest.mark.parametrize("name", QUERIES)
@pytest.mark.parametrize(
    "series",
    [
        pytest.param(_series("old", _counters(80)), id="the canary is not scraped"),
        pytest.param([*_series("new", _counters(0)), *_series("old", _counters(80))], id="no request to the canary"),
        pytest.param([*_series("new", _counters(4)), *_series("old", _counters(80))], id="16 requests a minute"),
        pytest.param([], id="no metrics"),
    ],
)
def test_insufficient_data_is_inconclusive(promtool, name, series):
    assert "" == promtool([*series, *OTHERS], _filled(QUERIES[name]), [])
    assert "Inconclusive" == _phase(name, [])
