"""`slipway status` and the agent's page: desired state, observed state, problems, and promotions."""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit

import httpx
import pytest

from slipway.agent import status, status_page, status_server, status_text
from slipway.deployment import promotion, waiting
from slipway.environment import agent_report, state
from slipway.environment import client as clients
from slipway.environment.environment import Environment
from slipway.environment.place import Place
from slipway.errors import ReleaseFailedError
from slipway.gates import Outcome, Verdict
from slipway.results import Subject, recorded
from tests.delivery.conftest import CANARY


@pytest.fixture
def first(project, crew):
    """Serve v0.1.0, promoted with evidence."""
    project.publish("v0.1.0")
    with recorded("smoke", project.root / "results") as result:
        result.evidence = Subject(release="v0.1.0")
        result.verdicts = [Verdict("smoke: answers", Outcome.PASS, "as when built", "20 of 20")]
    project.promote("v0.1.0")
    crew.settle()
    return crew


def _status(project, environment="staging"):
    return status.status(project.root)["environments"][environment]


def _text(project) -> str:
    return status_text.render(status.status(project.root))


def test_it_has_desired_and_observed_state_and_promotions_with_evidence(project, first):
    environment = _status(project)
    assert ("v0.1.0", "v0.1.0") == (environment["desired"]["release"], environment["observed"]["release"])
    (entry,) = environment["history"]
    assert ("Ada", "Promote v0.1.0 to staging", "v0.1.0") == (entry["author"], entry["subject"], entry["release"])
    assert ["smoke: answers: pass (20 of 20; as when built)"] == entry["evidence"]
    text = _text(project)
    assert f"staging: serves v0.1.0 as desired, at {first.agent.url}" in text
    assert "  service  role  phase  port\n  v0.1.0   main  ready  " in text
    assert "Ada     Promote v0.1.0 to staging\n" in text
    assert "production: nothing has been promoted yet" in text


def test_it_reports_a_bad_release_and_the_serving_one(project, first):
    project.publish("v0.2.0", "crash")
    project.promote("v0.2.0")
    first.settle()
    text = _text(project)
    assert "staging: desired is v0.2.0, serves v0.1.0" in text
    assert "problem: v0.2.0 is bad: v0.2.0: it ended before it was ready; see " in text
    assert "; v0.1.0 keeps serving; promote another release, or `git revert`" in text


def test_it_works_without_the_remote_and_reports_the_age_of_the_agents_data(project, first):
    project.origin.rename(project.origin.with_name("away"))
    first.agent.follower.poll()
    first.agent.state.fetched = time.time() - 300
    first.agent.follower.latest = first.agent.follower.poll()
    first.agent.reconcile()
    text = _text(project)
    assert "problem: origin: not reached (fatal: " in text
    assert "); check its address (`git remote -v`), the network and your credentials" in text
    assert "agent: not running; deploy read 5 min ago" in text
    assert "not reached" in text


def test_it_reports_that_no_agent_is_running(project, first):
    assert (
        "no agent is running; `slipway agent --environment staging --detach` starts one" in _status(project)["troubles"]
    )


def test_it_has_the_progress_of_a_canary(project, first):
    project.publish("v0.2.0")
    project.promote("v0.2.0", canary=CANARY)
    first.agent.follower.poll()
    first.until(lambda: first.agent.state.canary)
    environment = _status(project)
    assert environment["summary"].startswith("tries v0.2.0 on 25% of the requests, v0.1.0 serves")
    assert ("v0.1.0", [25, 50], 0) == tuple(
        environment["agent"]["canary"][name] for name in ("against", "steps", "step")
    )
    assert "canary of promotion 2, v0.2.0 against v0.1.0: running on 25% of the requests" in _text(project)


def test_it_has_the_result_of_a_canary(project, first):
    project.publish("v0.2.0")
    content = project.promote("v0.2.0", canary=CANARY)
    promotion.conclude(project.desired_state("staging"), content, ["canary: errors: pass (0%; no more)"])
    assert ["canary: errors: pass (0%; no more)"] == _status(project)["history"][0]["evidence"]
    first.settle()
    assert ["canary: errors: pass (0%; no more)"] == status.of_agent(first.place)["history"][0]["evidence"]


@pytest.fixture
def page(first):
    """URL of the page of an agent."""
    first.agent.state.page = status_server.start(first.place, None)
    first.agent.reconcile()
    return f"http://127.0.0.1:{first.agent.state.page}"


def test_the_page_has_the_same_content(first, page):
    response = httpx.get(f"{page}/", trust_env=False)
    assert "text/html; charset=utf-8" == response.headers["content-type"]
    for part in ("Serves v0.1.0 as desired", first.agent.url, "Promote v0.1.0 to staging", "smoke: answers: pass"):
        assert part in response.text
    own = httpx.get(f"{page}/status.json", trust_env=False).json()
    assert status.of_agent(first.place)["history"] == own["history"]


def test_the_page_is_read_only_and_for_this_machine(page):
    client = http.client.HTTPConnection(urlsplit(page).netloc, timeout=5)
    for method, path, headers, expected in [
        ("GET", "/", {"Host": "evil.example"}, 421),
        ("GET", "/status.json", {"Host": "evil.example:80"}, 421),
        ("GET", "/", {"Host": "["}, 421),
        ("GET", "/", {"Host": "localhost:1234"}, 200),
        ("GET", "/../state.json", {}, 404),
        ("POST", "/", {}, 501),
        ("DELETE", "/", {}, 501),
    ]:
        client.request(method, path, headers=headers)
        answer = client.getresponse()
        answer.read()
        assert expected == answer.status, (method, path, headers)
        client.close()


HOSTILE = "<script>alert('x')</script>\"'&"


def _hostile(value):
    """Return the value with markup appended to every string."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list):
        return [_hostile(item) for item in value]
    return {name: _hostile(item) for name, item in value.items()} if isinstance(value, dict) else value


def test_names_and_messages_are_escaped(project, first):
    project.publish("v0.2.0")
    project.promote("v0.2.0", canary=CANARY)
    first.agent.follower.poll()
    first.until(lambda: first.agent.state.canary)
    content = status.of_agent(first.place)
    content["agent"]["canary"]["outcome"] = None
    content["troubles"] = ["a problem"]
    clean = status_page.render(content, {"production": "http://127.0.0.1:1/"})
    hostile = status_page.render(_hostile(content), {f"production{HOSTILE}": f"http://127.0.0.1:1/{HOSTILE}"})
    assert HOSTILE not in hostile
    assert clean.count("<script") == hostile.count("<script")
    assert "unsafe" not in status_page.POLICY


def test_the_gateway_exposes_the_state_without_details_of_this_machine(project, first, page):
    first.until(lambda: "events" in (clients.get_json(f"{first.agent.url}{agent_report.STATE_PATH}") or {}))
    answer = httpx.get(f"{first.agent.url}{agent_report.STATE_PATH}", trust_env=False)
    assert str(project.root.parent) not in answer.text
    assert "v0.1.0" == state.State.model_validate_json(answer.text).serving.release
    assert "troubles" not in httpx.get(f"{first.agent.url}/status.json", trust_env=False).text


def test_a_promotion_from_another_machine_reports_a_bad_release_immediately(project, first, page, monkeypatch):
    first.until(lambda: "events" in (clients.get_json(f"{first.agent.url}{agent_report.STATE_PATH}") or {}))
    project.publish("v0.2.0", "crash")
    content = project.promote("v0.2.0")
    first.settle()
    monkeypatch.setenv("STAGING_URL", first.agent.url)
    monkeypatch.setenv("SLIPWAY_HOME", str(project.root.parent / "another machine"))
    start = time.monotonic()
    with pytest.raises(ReleaseFailedError, match=r"v0\.2\.0 was refused, v0\.1\.0 keeps serving: v0\.2\.0: it ended"):
        waiting.until_served(Environment("staging"), content, 20)
    assert time.monotonic() - start < 2
    environment = _status(project)
    assert (True, None) == (environment["agent"]["running"], state.read(Place.of("staging")))
    assert "v0.2.0 is bad" in environment["troubles"][0]
