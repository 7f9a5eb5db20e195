"""GitHub's API and event schemas cover every request of Slipway, and the local replacements conform to them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from slipway.errors import DigestMismatchError
from slipway.local import act
from slipway.local.github_schema import events, excerpt, rest
from tests import github_api

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = f"/repos/{github_api.REPOSITORY}"
RESPONSES = [
    (name, int(status))
    for name, operation in rest().by_name.items()
    for status, schema in operation.facts["responses"].items()
    if schema is not None
]


@pytest.mark.parametrize(("name", "status"), RESPONSES)
def test_empty_response_can_be_completed(name, status):
    schema = rest().by_name[name].response(status)
    assert [] == schema.problems(schema.complete())


@pytest.mark.parametrize("event", events())
def test_empty_payload_can_be_completed(event):
    assert [] == events()[event].problems(act.GitHubEvent(event, {}).complete())


# --- Requests ---


@pytest.mark.parametrize("path", sorted(Path(".github/rulesets").glob("*.json")), ids=lambda path: path.name)
def test_file_in_rulesets_is_a_valid_request_body(path):
    environment = path.stem == "environment"
    request = ("PUT", f"{REPOSITORY}/environments/a") if environment else ("POST", f"{REPOSITORY}/rulesets")
    body = json.loads(path.read_text(encoding="utf-8"))
    assert [] == list(rest().find(*request).request_problems("", body))
    assert list(rest().find(*request).request_problems("", body | {"enforced": True}))


COMMENT = ("POST", f"{REPOSITORY}/issues/7/comments", {"body": "text"})


@pytest.mark.parametrize(
    ("method", "path", "body", "fault"),
    [
        (*COMMENT[:2], {"body": "text", "title": "a"}, "'title' was unexpected"),
        (*COMMENT[:2], {}, "'body' is a required property"),
        (*COMMENT[:2], {"body": None}, "None is not of type"),
        (*COMMENT[:2], None, "None is not of type 'object'"),
        ("PUT", *COMMENT[1:], "no such operation"),
        ("POST", f"{REPOSITORY}/issue/7/comments", COMMENT[2], "no such operation"),
        ("GET", f"{COMMENT[1]}?pages=2", None, "no parameter pages"),
        ("GET", f"{COMMENT[1]}?per_page=many", None, "per_page: $: 'many' is not of type 'integer'"),
        ("GET", COMMENT[1], {"body": "text"}, "takes no body"),
        ("POST", f"{REPOSITORY}/statuses/{'a' * 40}", {"state": "passed"}, "'passed' is not one of"),
    ],
)
def test_invalid_request_is_a_fault_and_is_rejected(method, path, body, fault):
    github = github_api.GitHub()
    github.open_pull_request(7, "a" * 40)
    assert github.respond(method, path, body, token=True)[0] in {404, 422}
    assert [True] == [fault in line for line in github.faults]


def test_fault_fails_the_test_that_uses_the_server(tmp_path):
    with pytest.raises(AssertionError, match="no such operation"), github_api.serve(tmp_path) as github:
        github.respond("GET", f"{REPOSITORY}/pull/7", None, token=True)


# --- Responses ---


def test_response_has_every_required_property_and_null_where_allowed():
    github = github_api.GitHub(author=None)
    github.open_pull_request(7, "a" * 40)
    content = json.loads(github.respond(*COMMENT, token=True)[1])
    assert (None, "text") == (content["user"], content["body"])
    assert {"created_at", "html_url", "id", "issue_url", "node_id", "updated_at", "url"} <= content.keys()


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"id": "7"}, "$[0].id: '7' is not of type 'integer'"),
        ({"user": {"login": None}}, "$[0].user.login: None is not of type 'string'"),
        ({"pull_request": 7}, "'pull_request' was unexpected"),
    ],
)
def test_invalid_response_is_a_fault(facts, fault):
    github = github_api.GitHub(comments={7: [{"body": "text"} | facts]})
    github.respond("GET", COMMENT[1], None, token=True)
    assert [True] == [fault in line for line in github.faults]


def test_incomplete_response_is_a_problem():
    schema = rest().find("GET", f"{REPOSITORY}/pulls/7").response(200)
    response = schema.complete()
    for name in ("node_id", "number", "user"):
        assert [f"$: '{name}' is a required property"] == schema.problems(
            {key: value for key, value in response.items() if key != name}
        )


def test_unknown_status_of_an_operation_is_rejected():
    with pytest.raises(LookupError, match="no response with status 200"):
        rest().find(*COMMENT[:2]).response(200)


# --- Events ---


@pytest.mark.parametrize(
    ("event", "payload", "fault"),
    [
        ("push", {"ref": "refs/heads/main", "branch": "main"}, "'branch' was unexpected"),
        ("push", {"after": 7}, "$.after: 7 is not of type 'string'"),
        ("workflow_run", {"workflow_run": {"conclusion": "passed"}}, "'passed'"),
        ("pull_request", {"pull_request": {"head": {"name": "change"}}}, "'name' was unexpected"),
        ("workflow_dispatch", {"inputs": "all"}, "$.inputs: 'all' is not of type"),
    ],
)
def test_invalid_payload_is_rejected(event, payload, fault):
    with pytest.raises(ValueError, match=re.escape(fault)):
        act.GitHubEvent(event, payload).complete()


def test_payload_keeps_given_values_and_completes_the_others():
    payload = act.GitHubEvent("push", {"ref": "refs/heads/main", "after": "a" * 40}).complete()
    assert ("a" * 40, False, act.REPOSITORY) == (
        payload["after"],
        payload["forced"],
        payload["repository"]["full_name"],
    )


def test_act_receives_the_ref_of_an_event_that_github_sends_without():
    assert "refs/heads/queue" == act.GitHubEvent("merge_group", {"ref": "refs/heads/queue"}).complete()["ref"]


def test_schedule_has_no_schema_but_its_repository():
    assert {"repository": act.REPOSITORY_FACTS} == act.GitHubEvent("schedule", {}).complete()


# --- Requests of src/slipway ---


API_CALL = "api.call"


def calls(text: str) -> Iterator[tuple[str, str]]:
    """Yield method and path of each `api.call` on the repository, with `{}` for interpolated values."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == API_CALL:
            method, path = node.args[:2]
            values = path.values if isinstance(path, ast.JoinedStr) else []
            template = "".join(value.value if isinstance(value, ast.Constant) else _field(value) for value in values)
            if match := re.match(r"(repos/)?\{(repository|run\.repository)\}", template):
                yield ast.literal_eval(method), re.sub(r"\{.*?\}", "{}", template[match.end() :])


def _field(value: ast.FormattedValue) -> str:
    return f"{{{ast.unparse(value.value)}}}"


CALLS = [
    (path.name, *call)
    for path in sorted(Path("src/slipway").rglob("*.py"))
    if API_CALL in (text := path.read_text(encoding="utf-8"))  # parsing every source takes seconds
    for call in calls(text)
]


@pytest.mark.parametrize(("file", "method", "path"), CALLS)
def test_call_is_part_of_githubs_api(file, method, path):
    route, _, query = path.partition("?")
    operation = rest().find(method, f"{REPOSITORY}{route.replace('{}', 'x')}")
    assert {name.split("=")[0] for name in query.split("&") if name} <= operation.facts["query"].keys()


def test_calls_are_detected_and_an_unknown_one_is_rejected():
    assert len(CALLS) >= 10
    ((method, path),) = calls('api.call("GET", f"repos/{repository}/actions/run/{number}")')
    with pytest.raises(LookupError):
        rest().find(method, f"{REPOSITORY}{path}")


# --- The excerpts ---


@pytest.fixture(scope="module")
def packages(tool) -> dict[str, Any]:
    tool("npm")
    return {
        excerpt.REST: excerpt.rest(excerpt.package(excerpt.API)),
        excerpt.EVENTS: excerpt.events(excerpt.package(excerpt.WEBHOOKS)),
    }


@pytest.mark.parametrize("file", [excerpt.REST, excerpt.EVENTS], ids=lambda path: path.name)
def test_excerpt_matches_the_locked_package(packages, file):
    assert packages[file] == json.loads(file.read_text(encoding="utf-8"))


def test_package_with_another_hash_is_rejected(tool, tmp_path, monkeypatch):
    tool("npm")
    lock = json.loads((excerpt.HERE / "package-lock.json").read_text())
    lock["packages"][f"node_modules/{excerpt.WEBHOOKS}"]["integrity"] = "sha512-other"
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    monkeypatch.setattr(excerpt, "HERE", tmp_path)
    with pytest.raises(DigestMismatchError, match="its hash differs"):
        excerpt.package(excerpt.WEBHOOKS)
