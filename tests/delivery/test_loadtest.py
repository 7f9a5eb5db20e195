"""The load test with a real Locust against a stub service on loopback, healthy or with one injected fault."""

from __future__ import annotations

import itertools
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import BaseModel

from slipway.errors import ArgumentError, ToolError
from slipway.gates import Outcome
from slipway.gates.loadtest import judge
from slipway.loadtest import loadtest
from slipway.loadtest.plan import draw_plan
from slipway.loadtest.samples import read_samples
from slipway.schema import payloads
from slipway.settings import read_settings
from slipway.settings.serving import LoadTestSection

ROOT = Path(__file__).parents[2]
FAIL, INCONCLUSIVE, PASS = Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.PASS
GOOD = json.dumps({"release": "1.0.0", "predictions": [0.25]})
LIMITS = {
    "users": 8,
    "rate": 200,
    "seconds": 2.4,
    "warmup_seconds": 0.5,
    "minimum_requests": 200,
    "achieved_rate": 0.9,
    "generator_cpu": 0.9,
    "p50_milliseconds": 50,
    "p99_milliseconds": 400,
    "failure_ratio": 0.0,
    "timeout_seconds": 3,
    "payloads": 50,
    "hosts": [],
    "against": {"block_requests": 20, "confidence": 0.99, "resamples": 300, "margin": 0.05},
}


def settings(**changes):
    """Return the parameters with `LIMITS` and `changes` in the section of the load test."""
    section = LoadTestSection.model_validate(LIMITS | changes)
    return read_settings(ROOT / "params.yaml").model_copy(update={"seed": 1, "loadtest": section})


class TinyRow(BaseModel):
    size: int


@contextmanager
def served(respond=lambda: (200, GOOD)):
    """Run a stub service whose `respond` returns (status, body)."""

    bodies = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: two would wait 40 ms for each other

        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            status, body = respond()
            self.send_response(status)
            self.send_header("Location", "http://192.0.2.1/predict")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", bodies
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def rows(tmp_path, monkeypatch):
    monkeypatch.setattr(payloads, "Row", TinyRow)
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"size": size} for size in range(100)]))
    return path


@pytest.fixture
def run(tmp_path, rows):
    """Run a load test of a URL and return its result."""

    def run(url, against="", **changes):
        return loadtest.load_test(url, rows, settings(**changes), against, tmp_path / "results")

    return run


def broken(result):
    failed = [verdict for verdict in result.verdicts if verdict.outcome is not PASS]
    return {verdict.gate.removeprefix("load test: "): verdict.outcome for verdict in failed}


def every(count, *faults):
    """Return a `respond` that cycles through `faults`, one in every `count` responses."""
    number = itertools.count(1)
    fault = itertools.cycle(faults)
    return lambda: (200, GOOD) if next(number) % count else next(fault)


def test_a_healthy_service_passes_and_every_request_is_recorded(run, tmp_path):
    with served() as (url, bodies):
        result = run(url)
    assert PASS is result.outcome
    assert {"1.0.0": 480} == result.evidence.releases
    assert {json.dumps({"size": size}, separators=(",", ":")).encode() for size in range(100)} >= set(bodies)
    folder = tmp_path / "results" / "loadtest"
    plan = draw_plan(settings().loadtest, 1, 50, 1)
    samples = read_samples(folder / "samples.csv", plan)
    assert len(plan) == len(bodies) == len(samples)
    assert all(sample.sent >= sample.request.due for sample in samples)
    assert "Locust" in (folder / "report.html").read_text()
    counts = {row["name"]: row["num_requests"] for row in json.loads((folder / "locust.json").read_text())}
    assert {"warm-up": 100, "service": 480} == counts
    assert "pass" == json.loads((tmp_path / "results" / "loadtest.json").read_text())["verdicts"][0]["outcome"]
    hurried = judge(result.evidence, settings(generator_cpu=0.0001).loadtest)
    assert INCONCLUSIVE is hurried[-1].outcome


def test_one_failure_in_fifty_is_a_failure(run):
    with served(every(50, (503, "busy"))) as (url, _):
        result = run(url, seconds=1.4)
    assert {"failures": FAIL} == broken(result)
    assert 0.02 == pytest.approx(result.evidence.failure_ratio, abs=0.005)


def test_a_response_without_a_valid_prediction_is_a_failure(run):
    wrong = {
        "body is not a prediction in JSON": (200, "<html>"),
        "expected one prediction for one row": (200, '{"release": "1.0.0", "predictions": [0.1, 0.2]}'),
        "prediction is not a finite number": (200, '{"release": "1.0.0", "predictions": [NaN]}'),
        "status 429": (429, ""),
        "status 307": (307, GOOD),
    }
    with served(every(10, *wrong.values())) as (url, _):
        result = run(url, seconds=1.4)
    assert {"failures": FAIL} == broken(result)
    assert set(wrong) == set(result.evidence.failures)


def test_a_slow_service_exceeds_the_limit_of_the_median(run):
    with served(lambda: time.sleep(0.06) or (200, GOOD)) as (url, _):
        result = run(url, rate=100, minimum_requests=100, seconds=1.4)
    assert {"p50": FAIL} == broken(result)


def test_a_stall_delays_all_requests_that_become_due_during_it(run):
    """Two connections stall for 500 ms: two requests are in flight and a hundred become due."""
    lock, number = threading.Lock(), itertools.count(1)

    def respond():
        with lock:
            time.sleep(0.5 if next(number) == 300 else 0)
        return 200, GOOD

    with served(respond) as (url, _):
        result = run(url, users=2)
    assert {"p99": FAIL} == broken(result)
    assert result.evidence.from_send_p99_milliseconds < LIMITS["p99_milliseconds"]


def test_an_overloaded_service_is_inconclusive_and_fails(run):
    lock = threading.Lock()

    def respond():
        with lock:
            time.sleep(0.01)
        return 200, GOOD

    with served(respond) as (url, _):
        result = run(url, seconds=1.2)
    assert INCONCLUSIVE is broken(result)["achieved rate"]
    assert FAIL is broken(result)["p99"]


def test_requests_without_a_response_by_the_end_fail(run):
    with served(lambda: time.sleep(5) or (200, GOOD)) as (url, _):
        result = run(url, seconds=0.5, warmup_seconds=0.1, timeout_seconds=1)
    assert FAIL is broken(result)["failures"]
    assert 1.0 == result.evidence.failure_ratio
    assert 100 == sum(result.evidence.failures.values())


def test_a_dead_port_never_passes(run):
    with served() as (url, _):
        pass
    result = run(url, seconds=1.2)
    assert {"failures": FAIL, "p50": FAIL, "p99": FAIL} == broken(result)


def test_a_slower_candidate_is_distinguished_from_production(run):
    with served(lambda: time.sleep(0.02) or (200, GOOD)) as (candidate, _), served() as (production, bodies):
        result = run(candidate, production, seconds=1.4)
    assert {"against production": FAIL} == broken(result)
    assert "slower" == result.verdicts[-1].reason
    assert 330 == len(bodies)


def test_a_crash_of_locust_names_its_log(run, tmp_path, monkeypatch):
    locustfile = tmp_path / "locustfile.py"
    locustfile.write_text("raise RuntimeError('broken')\n")
    monkeypatch.setattr(loadtest, "LOCUSTFILE", locustfile)
    with pytest.raises(ToolError, match=r"Locust failed \(exit status \d\); see .*loadtest/locust\.log"):
        run("http://127.0.0.1:9")
    assert "RuntimeError" in (tmp_path / "results" / "loadtest" / "locust.log").read_text()
    assert "Locust failed" in json.loads((tmp_path / "results" / "loadtest.json").read_text())["error"]


@pytest.mark.parametrize(
    "url", ["http://example.com", "https://10.0.0.1:3000", "http://127.0.0.1.example.com", "ftp://127.0.0.1"]
)
def test_another_host_is_refused_before_anything_is_sent(run, url):
    with pytest.raises(ArgumentError, match="not"):
        run(url)


def test_a_host_listed_in_params_is_allowed():
    expected = "https://staging.example.com"
    assert expected == loadtest.address("https://staging.example.com/", ["staging.example.com"])


@pytest.mark.parametrize(("environment", "url"), [("", ""), ("staging", "http://127.0.0.1:3000")])
def test_exactly_one_target_is_required(environment, url, rows):
    with pytest.raises(ArgumentError, match="exactly one target"):
        loadtest.main(environment, url, "", rows)


@pytest.mark.parametrize(("service", "code"), [(lambda: (200, GOOD), 0), (lambda: (500, ""), 1)])
def test_only_a_pass_exits_with_zero(service, code, rows, tmp_path, monkeypatch, capsys):
    shorter = settings(seconds=1.2, users=4)
    locustfile = Path.cwd() / loadtest.LOCUSTFILE
    monkeypatch.setattr(loadtest, "read_settings", lambda: shorter)
    monkeypatch.setattr(loadtest, "LOCUSTFILE", locustfile)
    monkeypatch.chdir(tmp_path)
    with served(service) as (url, _):
        monkeypatch.setenv("STAGING_URL", url)
        assert code == loadtest.main("staging", "", "", rows)
    assert "load test: p99" in capsys.readouterr().out
