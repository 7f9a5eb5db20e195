"""GitHub's descriptions of its API and events: what Slipway asks for is in them, and the stand-ins keep to them."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from slipway.errors import UserError
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
def test_a_response_of_which_nothing_is_known_can_be_completed(name, status):
    schema = rest().by_name[name].response(status)
    assert [] == schema.problems(schema.complete())


@pytest.mark.parametrize("event", events())
def test_a_payload_of_which_nothing_is_known_can_be_completed(event):
    assert [] == events()[event].problems(act.Event(event, {}).complete())


# --- Requests ---


@pytest.mark.parametrize("path", sorted(Path(".github/rulesets").glob("*.json")), ids=lambda path: path.name)
def test_a_file_of_rulesets_is_the_body_of_the_request_that_applies_it(path):
    environment = path.stem == "environment"
    where = ("PUT", f"{REPOSITORY}/environments/a") if environment else ("POST", f"{REPOSITORY}/rulesets")
    body = json.loads(path.read_text(encoding="utf-8"))
    assert [] == list(rest().find(*where).request_problems("", body))
    assert list(rest().find(*where).request_problems("", body | {"enforced": True}))


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
def test_a_request_that_github_would_not_understand_is_a_fault_and_is_refused(method, path, body, fault):
    github = github_api.GitHub()
    github.open_pull_request(7, "a" * 40)
    assert github.respond(method, path, body, token=True)[0] in {404, 422}
    assert [True] == [fault in found for found in github.faults]


def test_a_fault_fails_the_test_that_talked_to_the_stand_in(tmp_path):
    with pytest.raises(AssertionError, match="no such operation"), github_api.serve(tmp_path) as github:
        github.respond("GET", f"{REPOSITORY}/pull/7", None, token=True)


# --- Responses ---


def test_a_response_has_all_that_github_sends_and_null_where_that_is_allowed():
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
def test_a_response_that_github_would_not_give_is_a_fault(facts, fault):
    github = github_api.GitHub(comments={7: [{"body": "text"} | facts]})
    github.respond("GET", COMMENT[1], None, token=True)
    assert [True] == [fault in found for found in github.faults]


def test_a_response_that_lacks_a_field_is_seen_where_it_is_not_completed():
    schema = rest().find("GET", f"{REPOSITORY}/pulls/7").response(200)
    whole = schema.complete()
    for name in ("node_id", "number", "user"):
        assert [f"$: '{name}' is a required property"] == schema.problems(
            {key: value for key, value in whole.items() if key != name}
        )


def test_an_operation_does_not_answer_what_its_description_does_not_know():
    with pytest.raises(LookupError, match="does not answer 200"):
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
def test_a_payload_that_github_would_not_send_is_refused(event, payload, fault):
    with pytest.raises(ValueError, match=re.escape(fault)):
        act.Event(event, payload).complete()


def test_a_payload_keeps_what_is_said_and_has_the_rest():
    payload = act.Event("push", {"ref": "refs/heads/main", "after": "a" * 40}).complete()
    assert ("a" * 40, False, act.REPOSITORY) == (
        payload["after"],
        payload["forced"],
        payload["repository"]["full_name"],
    )


def test_act_is_told_the_ref_of_an_event_that_github_sends_without():
    assert "refs/heads/queue" == act.Event("merge_group", {"ref": "refs/heads/queue"}).complete()["ref"]


def test_a_schedule_is_described_nowhere_and_has_its_repository():
    assert {"repository": act.REPOSITORY_FACTS} == act.Event("schedule", {}).complete()


# --- What src/slipway asks for ---


def calls(text: str) -> Iterator[tuple[str, str]]:
    """Method and path, `{}` for what is put in, of each `github.call` that names its path from the repository on."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "github.call":
            method, path = node.args[:2]
            parts = path.values if isinstance(path, ast.JoinedStr) else []
            named = "".join(part.value if isinstance(part, ast.Constant) else _inserted(part) for part in parts)
            if found := re.match(r"(repos/)?\{(repository|run\.repository)\}", named):
                yield ast.literal_eval(method), re.sub(r"\{.*?\}", "{}", named[found.end() :])


def _inserted(part: ast.FormattedValue) -> str:
    return f"{{{ast.unparse(part.value)}}}"


WRITTEN = [
    (path.name, *call)
    for path in sorted(Path("src/slipway").rglob("*.py"))
    for call in calls(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("file", "method", "path"), WRITTEN)
def test_a_call_is_in_githubs_description(file, method, path):
    where, _, query = path.partition("?")
    operation = rest().find(method, f"{REPOSITORY}{where.replace('{}', 'x')}")
    assert {name.split("=")[0] for name in query.split("&") if name} <= operation.facts["query"].keys()


def test_calls_are_found_and_one_that_is_unknown_is_not_in_the_description():
    assert 10 <= len(WRITTEN)
    ((method, path),) = calls('github.call("GET", f"repos/{repository}/actions/run/{number}")')
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
def test_an_excerpt_is_what_the_locked_package_says(packages, file):
    assert packages[file] == json.loads(file.read_text(encoding="utf-8"))


def test_a_package_that_is_not_the_locked_one_is_refused(tool, tmp_path, monkeypatch):
    tool("npm")
    lock = json.loads((excerpt.HERE / "package-lock.json").read_text())
    lock["packages"][f"node_modules/{excerpt.WEBHOOKS}"]["integrity"] = "sha512-another"
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))
    monkeypatch.setattr(excerpt, "HERE", tmp_path)
    with pytest.raises(UserError, match="not the archive"):
        excerpt.package(excerpt.WEBHOOKS)
