"""A fake of the parts of GitHub's API that Slipway uses, over TLS on loopback, for `gh` and CML.

As on GitHub, a request for an artifact is redirected to another host. GitHub's schemas validate every request and
response: an invalid request is rejected, a response is completed with the required properties, and each violation fails
the test.
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
    """The state of a repository on GitHub, and a record of every call."""

    address: str = ""
    certificate: str = ""
    pulls: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    dispatched: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Workflow, branch and inputs of each dispatched run."""
    auto_merges: list[str] = field(default_factory=list)
    """Node ids of the pull requests with auto-merge."""
    rejections: dict[str, str | tuple[int, str]] = field(default_factory=dict)
    """Reason, or status and reason, of rejected requests, by the last segment of the path. Default status: 403."""
    now: str = "2026-01-01T00:00:00Z"
    comments: dict[int | str, list[dict[str, Any]]] = field(default_factory=dict)
    """Comments by pull request number or commit SHA."""
    runs: list[dict[str, Any]] = field(default_factory=list)
    """Runs of workflows, oldest first."""
    statuses: list[dict[str, Any]] = field(default_factory=list)
    """Posted commit statuses, each with its `sha`."""
    artifacts: list[dict[str, Any]] = field(default_factory=list)
    archives: dict[str, bytes] = field(default_factory=dict)
    """Content of the other host, by path."""
    other_host: str = ""
    """URL of the other host."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Responses by path below the repository; a number is an error status."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    """Paths on the other host that were requested with a token."""
    author: dict[str, str] | None = field(default_factory=lambda: {"login": "github-actions[bot]", "type": "Bot"})
    """Author of new content; null after the account is deleted."""
    faults: list[str] = field(default_factory=list)
    """Violations of GitHub's schemas in requests and responses."""

    def open_pull_request(self, number: int, sha: str, head: str = "team:change") -> None:
        """Add an open pull request whose head is `sha`."""
        owner, branch = head.split(":")
        repository = {"full_name": f"{owner}/{REPOSITORY.split('/')[1]}"}
        side = {"sha": sha, "label": head, "ref": branch, "repo": repository}
        self.pulls.append({"number": number, "state": "open", "head": side, "base": {"ref": "main"}})
        self.comments[number] = []

    def add_run(self, sha: str, conclusion: str | None, **facts: Any) -> int:
        """Add a completed, dispatched run of pull-request.yaml on the branch `retrain`. Return its id."""
        number = len(self.runs) + 1
        run = {"id": number, "run_number": number, "head_sha": sha, "conclusion": conclusion, "status": "completed"}
        run |= {"event": "workflow_dispatch", "head_branch": "retrain", "path": ".github/workflows/pull-request.yaml"}
        owner = {"login": REPOSITORY.split("/")[0]}
        run |= {
            "head_repository": {"full_name": REPOSITORY, "owner": owner},
            "html_url": f"https://github.example/run/{number}",
        }
        self.runs.append(run | facts)
        return self.runs[-1]["id"]

    def add_artifact(self, archive: bytes, run: int = 1, name: str = "evidence", **overrides: Any) -> None:
        """Add an artifact of a run, with metadata that match its archive except for `overrides`."""
        number = len(self.artifacts) + 1
        metadata = {"id": number, "name": name, "size_in_bytes": len(archive), "expired": False}
        metadata["workflow_run"] = {"id": run}
        self.artifacts.append(metadata | overrides)
        self.archives[f"/archives/{number}"] = archive

    def respond(self, method: str, path: str, body: Any, *, token: bool) -> tuple[int, bytes, dict[str, str]]:
        """Return status, content and headers of a response; `token` is whether the request had one."""
        if path in self.archives:
            self.tokens += [path] * token
            return 200, self.archives[path], {"Content-Type": "application/zip"}
        if path == "/graphql":
            status, content = self._graphql(body)
            return status, json.dumps(content).encode(), {}
        try:
            operation = github_schema.rest().find(method, path)
            if problems := list(operation.request_problems(urlsplit(path).query, body)):
                self.faults += problems
                return 422, self._checked(operation, 422, {"message": "; ".join(problems)}), {}
            status, content, headers = self._perform(method, path, body)
            return status, self._checked(operation, status, content), headers
        except LookupError as error:
            self.faults.append(str(error))
            return 404, b'{"message": "Not Found"}', {}

    def _checked(self, operation: github_schema.Operation, status: int, content: Any) -> bytes:
        """Return the completed body of a response. Raises LookupError for a status that the operation does not have."""
        schema = operation.response(status)
        if schema is None:
            self.faults += [f"{operation.name}: {status} has no body"] * (content is not None)
            return b""
        whole = schema.complete(content)
        self.faults += [f"{operation.name}: {status}: {problem}" for problem in schema.problems(whole)]
        return json.dumps(whole).encode()

    def _graphql(self, body: Any) -> tuple[int, Any]:
        """Return the response to the only mutation, which enables auto-merge."""
        self.calls.append(("POST", "/graphql"))
        if reason := self.rejections.get("graphql"):
            return 200, {"data": {"enablePullRequestAutoMerge": None}, "errors": [{"message": reason}]}
        self.auto_merges.append(body["variables"]["pull"])
        return 200, {"data": {"enablePullRequestAutoMerge": {"clientMutationId": None}}}

    def _perform(self, method: str, path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        """Return status, content and headers of the response to a valid request."""
        if match := re.match(r"/repos/[^/]+/[^/]+/actions/artifacts/(\d+)/zip", path):
            return 302, None, {"Location": f"{self.other_host}/archives/{match[1]}"}
        if method != "GET" and (reason := self.rejections.get(path.split("/")[-1])):
            status, message = (403, reason) if isinstance(reason, str) else reason
            return status, {"message": message, "status": str(status)}, {}
        if match := re.match(r"/repos/[^/]+/[^/]+/actions/workflows/([^/]+)/dispatches", path):
            self.dispatched.append((match[1], body["ref"], body.get("inputs", {})))
            return 204, None, {}
        setting = self.settings.get(path.split("?")[0].removeprefix(f"/repos/{REPOSITORY}/"))
        if setting is not None:
            self.calls.append((method, path.split("?")[0]))
        if isinstance(setting, int):
            return setting, {"message": "Rejected"}, {}
        content = self.answer(method, path, body) if setting is None else setting
        if content is None:
            return 404, {"message": "Not Found"}, {}
        return 201 if method == "POST" else 200, content, {}

    def answer(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        """Return the content of a response, or None for not found."""
        self.calls.append((method, path.split("?")[0]))
        if match := re.match(r"/repos/[^/]+/[^/]+/(pulls|issues)(?:/(\d+))?(?:\?|$)", path):
            return self._threads(self.pulls if match[1] == "pulls" else self.issues, match[2], method, path, body)
        if (checks := self._checks(method, path, body)) is not None:
            return checks
        if match := re.match(r"/repos/[^/]+/[^/]+/actions/runs/(\d+)/artifacts", path):
            artifacts = [artifact for artifact in self.artifacts if artifact["workflow_run"]["id"] == int(match[1])]
            return _counted("artifacts", artifacts)
        if match := re.match(r"/repos/[^/]+/[^/]+/issues/(\d+)/comments", path):
            return self._comments(int(match[1]), method, body)
        if match := re.match(r"/repos/[^/]+/[^/]+/commits/([0-9a-f]{40})/comments", path):
            self.comments.setdefault(match[1], [])
            return self._comments(match[1], method, body)
        if (match := re.match(r"/repos/[^/]+/[^/]+/(?:issues/)?comments/(\d+)", path)) and method == "PATCH":
            return self._update(int(match[1]), body)
        return None

    def _checks(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        """Return the content of a response on workflow runs and commit statuses, or None for another path."""
        if match := re.match(r"/repos/[^/]+/[^/]+/actions/runs/(\d+)$", path):
            return next((run for run in self.runs if run["id"] == int(match[1])), None)
        if match := re.match(r"/repos/[^/]+/[^/]+/actions/workflows/([^/]+)/runs", path):
            return _counted("workflow_runs", self._runs_of(match[1], path))
        if (match := re.match(r"/repos/[^/]+/[^/]+/statuses/([0-9a-f]{40})$", path)) and method == "POST":
            self.statuses.append({"sha": match[1]} | (body or {}))
            return body
        return None

    def _runs_of(self, workflow: str, path: str) -> list[dict[str, Any]]:
        """Return the runs of a workflow that match the query, newest first."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items() if name != "per_page"}
        of_workflow = (run for run in self.runs if run["path"].split("@")[0].endswith(f"/{workflow}"))
        return [run for run in of_workflow if all(run[name] == value for name, value in query.items())][::-1]

    def _threads(
        self, threads: list[dict[str, Any]], number: str | None, method: str, path: str, body: dict[str, Any] | None
    ) -> Any:
        """Return pull requests or issues: one by its number, those that match the query, or a new one."""
        if number:
            (thread,) = (thread for thread in threads if thread["number"] == int(number))
            thread.update(body or {})
            return thread
        if method == "POST":
            return self._open(threads, path.split("/")[2], body or {})
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        return [
            thread
            for thread in threads
            if query.get("state", "open") in {"all", thread.get("state", "open")}
            and query.get("head", "") in {"", thread.get("head", {}).get("label")}
            and query.get("base", "") in {"", thread.get("base", {}).get("ref")}
        ]

    def _open(self, threads: list[dict[str, Any]], owner: str, body: dict[str, Any]) -> dict[str, Any]:
        number = 1 + len(self.pulls) + len(self.issues)
        created = {
            "number": number,
            "state": "open",
            "created_at": self.now,
            "user": self.author,
            "node_id": f"node {number}",
        }
        created |= body | {"html_url": f"https://github.example/{REPOSITORY}/{number}"}
        if "head" in body:
            created["head"] = {"label": f"{owner}:{body['head']}", "ref": body["head"], "sha": "0" * 40}
            created["head"]["repo"] = {"full_name": f"{owner}/{REPOSITORY.split('/')[1]}"}
            created["base"] = {"ref": body["base"]}
        threads.append(created)
        self.comments[number] = []
        return created

    def _comments(self, number: int | str, method: str, body: dict[str, Any] | None) -> Any:
        if method == "GET":
            return self.comments[number]
        created = {"id": 1 + sum(map(len, self.comments.values())), "user": self.author, **(body or {})}
        created["html_url"] = f"https://github.example/{REPOSITORY}/pull/{number}#issuecomment-{created['id']}"
        self.comments[number].append(created)
        return created

    def _update(self, identity: int, body: dict[str, Any] | None) -> Any:
        for comment in (comment for comments in self.comments.values() for comment in comments):
            if comment["id"] == identity:
                comment.update(body or {})
                return comment
        return None


def _counted(name: str, entries: list[Any]) -> dict[str, Any]:
    """Return a page of a list with its total count."""
    return {"total_count": len(entries), name: entries}


def archive(content: bytes | str, name: str = "evidence.json", mode: int = 0o644, packed: int = ZIP_DEFLATED) -> bytes:
    """Return a zip archive with a single file, by default as upload-artifact creates it."""
    entry = ZipInfo(name)
    entry.external_attr = mode << 16
    entry.compress_type = packed
    target = io.BytesIO()
    with ZipFile(target, "w") as file:
        file.writestr(entry, content)
    return target.getvalue()


@contextmanager
def serve(folder: Path) -> Iterator[GitHub]:
    """Serve a fake of GitHub on a free loopback port, with the certificate of its authority in `folder`.

    Raises AssertionError at the end if a request or a response violated GitHub's schemas.
    """
    authority = trustme.CA()
    certificate = folder / "authority.pem"
    authority.cert_pem.write_to_path(certificate)
    github = GitHub(certificate=str(certificate))
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(github))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    github.address = f"localhost:{server.server_address[1]}"
    github.other_host = f"https://127.0.0.1:{server.server_address[1]}"
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
        def _respond(self) -> None:
            text = self._chunks() if self.headers.get("Transfer-Encoding") == "chunked" else self._whole()
            body = json.loads(text) if text else None
            path = self.path.removeprefix("/api/v3").removeprefix("/api")
            status, data, headers = github.respond(self.command, path, body, token="Authorization" in self.headers)
            self.send_response(status)
            for name, value in {**JSON, "Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # a client may close the connection before the end of a large archive
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

        do_GET = do_POST = do_PATCH = _respond  # noqa: N815  http.server calls these names

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    return Handler
