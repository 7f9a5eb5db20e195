"""Units of a canary: counts, progress, and comparison of answers."""

from __future__ import annotations

import json
import math
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest
from prometheus_client.parser import text_string_to_metric_families

from slipway.agent import measures, shadow
from slipway.agent.loopback_server import LoopbackServer
from slipway.environment.state import GatewayProcess, Instance, State
from slipway.gates import canary_progress as canary
from slipway.gates.canary import BOUNDS, Counts
from slipway.gates.canary_progress import SIDES, Progress
from slipway.loadtest import traffic
from slipway.serving import canary_counts
from tests.delivery.conftest import CANARY_SECTION

STEPS = 2
TRAEFIK = """\
# TYPE traefik_service_requests_total counter
traefik_service_requests_total{code="200",method="POST",service="canary-3@file"} 7
traefik_service_requests_total{code="502",method="POST",service="canary-3@file"} 2
traefik_service_requests_total{code="404",method="POST",service="canary-3@file"} 1
traefik_service_requests_total{code="200",method="GET",service="canary-3@file"} 50
traefik_service_requests_total{code="200",method="POST",service="baseline-3@file"} 90
# TYPE traefik_service_request_duration_seconds histogram
traefik_service_request_duration_seconds_bucket{code="200",method="POST",service="canary-3@file",le="0.0005"} 3
traefik_service_request_duration_seconds_bucket{code="200",method="POST",service="canary-3@file",le="+Inf"} 7
traefik_service_request_duration_seconds_bucket{code="502",method="POST",service="canary-3@file",le="0.0005"} 2
"""


def _samples(text: str) -> list:
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def test_prediction_requests_are_counted_and_a_fast_failure_is_not_a_fast_success():
    counts = measures.count_requests(_samples(TRAEFIK), "canary-3@file")
    assert (10, 3, 3) == (counts.requests, counts.errors, counts.fast[0])
    assert len(BOUNDS) == len(counts.fast)


@pytest.mark.parametrize("labels", [("",), ('class="a",', 'class="b",')], ids=["one number", "classes"])
def test_rows_are_counted_once_for_any_number_of_classes(labels):
    lines = ["# TYPE slipway_prediction histogram"]
    for label in labels:
        lines += [f'slipway_prediction_bucket{{{label}le="{le}"}} {count}' for le, count in (("0.5", 2), ("+Inf", 5))]
        lines += [f"slipway_prediction_count{{{label.rstrip(',')}}} 5" if label else "slipway_prediction_count 5"]
    counts = canary_counts.count_predictions(_samples("\n".join(lines) + "\n"))
    assert 5 == counts.rows
    assert [2] * len(labels) == list(counts.below.values())


def test_nan_is_kept():
    text = "# TYPE slipway_prediction histogram\nslipway_prediction_count NaN\n"
    assert math.isnan(canary_counts.count_predictions(_samples(text)).rows)


def _counts(requests: int) -> Counts:
    return Counts(requests, 0, (requests,) * len(BOUNDS), requests, {"1": requests})


def _advanced(progress: Progress, now: float, *sources: dict[str, Counts] | None) -> Progress:
    return canary.advance(progress, STEPS, dict(zip(SIDES, sources, strict=True)), now, CANARY_SECTION)


def test_the_counts_of_a_source_are_kept_when_it_disappears():
    """A restarted gateway counts from zero."""
    progress = _advanced(canary.begin(3, 0), 1, {"old": _counts(50)}, {"old": _counts(50)})
    progress = _advanced(progress, 2, {"new": _counts(10)}, {"new": _counts(10)})
    assert (60, 60) == (progress.evidence.canary.requests, progress.evidence.baseline.requests)


def test_nan_in_the_counts_is_not_stored():
    broken = Counts(float("nan"), 0, (0,) * len(BOUNDS))
    progress = _advanced(canary.begin(3, 0), 1, {"it": broken}, {"it": _counts(50)})
    assert {side: {} for side in SIDES} == progress.observed
    assert progress == Progress.model_validate_json(progress.model_dump_json())


def test_progress_survives_serialization():
    progress = _advanced(canary.begin(3, 0), 1, {"it": _counts(50)}, {"it": _counts(50)})
    assert progress == Progress.model_validate_json(progress.model_dump_json())


def test_the_state_on_disk_keeps_its_keys():
    """An agent of another version reads them, and so does `slipway status` on another machine."""
    state = State(
        environment="staging",
        gateway=GatewayProcess(port=1, inside=2, pid=3, tag="t"),
        instances=[
            Instance(tag="t", digest="d", release="v0.1.0", port=1, pid=2, phase="ready", since=0),
        ],
        canary=canary.begin(1, 0),
    )
    content = json.loads(state.model_dump_json())
    assert {"router", "seen", "trouble"} <= content.keys()
    assert {"looked", "seen"} <= content["canary"].keys()
    assert "mark" in content["router"].keys() & content["instances"][0].keys()
    assert state == State.model_validate_json(json.dumps(content))


def test_the_downtime_of_an_agent_does_not_count_as_waiting():
    progress = _advanced(canary.begin(3, 0), 1, None, None)
    assert _advanced(progress, 10_000, None, None).outcome is None


def test_a_canary_without_requests_ends_inconclusive():
    progress = canary.begin(3, 0)
    for now in range(1, 12):
        progress = _advanced(progress, now, None, None)
    assert "inconclusive" == progress.outcome


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([0.5], [0.5], 0),
        ([0.5, 1], [0.75, 1], 0.25),
        ([{"a": 1, "b": 0}], [{"a": 0.5, "b": 0.5}], 0.5),
        ([1], [1, 2], None),
        ([{"a": 1}], [{"b": 1}], None),
        ("502", "502", None),
        ([1], "502", None),
        ([], [], 0),
    ],
)
def test_the_distance_of_answers_is_their_largest_difference(ours, theirs, expected):
    assert expected == shadow.distance(ours, theirs)


def test_a_copy_is_left_out_until_the_gateway_has_routes_to_both_sides():
    routed, requested = {"baseline"}, []

    class Gateway(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.headers["host"])
            self.send_response(200 if self.headers["host"] in routed else 404)
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()
            self.wfile.write(b'{"predictions": [1.0]}')

        def log_message(self, *_: object) -> None:
            """Log no requests."""

    server = LoopbackServer(0, Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    comparer = shadow.Comparer(server.server_address[1], ("canary", "baseline"))
    try:
        comparer.compare("/predict", "application/json", b"{}")
        assert (0, 1) == (comparer.counts["compared"], comparer.counts["left_out"])
        routed.add("canary")
        for _ in range(2):
            comparer.compare("/predict", "application/json", b"{}")
    finally:
        server.shutdown()
        server.server_close()
    assert (2, 2, 1) == tuple(comparer.counts[name] for name in ("compared", "equal", "left_out"))
    assert ["canary", "baseline", "canary"] == requested[:3]
    assert 3 + 2 * 2 == len(requested)


def test_a_request_without_response_has_failed():
    with traffic.sending("http://127.0.0.1:1", [{"x": 1}], 100, 1) as answers:
        while answers.failed < 3:
            time.sleep(0.01)
    assert answers.total == answers.failed
    assert "ConnectionRefusedError" in answers.failures[0]
