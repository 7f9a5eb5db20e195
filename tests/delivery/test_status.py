"""`slipway status` and the agent's page: what should run, what runs, what is wrong with it, and who promoted what."""

from __future__ import annotations

import http.client
import time
from urllib.parse import urlsplit

import httpx
import pytest

from slipway.delivery import clients, promotion
from slipway.delivery.agent import agents, state, status, status_page, status_server, status_text
from slipway.delivery.home import Place
from slipway.errors import UserError
from slipway.gates import Outcome, Verdict
from slipway.results import recorded
from tests.delivery.conftest import CANARY


@pytest.fixture
def first(project, crew):
    """v0.1.0 serves, promoted with evidence."""
    project.publish("v0.1.0")
    with recorded("smoke", project.root / "results") as result:
        result.evidence = {"release": "v0.1.0"}
        result.verdicts = [Verdict("smoke: answers", Outcome.PASS, "as when built", "20 of 20")]
    project.promote("v0.1.0")
    crew.settle()
    return crew


def _one(project, environment="staging"):
    return status.status(project.root)["environments"][environment]


def _text(project) -> str:
    return status_text.render(status.status(project.root))


def test_it_shows_desired_observed_and_who_promoted_on_which_evidence(project, first):
    one = _one(project)
    assert ("v0.1.0", "v0.1.0") == (one["desired"]["release"], one["observed"]["release"])
    (entry,) = one["history"]
    assert ("Ada", "Promote v0.1.0 to staging", "v0.1.0") == (entry["author"], entry["subject"], entry["release"])
    assert ["smoke: answers: pass (20 of 20; as when built)"] == entry["evidence"]
    text = _text(project)
    assert f"staging: serves v0.1.0 as desired, at {first.agent.url}" in text
    assert "  service  role  phase  port\n  v0.1.0   main  ready  " in text
    assert "Ada     Promote v0.1.0 to staging\n" in text
    assert "production: nothing has been promoted yet" in text


def test_it_says_what_is_bad_and_what_serves_instead(project, first):
    project.publish("v0.2.0", "crash")
    project.promote("v0.2.0")
    first.settle()
    text = _text(project)
    assert "staging: desired is v0.2.0, serves v0.1.0" in text
    assert "problem: v0.2.0 is bad: v0.2.0: it ended before it was ready; see " in text
    assert "; v0.1.0 keeps serving; promote another release, or `git revert`" in text


def test_it_answers_without_the_remote_and_says_how_old_the_agents_view_is(project, first):
    project.origin.rename(project.origin.with_name("away"))
    first.agent.follower.poll()
    first.agent.state.fetched = time.time() - 300
    first.agent.follower.latest = first.agent.follower.poll()
    first.agent.reconcile()
    text = _text(project)
    assert "problem: git ls-remote" in text
    assert "agent: not running; deploy read 5 min ago" in text
    assert "not reached" in text


def test_it_says_that_no_agent_runs(project, first):
    assert "no agent is running; `slipway agent --environment staging --detach` starts one" in _one(project)["troubles"]


def test_it_shows_how_far_a_canary_has_come(project, first):
    project.publish("v0.2.0")
    project.promote("v0.2.0", canary=CANARY)
    first.agent.follower.poll()
    first.until(lambda: first.agent.state.canary)
    one = _one(project)
    assert one["summary"].startswith("tries v0.2.0 on 25% of the requests, v0.1.0 serves")
    assert ("v0.1.0", [25, 50], 0) == tuple(one["agent"]["canary"][name] for name in ("against", "steps", "step"))
    assert "canary of promotion 2, v0.2.0 against v0.1.0: running on 25% of the requests" in _text(project)


def test_it_shows_what_a_canary_has_shown_in_the_end(project, first):
    project.publish("v0.2.0")
    content = project.promote("v0.2.0", canary=CANARY)
    promotion.conclude(project.root, "staging", content, ["canary: errors: pass (0%; no more)"])
    assert ["canary: errors: pass (0%; no more)"] == _one(project)["history"][0]["evidence"]
    first.settle()
    assert ["canary: errors: pass (0%; no more)"] == status.of_agent(first.place)["history"][0]["evidence"]


@pytest.fixture
def page(first):
    """Address of the page of an agent."""
    first.agent.state.page = status_server.start(first.place, None)
    first.agent.reconcile()
    return f"http://127.0.0.1:{first.agent.state.page}"


def test_the_page_shows_the_same(first, page):
    shown = httpx.get(f"{page}/", trust_env=False)
    assert "text/html; charset=utf-8" == shown.headers["content-type"]
    for part in ("Serves v0.1.0 as desired", first.agent.url, "Promote v0.1.0 to staging", "smoke: answers: pass"):
        assert part in shown.text
    own = httpx.get(f"{page}/status.json", trust_env=False).json()
    assert status.of_agent(first.place)["history"] == own["history"]


def test_the_page_is_only_for_this_machine_and_only_to_be_read(page):
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
    """The same with something hostile in every text."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list):
        return [_hostile(one) for one in value]
    return {name: _hostile(one) for name, one in value.items()} if isinstance(value, dict) else value


def test_nothing_that_came_in_with_a_name_or_a_message_is_markup(project, first):
    project.publish("v0.2.0")
    project.promote("v0.2.0", canary=CANARY)
    first.agent.follower.poll()
    first.until(lambda: first.agent.state.canary)
    content = status.of_agent(first.place)
    content["agent"]["canary"]["outcome"] = None
    content["troubles"] = ["one"]
    clean = status_page.render(content, {"production": "http://127.0.0.1:1/"})
    hostile = status_page.render(_hostile(content), {f"production{HOSTILE}": f"http://127.0.0.1:1/{HOSTILE}"})
    assert HOSTILE not in hostile
    assert clean.count("<script") == hostile.count("<script")
    assert "unsafe" not in status_page.POLICY


def test_the_front_door_says_what_the_agent_knows_and_nothing_of_this_machine(project, first, page):
    first.until(lambda: "events" in (clients.get_json(f"{first.agent.url}{agents.STATE_PATH}") or {}))
    answer = httpx.get(f"{first.agent.url}{agents.STATE_PATH}", trust_env=False)
    assert str(project.root.parent) not in answer.text
    assert "v0.1.0" == state.State.model_validate_json(answer.text).serving.release
    assert "troubles" not in httpx.get(f"{first.agent.url}/status.json", trust_env=False).text


def test_who_promotes_from_another_machine_is_told_at_once_that_a_release_is_bad(project, first, page, monkeypatch):
    first.until(lambda: "events" in (clients.get_json(f"{first.agent.url}{agents.STATE_PATH}") or {}))
    project.publish("v0.2.0", "crash")
    content = project.promote("v0.2.0")
    first.settle()
    monkeypatch.setenv("STAGING_URL", first.agent.url)
    monkeypatch.setenv("SLIPWAY_HOME", str(project.root.parent / "another machine"))
    start = time.monotonic()
    with pytest.raises(UserError, match=r"v0\.2\.0 was refused, v0\.1\.0 keeps serving: v0\.2\.0: it ended"):
        promotion.wait("staging", content, 20)
    assert 2 > time.monotonic() - start
    one = _one(project)
    assert (True, None) == (one["agent"]["running"], state.read(Place.of("staging")))
    assert "v0.2.0 is bad" in one["troubles"][0]
