"""The webhook: messages in the formats of Slack and Teams, a secret that stays one, and failures that stop nothing."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from slipway import webhook
from slipway.deployment import delivery
from slipway.errors import GateError

ROOT = Path(__file__).parents[2]
HIDDEN_PATH = "T000-very-secret"


@contextmanager
def receiving(status: int = 200, location: str = ""):
    """Serve a webhook on loopback. Yields its address and the list of received messages."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, json.loads(body)))
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{HIDDEN_PATH}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def receiver(monkeypatch):
    with receiving() as (address, received):
        monkeypatch.setenv(webhook.WEBHOOK, address)
        yield received


def test_without_the_setting_nothing_is_sent(monkeypatch):
    monkeypatch.delenv(webhook.WEBHOOK, raising=False)
    assert not webhook.notify("Deployed")


def test_slack_gets_escaped_text_with_a_link(receiver):
    assert webhook.notify("Deployed <!channel>", "a & b", "https://example.com/run/1")
    text = "*Deployed &lt;!channel&gt;*\na &amp; b\n<https://example.com/run/1|Details>"
    assert [(f"/{HIDDEN_PATH}", {"text": text})] == receiver


def test_teams_gets_an_adaptive_card(receiver, monkeypatch):
    monkeypatch.setenv(webhook.FORMAT, "teams")
    assert webhook.notify("Deployed", "v0.2.0", "https://example.com/run/1")
    ((_, message),) = receiver
    (attachment,) = message["attachments"]
    assert "application/vnd.microsoft.card.adaptive" == attachment["contentType"]
    assert ["Deployed", "v0.2.0"] == [block["text"] for block in attachment["content"]["body"]]
    assert "https://example.com/run/1" == attachment["content"]["actions"][0]["url"]


@pytest.mark.parametrize(
    ("host", "expected"),
    [("hooks.slack.com", webhook.slack), ("a.webhook.office.com", webhook.teams), ("chat.example", webhook.slack)],
)
def test_the_host_decides_the_format(monkeypatch, host, expected):
    monkeypatch.delenv(webhook.FORMAT, raising=False)
    assert expected is webhook._format(host)


@pytest.mark.parametrize(
    ("address", "style", "reason"),
    [
        (f"http://127.0.0.1:9/{HIDDEN_PATH}", "", "ConnectionRefusedError"),
        (f"http://chat.example/{HIDDEN_PATH}", "", "not encrypted"),
        (f"ftp://chat.example/{HIDDEN_PATH}", "", "not an address"),
        (f"https://chat.example:port/{HIDDEN_PATH}", "", "InvalidURL"),
        (f"https://chat.example/{HIDDEN_PATH}", "irc", "SLIPWAY_WEBHOOK_FORMAT is irc; allowed: slack, teams"),
    ],
)
def test_a_message_that_cannot_be_sent_is_one_warning_without_the_address(monkeypatch, capsys, address, style, reason):
    monkeypatch.setenv(webhook.WEBHOOK, address)
    monkeypatch.setenv(webhook.FORMAT, style)
    assert not webhook.notify("Deployed")
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    assert HIDDEN_PATH not in line


@pytest.mark.parametrize(("status", "location"), [(404, ""), (500, ""), (302, "http://127.0.0.1:9/elsewhere")])
def test_a_refusal_or_a_redirect_is_a_warning(monkeypatch, capsys, status, location):
    with receiving(status, location) as (address, received):
        monkeypatch.setenv(webhook.WEBHOOK, address)
        assert not webhook.notify("Deployed")
    assert 1 == len(received)
    assert f"HTTP {status}" in capsys.readouterr().err


class _Environment:
    name = "production"

    def __str__(self) -> str:
        return self.name


def test_a_rollback_is_sent_with_its_release(receiver, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with delivery._recorded("rollback", _Environment()) as result:
        result.evidence = result.evidence.model_copy(update={"release": "v0.1.0"})
    assert receiver[0][1]["text"].startswith("*✅ production: rollback to v0.1.0*")


def test_a_failed_promotion_is_sent_and_stays_a_failure(receiver, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GateError), delivery._recorded("promote", _Environment()):
        raise GateError("the canary was rolled back")
    assert "*❌ production: promote failed*\nthe canary was rolled back" == receiver[0][1]["text"]


def test_no_job_of_a_pull_request_has_a_secret():
    workflows = {file.name: file.read_text(encoding="utf-8") for file in (ROOT / ".github/workflows").glob("*.yaml")}
    with_secret = {name for name, text in workflows.items() if "secrets." in text}
    assert {"deploy.yaml", "rollback.yaml", "monitor.yaml"} == {
        name for name in with_secret if webhook.WEBHOOK in workflows[name]
    }
    pulls = [name for name, text in workflows.items() if "pull_request" in text or "workflow_run" in text]
    assert {"pull-request.yaml", "pull-request-code.yaml", "pull-request-comment.yaml"} <= {*pulls}
    assert [] == [name for name in pulls if name in with_secret]


def test_alertmanager_routes_every_severity_and_has_no_address_of_a_webhook():
    text = (ROOT / "deploy/monitoring/alertmanager.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    receivers = {receiver["name"] for receiver in content["receivers"]}
    routes = content["route"]["routes"]
    assert {content["route"]["receiver"], *(route["receiver"] for route in routes)} == receivers
    rules = yaml.safe_load((ROOT / "deploy/monitoring/rules.yaml").read_text(encoding="utf-8"))
    severities = {rule["labels"]["severity"] for group in rules["groups"] for rule in group["rules"]}
    matched = {matcher.split('"')[1] for route in routes for matcher in route["matchers"]}
    assert {"page"} == matched == severities - {"ticket"}
    assert "://" not in text
