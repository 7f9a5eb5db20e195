"""The canary in a cluster: from the samples in Prometheus it reaches the verdicts of an agent on the same counts."""

from __future__ import annotations

import http.server
import itertools
import json
import math
import re
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from slipway.errors import ArgumentError
from slipway.gates.canary import BOUNDS, Counts
from slipway.gates.canary_progress import SIDES, Progress, advance, begin
from slipway.serving import canary_job
from slipway.serving.canary_counts import count_service
from slipway.serving.metrics import LATENCY_EDGES_SECONDS, ROUND_EDGES_SECONDS, Metrics
from slipway.serving.run import free_port
from slipway.settings import read_settings

from .test_prometheus import _prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SECTION = read_settings(ROOT / "params.yaml").canary
CHANGES = {"minimum_requests": 40, "window_requests": 5, "step_seconds": 60, "hold_seconds": 120}
LIMITS = SECTION.of_cluster_step().model_copy(update=CHANGES)
REPLICA_SETS = {"canary": "slipway-6d5f-7-1-canary", "baseline": "slipway-6d5f-7-1-baseline"}
SCRAPE_SECONDS = 15
OFFSET_SECONDS = {"canary": 0, "baseline": 11}
"""Prometheus scrapes each pod at another time."""
CUTS = [step / 20 for step in range(1, 21)]


class Pod:
    """A pod whose requests are counted by the metrics of the service, and directly."""

    def __init__(self) -> None:
        self.metrics = Metrics({"version": "v1"}, {"task": "binary"})
        self.answered: list[tuple[int, float, float]] = []

    def answer(self, requests: int, errors: int, seconds: float, score: float) -> None:
        """Answer `requests`, of which `errors` fail quickly."""
        for number in range(requests):
            failed = number < errors
            self.metrics.answered(500 if failed else 200, 0.0 if failed else seconds)
            if not failed:
                self.metrics._predictions[None].observe(score)
            self.answered.append((500 if failed else 200, seconds, score))

    def page(self) -> list[Any]:
        """Return the samples of a scrape."""
        families = text_string_to_metric_families(self.metrics.text().decode())
        return [sample for family in families for sample in family.samples]

    def counts(self) -> Counts:
        """Return what an agent would have counted."""
        good = [(seconds, score) for status, seconds, score in self.answered if status == 200]
        return Counts(
            len(self.answered),
            len(self.answered) - len(good),
            tuple(sum(seconds <= bound for seconds, _ in good) for bound in BOUNDS),
            len(good),
            {str(cut): sum(score <= cut for _, score in good) for cut in CUTS},
        )


def series_of(pages: dict[str, list[tuple[float, list[Any]]]]) -> list[dict[str, Any]]:
    """Return the pages of each pod as the range vector of Prometheus, with the labels that it adds."""
    series: dict[tuple[Any, ...], dict[str, Any]] = {}
    for pod, scrapes in pages.items():
        for scraped, page in scrapes:
            for sample in page:
                metric = {"__name__": sample.name, **sample.labels, "pod": pod, "namespace": "n", "instance": "i"}
                entry = series.setdefault(tuple(metric.items()), {"metric": metric, "values": []})
                entry["values"].append([scraped, str(sample.value)])
    return list(series.values())


side = st.tuples(
    st.integers(0, 30), st.integers(0, 6), st.sampled_from([0.001, 0.002, 0.004, 0.03]), st.sampled_from([0.05, 0.6])
)


@examples(max_examples=40, deadline=None)
@given(st.lists(st.tuples(side, side), min_size=1, max_size=24), st.booleans())
def test_the_verdicts_are_those_of_an_agent_on_the_same_counts(windows, silent_at_the_end):
    pods, pages = {name: Pod() for name in SIDES}, {f"{name}-x1": [] for name in REPLICA_SETS.values()}
    expected, now = begin(1, 0.0), 0.0
    for number, window in enumerate(windows, 1):
        for name, (requests, errors, seconds, score) in zip(SIDES, window, strict=True):
            pods[name].answer(requests, min(errors, requests), seconds, score)
            now = number * SCRAPE_SECONDS + OFFSET_SECONDS[name]
            pages[f"{REPLICA_SETS[name]}-x1"].append((now, pods[name].page()))
        sources = {name: {"it": pod.counts()} for name, pod in pods.items()}
        if expected.outcome is None:
            expected = advance(expected, 1, sources, now, LIMITS, gap_max_seconds=math.inf)
    if silent_at_the_end:
        now += canary_job.STALE_SECONDS + 1
        sources = dict.fromkeys(SIDES)
    if expected.outcome is None:
        expected = advance(expected, 1, sources, now, LIMITS, gap_max_seconds=math.inf)
    actual = canary_job.replay(canary_job.scrapes(series_of(pages), REPLICA_SETS), 0.0, now, LIMITS)
    assert (expected.outcome, expected.verdicts) == (actual.outcome, actual.verdicts)
    assert expected.evidence == actual.evidence


def _scrapes(**pods: list[float]) -> dict[str, canary_job.Scrapes]:
    """Return scrapes at the times given by pod, whose names begin with their side."""
    return {
        side: {pod: dict.fromkeys(times, Counts()) for pod, times in pods.items() if pod.startswith(side)}
        for side in SIDES
    }


@pytest.mark.parametrize(
    ("pods", "now", "expected"),
    [
        ({"canary": [0, 15, 30], "baseline": [11, 26]}, 31, [11, 26]),
        ({"canary": [0, 15, 30], "baseline": []}, 31, []),
        ({"canary": [0, 15, 30, 45], "baseline": [11, 26, 56]}, 57, [11, 26, 56]),
        ({"canary": [0, 15], "canary_2": [2, 17], "baseline": [11, 26]}, 27, [11, 26]),
        ({"canary_1": [0], "canary_2": [80, 95], "baseline": [11, 81, 96]}, 96, [11, 81, 96]),
    ],
    ids=["offset", "one side only", "a failed scrape", "two pods", "a replaced pod"],
)
def test_a_round_waits_for_a_scrape_of_every_pod(pods, now, expected):
    pods = {name: times for name, times in pods.items() if times}
    assert expected == [scraped for scraped, _ in canary_job.rounds(_scrapes(**pods), now)]


def test_rounds_of_the_past_stay_the_same():
    pods = {"canary": [0.0, 15, 30, 45, 60], "baseline": [11.0, 26, 41, 56]}
    every = list(canary_job.rounds(_scrapes(**pods), 62))
    for now in range(12, 62):
        truncated = {name: [scraped for scraped in times if scraped <= now] for name, times in pods.items()}
        rounds = list(canary_job.rounds(_scrapes(**truncated), now))
        assert rounds == every[: len(rounds)]


def _equal_replay(seconds: float) -> Progress:
    """Return the progress after `seconds` of two equal pods."""
    pods, pages = {name: Pod() for name in SIDES}, {f"{name}-x1": [] for name in REPLICA_SETS.values()}
    for number in range(1, int(seconds / SCRAPE_SECONDS) + 1):
        for name in SIDES:
            pods[name].answer(20, 0, 0.002, 0.4)
            pages[f"{REPLICA_SETS[name]}-x1"].append((number * SCRAPE_SECONDS, pods[name].page()))
    return canary_job.replay(canary_job.scrapes(series_of(pages), REPLICA_SETS), 0, seconds, SECTION.of_cluster_step())


def test_the_shipped_parameters_leave_time_for_a_verdict():
    """Every check needs windows, and the last one is as long as a scrape interval of 30 s."""
    assert "passed" == _equal_replay(315).outcome
    assert _equal_replay(150).outcome is None
    limits = SECTION.of_cluster_step()
    assert 17 * 2 * SCRAPE_SECONDS <= limits.step_seconds + limits.hold_seconds


def test_the_steps_divide_the_false_alarms():
    assert SECTION.false_alarms == pytest.approx(len(SECTION.steps) * SECTION.of_cluster_step().false_alarms)


@pytest.mark.parametrize("favored", [True, False])
def test_counts_are_exact_for_a_service_with_the_bounds_of_the_gate(favored):
    pod = Pod()
    pod.answer(30, 4, 0.0031, 0.42)
    pod.answer(10, 0, 20.0, 1.0)
    assert set(BOUNDS) <= set(LATENCY_EDGES_SECONDS)
    assert pod.counts() == count_service(pod.page(), favored=favored)


def test_a_coarse_histogram_favors_the_canary(monkeypatch):
    """A release from before the bounds were exported: rounding never makes the canary look slower than it is."""
    monkeypatch.setattr("slipway.serving.metrics.LATENCY_EDGES_SECONDS", ROUND_EDGES_SECONDS)
    pod = Pod()
    pod.answer(30, 0, 0.0031, 0.42)
    exact = pod.counts().fast
    canary, baseline = (count_service(pod.page(), favored=favored).fast for favored in (True, False))
    assert all(above >= right >= below for above, right, below in zip(canary, exact, baseline, strict=True))
    assert canary != baseline


def test_a_slow_failure_is_not_a_fast_success():
    pod = Pod()
    pod.metrics.answered(500, 3.0)
    pod.metrics.answered(200, 0.001)
    assert {0, 1} >= set(count_service(pod.page(), favored=True).fast)


def test_a_page_without_metrics_of_the_service_is_missing():
    assert count_service([], favored=True) is None
    sides = {"canary": {"c": {1.0: None}}, "baseline": {"b": {1.0: Counts()}}}
    assert [(1.0, {"canary": None, "baseline": {"b": Counts()}})] == list(canary_job.rounds(sides, 2))


# --- the program ---

QUICK = {"interval_seconds": 0.2, "step_seconds": 1, "hold_seconds": 12, "minimum_requests": 40, "window_requests": 4}


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the job with quick limits against an address and return its exit status and output."""
    section = SECTION.model_copy(update={"cluster": SECTION.cluster.model_copy(update=QUICK)})

    def job(address: str, **changes: float) -> tuple[int, str]:
        content = section.model_dump() | {name: QUICK[name] for name in ("minimum_requests", "window_requests")}
        content["cluster"] = {name: QUICK[name] for name in ("interval_seconds", "step_seconds", "hold_seconds")}
        content["cluster"] |= changes
        monkeypatch.setattr(canary_job, "read_section", lambda *_: content)
        names = [f"--{side}={name}" for side, name in REPLICA_SETS.items()]
        code = canary_job.main([f"--prometheus={address}", "--namespace=slipway-production", *names])
        return code, "".join(capsys.readouterr())

    return job


class MetricsServer(http.server.ThreadingHTTPServer):
    """Serves the metrics of a pod."""

    def __init__(self, pod: Pod) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = pod.metrics.text()
                self.send_response(200)
                self.send_header("Content-Type", Metrics.content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        super().__init__(("127.0.0.1", 0), Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing, because the test reads the output: Prometheus gives up a scrape on a busy machine."""


@contextmanager
def _pods(failing: int) -> Iterator[dict[str, str]]:
    """Serve the metrics of a pod per side that answers 100 requests/s; `failing` of 5 requests to the canary fail."""
    pods, done = {name: Pod() for name in SIDES}, threading.Event()

    def answer() -> None:
        seconds = itertools.cycle([0.002, 0.003])
        while not done.wait(0.05):
            latency = next(seconds)
            for name, pod in pods.items():
                pod.answer(5, failing if name == "canary" else 0, latency, 0.4)

    servers = {name: MetricsServer(pod) for name, pod in pods.items()}
    threads = [
        threading.Thread(target=run, daemon=True)
        for run in (answer, *(server.serve_forever for server in servers.values()))
    ]
    for thread in threads:
        thread.start()
    try:
        yield {name: f"127.0.0.1:{server.server_port}" for name, server in servers.items()}
    finally:
        done.set()
        for server in servers.values():
            server.shutdown()
            server.server_close()


@contextmanager
def _scraping(program: str, folder: Path, pods: dict[str, str]) -> Iterator[str]:
    """Run a Prometheus that scrapes the pods, and gives them the labels of a cluster."""
    with _prometheus(
        program,
        folder,
        [],
        [
            {"targets": [address], "labels": {"namespace": "slipway-production", "pod": f"{REPLICA_SETS[name]}-abcde"}}
            for name, address in pods.items()
        ],
    ) as url:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{url}/-/ready").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield url


@pytest.mark.parametrize(("failing", "code", "last"), [(0, 0, "passed"), (2, 1, "refused: canary: errors: ")])
def test_a_canary_is_judged_by_a_real_prometheus(tool, tmp_path, run, failing, code, last):
    with _pods(failing) as pods, _scraping(tool("prometheus"), tmp_path, pods) as url:
        actual, output = run(url, hold_seconds=40)
    assert (code, True) == (actual, output.splitlines()[-1].startswith(last)), output


@contextmanager
def _answering(status: int, body: bytes) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


EMPTY = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": []}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, EMPTY, "no metrics of the canary"),
        (503, b"starting", "503"),
        (200, b"<html>", "JSONDecodeError"),
        (200, b'{"status": "success"}', "KeyError: 'data'"),
    ],
)
def test_a_prometheus_without_an_answer_is_inconclusive_and_never_passes(run, status, body, expected):
    with _answering(status, body) as url:
        code, output = run(url, hold_seconds=0.5)
    assert 1 == code
    assert "\ninconclusive: canary: metrics: no metrics of the canary" in output
    assert expected in output
    assert output.count(expected) <= 3


def test_a_dead_prometheus_is_named_once(run):
    address = f"http://127.0.0.1:{free_port()}"
    code, output = run(address, hold_seconds=0.5)
    assert 1 == code
    assert 1 == len(re.findall(f"{address}: ConnectError", output))


@pytest.mark.parametrize("name", ["", "a b", 'x"} or up{', "UP"])
def test_a_name_that_kubernetes_does_not_allow_is_rejected(name):
    with pytest.raises(ArgumentError, match="not a name in Kubernetes"):
        canary_job.follow("http://127.0.0.1:9", "n", name, "baseline", LIMITS)
