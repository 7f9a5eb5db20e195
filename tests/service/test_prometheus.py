"""Rules and dashboard use exported metrics, and the rules fire in a Prometheus that scrapes a service."""

from __future__ import annotations

import json
import re
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from slipway.serving.metrics import Metrics
from slipway.serving.run import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
PARAMS = yaml.safe_load((FOLDER.parents[1] / "params.yaml").read_text())
RULES = {rule["alert"]: rule for rule in yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"][0]["rules"]}
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
TARGET_LABELS = {"job", "instance"}  # that Prometheus adds to each sample
ALERT_TIMEOUT_SECONDS = 60  # an alert takes 10 s on an idle machine
TASKS = ({"task": "binary"}, {"task": "multiclass", "classes": ["a", "b"]}, {"task": "regression"})


def _expressions() -> dict[str, str]:
    panels = {f"panel {panel['title']}": panel["targets"] for panel in DASHBOARD["panels"]}
    targets = {f"{name} {target['refId']}": target["expr"] for name, group in panels.items() for target in group}
    annotations = {f"annotation {item['name']}": item["expr"] for item in DASHBOARD["annotations"]["list"]}
    filled = {
        name: text.replace("$job", "slipway").replace("$__rate_interval", "1m")
        for name, text in (targets | annotations).items()
    }
    return {name: rule["expr"] for name, rule in RULES.items()} | filled


def _walk(node: Any) -> Iterator[Any]:
    yield node
    for below in ("lhs", "rhs", "expr", "vector_selector", "param"):
        if getattr(node, below, None) is not None:
            yield from _walk(getattr(node, below))
    for argument in getattr(node, "args", None) or []:
        yield from _walk(argument)


@pytest.fixture(scope="module")
def exported() -> dict[str, dict[str, set[str]]]:
    """Values of each label of each metric, for services of every task."""
    metrics: dict[str, dict[str, set[str]]] = {"up": {}}
    for signature in TASKS:
        text = Metrics({"version": "v1", "commit": "c"}, signature).text().decode()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                for name, value in sample.labels.items():
                    metrics.setdefault(sample.name, {}).setdefault(name, set()).add(value)
                metrics.setdefault(sample.name, {})
    return metrics


@pytest.mark.parametrize("name", _expressions())
def test_an_expression_uses_exported_metrics_labels_and_values(name, exported):
    selectors = [
        node
        for node in _walk(promql_parser.parse(_expressions()[name]))
        if isinstance(node, promql_parser.VectorSelector)
    ]
    assert selectors
    for selector in selectors:
        labels = exported[selector.name]
        for matcher in selector.matchers.matchers:
            assert matcher.name in TARGET_LABELS | set(labels)
            values = labels.get(matcher.name, {"slipway"})
            assert any(re.fullmatch(matcher.value, value) for value in values), matcher.value


def test_a_missing_label_would_be_detected(exported):
    assert "state" not in TARGET_LABELS | set(exported["slipway_requests_total"])


def test_groupings_use_exported_labels(exported):
    available = TARGET_LABELS | {name for labels in exported.values() for name in labels}
    named = {
        label.strip()
        for text in _expressions().values()
        for group in re.findall(r"by \(([^)]*)\)", text)
        for label in group.split(",")
    }
    assert named <= available


@pytest.mark.parametrize(
    ("alert", "limit"),
    [
        ("SlipwayErrors", PARAMS["monitoring"]["error_ratio"]),
        ("SlipwayRefusals", PARAMS["monitoring"]["refused_ratio"]),
        ("SlipwayLogLosesRows", PARAMS["monitoring"]["lost_ratio"]),
        ("SlipwaySlow", PARAMS["loadtest"]["p99_milliseconds"] / 1000),
        ("SlipwaySaturated", PARAMS["loadtest"]["rate"]),
    ],
)
def test_limits_are_those_of_params_yaml(alert, limit):
    assert limit == float(RULES[alert]["expr"].rsplit("> ", 1)[1])


def test_every_alert_has_a_summary_and_an_action():
    assert {True} == {{"summary", "action"} == set(rule["annotations"]) for rule in RULES.values()}


SERIES = {
    "SlipwayDown": {'up{job="slipway",instance="one"}': "0x60"},
    "SlipwayErrors": {'slipway_requests_total{job="slipway",status="200"}': "0+97x60",
                      'slipway_requests_total{job="slipway",status="503"}': "0+3x60"},
    "SlipwayRefusals": {'slipway_requests_total{job="slipway",status="422"}': "0+10x60",
                        'slipway_requests_total{job="slipway",status="200"}': "0+90x60",
                        'slipway_rejections_total{job="slipway",reason="contract"}': "0+10x60"},
    "SlipwayOverload": {'slipway_requests_total{job="slipway",status="200"}': "0+98x60",
                        'slipway_rejections_total{job="slipway",reason="overload"}': "0+2x60"},
    "SlipwaySlow": {'slipway_request_seconds_bucket{job="slipway",le="0.25"}': "0+90x60",
                    'slipway_request_seconds_bucket{job="slipway",le="0.5"}': "0+100x60",
                    'slipway_request_seconds_bucket{job="slipway",le="+Inf"}': "0+100x60"},
    "SlipwaySaturated": {'slipway_requests_total{job="slipway",status="200"}': "0+15000x60",
                         'slipway_release_info{job="slipway",version="v1"}': "1x60"},
    "SlipwayLogLosesRows": {'slipway_prediction_log_rows_total{job="slipway",outcome="written"}': "0+97x60",
                            'slipway_prediction_log_rows_total{job="slipway",outcome="queue_full"}': "0+3x60"},
    "SlipwayOneAnswer": {'slipway_prediction_bucket{job="slipway",le="0.1"}': "0x60",
                         'slipway_prediction_bucket{job="slipway",le="0.2"}': "0+50x60",
                         'slipway_prediction_bucket{job="slipway",le="+Inf"}': "0+50x60",
                         'slipway_prediction_count{job="slipway"}': "0+50x60"},
    "SlipwayNoTraffic": {'slipway_requests_total{job="slipway",status="200"}': "0+50x120 6000x1500"},
}  # fmt: skip
"""Counts of a service that must raise the alert, by alert; a minute apart."""
WELL = {
    'up{job="slipway",instance="one"}': "1x1600",
    'slipway_release_info{job="slipway",version="v1"}': "1x1600",
    'slipway_requests_total{job="slipway",status="200"}': "0+1000x1600",
    'slipway_requests_total{job="slipway",status="503"}': "0+5x1600",
    'slipway_rejections_total{job="slipway",reason="contract"}': "0+20x1600",
    'slipway_rejections_total{job="slipway",reason="overload"}': "0+5x1600",
    'slipway_request_seconds_bucket{job="slipway",le="0.25"}': "0+995x1600",
    'slipway_request_seconds_bucket{job="slipway",le="+Inf"}': "0+1000x1600",
    'slipway_prediction_log_rows_total{job="slipway",outcome="written"}': "0+1000x1600",
    'slipway_prediction_log_rows_total{job="slipway",outcome="queue_full"}': "0+5x1600",
    'slipway_prediction_bucket{job="slipway",le="0.1"}': "0+400x1600",
    'slipway_prediction_bucket{job="slipway",le="0.2"}': "0+700x1600",
    'slipway_prediction_bucket{job="slipway",le="+Inf"}': "0+1000x1600",
    'slipway_prediction_count{job="slipway"}': "0+1000x1600",
}
"""Counts of a healthy service, with a few of everything."""
LATER = {"SlipwayNoTraffic": "1530m"}  # compares with the previous day


def _judged(series: dict[str, str], alert: str, at: str, fires: bool) -> dict[str, Any]:
    labels = {"severity": RULES[alert]["labels"]["severity"], "job": "slipway"}
    labels |= {"instance": "one"} if alert == "SlipwayDown" else {}
    expected = [{"exp_labels": labels}] if fires else []
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": expected}],
    }


@pytest.fixture
def promtool(tool):
    """Return a function that runs promtool in a folder."""
    program = tool("promtool")

    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)

    return run


def _write_tests(folder: Path, tests: list[dict[str, Any]]) -> None:
    rules = yaml.safe_load((FOLDER / "rules.yaml").read_text())
    for rule in rules["groups"][0]["rules"]:
        del rule["annotations"]  # they contain values; the test checks only that the alert fires
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    (folder / "tests.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))


def test_every_alert_fires_for_its_fault_and_none_for_a_healthy_service(promtool, tmp_path):
    assert set(RULES) == set(SERIES)
    tests = [_judged(series, alert, LATER.get(alert, "40m"), True) for alert, series in SERIES.items()]
    tests += [_judged(WELL, alert, LATER.get(alert, "40m"), False) for alert in RULES]
    _write_tests(tmp_path, tests)
    done = promtool(tmp_path, "test", "rules", "tests.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_alert_that_never_fires_would_be_detected(promtool, tmp_path):
    _write_tests(tmp_path, [_judged(WELL, "SlipwayErrors", "40m", True)])
    done = promtool(tmp_path, "test", "rules", "tests.yaml")
    assert done.returncode == 1


def test_prometheus_accepts_the_configuration(promtool):
    done = promtool(FOLDER, "check", "config", "prometheus.yaml")
    assert done.returncode == 0, done.stderr


# --- a Prometheus that scrapes a service ---


def _quick(text: str) -> str:
    """Return the rules with seconds instead of minutes, to shorten the test."""
    return re.sub(r"\b(\d+)m\b", lambda match: f"{max(1, int(match[1]) * 2)}s", text)


@contextmanager
def _prometheus(
    program: str, folder: Path, targets: list[str], labeled: list[dict[str, Any]] | None = None
) -> Iterator[str]:
    port = free_port()
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    config["scrape_configs"][0]["static_configs"] = labeled or [{"targets": targets}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (folder / "rules.yaml").write_text(_quick((FOLDER / "rules.yaml").read_text()))
    command = [program, "--config.file=prometheus.yaml", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, "--storage.tsdb.path=data"], cwd=folder, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _firing(url: str) -> set[str]:
    try:
        alerts = httpx.get(f"{url}/api/v1/alerts").json()["data"]["alerts"]
    except (httpx.TransportError, ValueError):
        return set()
    return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def _scrapes(url: str) -> int:
    try:
        results = httpx.get(f"{url}/api/v1/query", params={"query": "count_over_time(up[1m])"}).json()["data"]["result"]
    except (httpx.TransportError, ValueError):
        return 0
    return int(results[0]["value"][1]) if results else 0


def _until(holds: Any, act: Any) -> bool:
    deadline = time.monotonic() + ALERT_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if holds():
            return True
        act()
        time.sleep(0.2)
    return False


@pytest.mark.tool("prometheus")
def test_invalid_requests_and_a_stopped_service_raise_their_alerts_and_valid_requests_none(tool, url, row, tmp_path):
    program = tool("prometheus")
    service, gone = url.removeprefix("http://"), f"127.0.0.1:{free_port()}"

    def good() -> None:
        for size, kind in ((1.5, "a"), (90.0, "b")):
            assert httpx.post(f"{url}/predict", json=row | {"size": size, "kind": kind}).status_code == 200

    def bad() -> None:
        assert httpx.post(f"{url}/predict", json=row | {"size": -1}).status_code == 422

    with _prometheus(program, tmp_path, [service]) as prometheus:
        assert _until(lambda: _scrapes(prometheus) > 20, good), (tmp_path / "log").read_text()
        assert set() == _firing(prometheus)
        assert _until(lambda: "SlipwayRefusals" in _firing(prometheus), bad)
    aside = tmp_path / "aside"
    aside.mkdir()
    with _prometheus(program, aside, [gone]) as prometheus:
        assert _until(lambda: {"SlipwayDown"} == _firing(prometheus), lambda: None)
