"""A stand-in for the parts of GitHub's API that Slipway needs, over TLS on loopback, as `gh` and CML ask for it.

As on GitHub, an artifact's archive lies on another host, to which the caller is sent. Every request and every response
passes through GitHub's description of its API: a request that GitHub would not understand is refused, a response is
completed by all that GitHub sends, null where that is allowed, and what is wrong with either fails the test.
"""

from __future__ import annotations

import io
import json
import re
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import trustme

from slipway.local import github_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPOSITORY = "team/flights"
JSON = {"Content-Type": "application/json; charset=utf-8"}


@dataclass
class GitHub:
    """Pull requests, issues, comments and artifacts, runs that were started, and a record of every call."""

    address: str = ""
    certificate: str = ""
    pulls: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    started: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Workflow, branch and inputs of each run that was started by dispatch."""
    merging: list[str] = field(default_factory=list)
    """Pull requests that GitHub is to merge when it may."""
    refuses: dict[str, str | tuple[int, str]] = field(default_factory=dict)
    """Requests that GitHub refuses, by the last part of the path: the reason, after the status unless that is 403."""
    now: str = "2026-01-01T00:00:00Z"
    comments: dict[int | str, list[dict[str, Any]]] = field(default_factory=dict)
    """Of each pull request by its number, and of each commit by its SHA."""
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Runs of workflows, oldest first."""
    statuses: list[dict[str, Any]] = field(default_factory=list)
    """Commit statuses that were posted, each with its `sha`."""
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    archives: dict[str, bytes] = field(default_factory=dict)
    """What lies on the other host, by path."""
    elsewhere: str = ""
    """Address of the other host."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What is told of the repository, by the path below its own; a number is the status of a refusal."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    """Paths on the other host that were asked for with a token."""
    author: dict[str, str] | None = field(default_factory=lambda: {"login": "github-actions[bot]", "type": "Bot"})
    """Of what is written; null once the account is gone."""
    faults: list[str] = field(default_factory=list)
    """Requests that GitHub would not understand, and responses that it would not give."""

    def open_pull_request(self, number: int, sha: str, head: str = "team:change") -> None:
        """An open pull request whose newest commit is `sha`."""
        owner, branch = head.split(":")
        repository = {"full_name": f"{owner}/{REPOSITORY.split('/')[1]}"}
        side = {"sha": sha, "label": head, "ref": branch, "repo": repository}
        self.pulls.append({"number": number, "state": "open", "head": side, "base": {"ref": "main"}})
        self.comments[number] = []

    def end_run(self, sha: str, conclusion: str | None, **facts: Any) -> int:
        """A run of pull-request.yaml by dispatch on the branch `retrain`, which has ended. Returns its id."""
        number = len(self.runs) + 1
        run = {"id": number, "run_number": number, "head_sha": sha, "conclusion": conclusion, "status": "completed"}
        run |= {"event": "workflow_dispatch", "head_branch": "retrain", "path": ".github/workflows/pull-request.yaml"}
        run |= {"head_repository": {"full_name": REPOSITORY}, "html_url": f"https://github.example/run/{number}"}
        self.runs.append(run | facts)
        return self.runs[-1]["id"]

    def leave(self, archive: bytes, run: int = 1, name: str = "evidence", **said: Any) -> None:
        """An artifact of a run: the bytes of its archive, and what GitHub says of it, which is true unless `said`."""
        number = len(self.artifacts) + 1
        truth = {"id": number, "name": name, "size_in_bytes": len(archive), "expired": False}
        truth["workflow_run"] = {"id": run}
        self.artifacts.append(truth | said)
        self.archives[f"/archives/{number}"] = archive

    def respond(self, method: str, path: str, body: Any, *, token: bool) -> tuple[int, bytes, dict[str, str]]:
        """Status, content and headers of a response; `token` tells whether the request carried one."""
        if path in self.archives:
            self.tokens += [path] * token
            return 200, self.archives[path], {"Content-Type": "application/zip"}
        if path == "/graphql":
            status, content = self._graphql(body)
            return status, json.dumps(content).encode(), {}
        try:
            operation = github_schema.rest().find(method, path)
            if wrong := list(operation.request_problems(urlsplit(path).query, body)):
                self.faults += wrong
                return 422, self._checked(operation, 422, {"message": "; ".join(wrong)}), {}
            status, content, headers = self._perform(method, path, body)
            return status, self._checked(operation, status, content), headers
        except LookupError as error:
            self.faults.append(str(error))
            return 404, b'{"message": "Not Found"}', {}

    def _checked(self, operation: github_schema.Operation, status: int, content: Any) -> bytes:
        """The body of a response, complete. Raises LookupError for a status that GitHub does not answer."""
        schema = operation.response(status)
        if schema is None:
            self.faults += [f"{operation.name}: {status} has no body"] * (content is not None)
            return b""
        whole = schema.complete(content)
        self.faults += [f"{operation.name}: {status}: {problem}" for problem in schema.problems(whole)]
        return json.dumps(whole).encode()

    def _graphql(self, body: Any) -> tuple[int, Any]:
        """What GitHub answers to the one mutation that there is."""
        self.calls.append(("POST", "/graphql"))
        if reason := self.refuses.get("graphql"):
            return 200, {"data": {"enablePullRequestAutoMerge": None}, "errors": [{"message": reason}]}
        self.merging.append(body["variables"]["pull"])
        return 200, {"data": {"enablePullRequestAutoMerge": {"clientMutationId": None}}}

    def _perform(self, method: str, path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        """Status, content and headers of a response to a request that GitHub understands."""
        if found := re.match(r"/repos/[^/]+/[^/]+/actions/artifacts/(\d+)/zip", path):
            return 302, None, {"Location": f"{self.elsewhere}/archives/{found[1]}"}
        if method != "GET" and (reason := self.refuses.get(path.split("/")[-1])):
            status, message = (403, reason) if isinstance(reason, str) else reason
            return status, {"message": message, "status": str(status)}, {}
        if found := re.match(r"/repos/[^/]+/[^/]+/actions/workflows/([^/]+)/dispatches", path):
            self.started.append((found[1], body["ref"], body.get("inputs", {})))
            return 204, None, {}
        setting = self.settings.get(path.split("?")[0].removeprefix(f"/repos/{REPOSITORY}/"))
        if setting is not None:
            self.calls.append((method, path.split("?")[0]))
        if isinstance(setting, int):
            return setting, {"message": "Refused"}, {}
        content = self.answer(method, path, body) if setting is None else setting
        if content is None:
            return 404, {"message": "Not Found"}, {}
        return 201 if method == "POST" else 200, content, {}

    def answer(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        """What GitHub says to a call, or None for not found."""
        self.calls.append((method, path.split("?")[0]))
        if found := re.match(r"/repos/[^/]+/[^/]+/(pulls|issues)(?:/(\d+))?(?:\?|$)", path):
            return self._threads(self.pulls if found[1] == "pulls" else self.issues, found[2], method, path, body)
        if (checks := self._checks(method, path, body)) is not None:
            return checks
        if found := re.match(r"/repos/[^/]+/[^/]+/actions/runs/(\d+)/artifacts", path):
            return _counted("artifacts", [one for one in self.artifacts if one["workflow_run"]["id"] == int(found[1])])
        if found := re.match(r"/repos/[^/]+/[^/]+/issues/(\d+)/comments", path):
            return self._comments(int(found[1]), method, body)
        if found := re.match(r"/repos/[^/]+/[^/]+/commits/([0-9a-f]{40})/comments", path):
            self.comments.setdefault(found[1], [])
            return self._comments(found[1], method, body)
        if (found := re.match(r"/repos/[^/]+/[^/]+/(?:issues/)?comments/(\d+)", path)) and method == "PATCH":
            return self._update(int(found[1]), body)
        return None

    def _checks(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        """What GitHub answers about runs of workflows and commit statuses; None for another path."""
        if found := re.match(r"/repos/[^/]+/[^/]+/actions/runs/(\d+)$", path):
            return next((run for run in self.runs if run["id"] == int(found[1])), None)
        if found := re.match(r"/repos/[^/]+/[^/]+/actions/workflows/([^/]+)/runs", path):
            return _counted("workflow_runs", self._runs_of(found[1], path))
        if (found := re.match(r"/repos/[^/]+/[^/]+/statuses/([0-9a-f]{40})$", path)) and method == "POST":
            self.statuses.append({"sha": found[1]} | (body or {}))
            return body
        return None

    def _runs_of(self, workflow: str, path: str) -> list[dict[str, Any]]:
        """Runs of a workflow that the query asks for, newest first."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items() if name != "per_page"}
        of_workflow = (run for run in self.runs if run["path"].split("@")[0].endswith(f"/{workflow}"))
        return [run for run in of_workflow if all(run[name] == value for name, value in asked.items())][::-1]

    def _threads(
        self, threads: list[dict[str, Any]], number: str | None, method: str, path: str, body: dict[str, Any] | None
    ) -> Any:
        """Pull requests or issues: one that is named, those that are asked for, or a new one."""
        if number:
            (one,) = (thread for thread in threads if thread["number"] == int(number))
            one.update(body or {})
            return one
        if method == "POST":
            return self._open(threads, path.split("/")[2], body or {})
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        return [
            one
            for one in threads
            if asked.get("state", "open") in {"all", one.get("state", "open")}
            and asked.get("head", "") in {"", one.get("head", {}).get("label")}
            and asked.get("base", "") in {"", one.get("base", {}).get("ref")}
        ]

    def _open(self, threads: list[dict[str, Any]], owner: str, body: dict[str, Any]) -> dict[str, Any]:
        number = 1 + len(self.pulls) + len(self.issues)
        made = {
            "number": number,
            "state": "open",
            "created_at": self.now,
            "user": self.author,
            "node_id": f"node {number}",
        }
        made |= body | {"html_url": f"https://github.example/{REPOSITORY}/{number}"}
        if "head" in body:
            made["head"] = {"label": f"{owner}:{body['head']}", "ref": body["head"], "sha": "0" * 40}
            made["head"]["repo"] = {"full_name": f"{owner}/{REPOSITORY.split('/')[1]}"}
            made["base"] = {"ref": body["base"]}
        threads.append(made)
        self.comments[number] = []
        return made

    def _comments(self, number: int | str, method: str, body: dict[str, Any] | None) -> Any:
        if method == "GET":
            return self.comments[number]
        made = {"id": 1 + sum(map(len, self.comments.values())), "user": self.author, **(body or {})}
        made["html_url"] = f"https://github.example/{REPOSITORY}/pull/{number}#issuecomment-{made['id']}"
        self.comments[number].append(made)
        return made

    def _update(self, identity: int, body: dict[str, Any] | None) -> Any:
        for comment in (one for several in self.comments.values() for one in several):
            if comment["id"] == identity:
                comment.update(body or {})
                return comment
        return None


def _counted(name: str, found: list[Any]) -> dict[str, Any]:
    """A page of a list, as GitHub sends some."""
    return {"total_count": len(found), name: found}


def archive(content: bytes | str, name: str = "evidence.json", mode: int = 0o644, packed: int = ZIP_DEFLATED) -> bytes:
    """A zip archive with one file in it, as upload-artifact makes it unless told otherwise."""
    entry = ZipInfo(name)
    entry.external_attr = mode << 16
    entry.compress_type = packed
    target = io.BytesIO()
    with ZipFile(target, "w") as made:
        made.writestr(entry, content)
    return target.getvalue()


@contextmanager
def serve(folder: Path) -> Iterator[GitHub]:
    """Serve a stand-in of GitHub on a free loopback port; `folder` holds the certificate of its authority."""
    authority = trustme.CA()
    certificate = folder / "authority.pem"
    authority.cert_pem.write_to_path(certificate)
    github = GitHub(certificate=str(certificate))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(github))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    github.address = f"localhost:{server.server_address[1]}"
    github.elsewhere = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield github
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    if github.faults:
        raise AssertionError("; ".join(github.faults))


def _handler(github: GitHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            text = self._chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self._whole()
            body = json.loads(text) if text else None
            path = self.path.removeprefix("/api/v3").removeprefix("/api")
            status, data, headers = github.respond(self.command, path, body, token="Authorization" in self.headers)
            self.send_response(status)
            for name, value in {**JSON, "Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # who has seen enough of a large archive hangs up
                self.wfile.write(data)

        def _whole(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _chunks(self) -> bytes:
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        do_GET = do_POST = do_PATCH = _answer  # noqa: N815  the names that http.server calls

        def log_message(self, *_: Any) -> None:
            """Keep the test's output quiet."""

    return Handler
