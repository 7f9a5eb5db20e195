"""The generator of rest.json and events.json: the operations and events of GitHub that Slipway uses.

    uv run python -m slipway.local.github_schema.excerpt

GitHub publishes its API descriptions as npm packages (MIT); package-lock.json pins their versions and hashes. The
generator drops the prose and converts the rest to JSON Schema 2020-12: `nullable` becomes a type `null`, and an object
allows only the listed properties.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from slipway import tools
from slipway.errors import DigestMismatchError, MissingFileError
from slipway.local.github_schema.schemas import EVENTS, REST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).parent
API, WEBHOOKS = "@octokit/openapi", "@octokit/openapi-webhooks"
MEMBER = "package/generated/api.github.com.json"
REPOSITORY = "/repos/{owner}/{repo}"

OPERATIONS = {
    "/actions/artifacts/{artifact_id}/{archive_format}": ["get"],
    "/actions/oidc/customization/sub": ["get"],
    "/actions/permissions": ["get"],
    "/actions/permissions/workflow": ["get"],
    "/actions/runs/{run_id}": ["get"],
    "/actions/runs/{run_id}/artifacts": ["get"],
    "/actions/variables/{name}": ["get"],
    "/actions/workflows": ["get"],
    "/actions/workflows/{workflow_id}/dispatches": ["post"],
    "/actions/workflows/{workflow_id}/runs": ["get"],
    "/comments/{comment_id}": ["patch"],
    "/commits/{commit_sha}/comments": ["get", "post"],
    "/dependency-graph/sbom": ["get"],
    "/environments": ["get"],
    "/environments/{environment_name}": ["put"],
    "/immutable-releases": ["get"],
    "/issues": ["get", "post"],
    "/issues/comments/{comment_id}": ["patch"],
    "/issues/{issue_number}": ["get", "patch"],
    "/issues/{issue_number}/comments": ["get", "post"],
    "/pages": ["get"],
    "/pulls": ["get", "post"],
    "/pulls/{pull_number}": ["get", "patch"],
    "/rulesets": ["get", "post"],
    "/statuses/{sha}": ["post"],
    "": ["get"],
}
"""Methods of the operations that Slipway calls, by path below the repository."""

PAYLOADS = {
    "branch_protection_rule": "branch-protection-rule-created",
    "merge_group": "merge-group-checks-requested",
    "pull_request": "pull-request-opened",
    "push": "push",
    "workflow_dispatch": "workflow-dispatch",
    "workflow_run": "workflow-run-completed",
}
"""Webhook of each event that starts a workflow. GitHub publishes no schema of `schedule`."""

NULLABLE = {
    ("workflow-run", "head_repository"),  # github/rest-api-description#1586: a run whose fork was deleted
    ("pull-request", "head", "repo"),  # the same fork, as the event `pull_request` has it
    ("pull-request-simple", "head", "repo"),
}
"""Properties that GitHub sends as null although its description does not allow null."""

SCHEMA_MAPPINGS = ("properties", "patternProperties")
SCHEMA_LISTS = ("allOf", "anyOf", "oneOf")
COPIED_KEYWORDS = {
    *("type", "required", "enum", "const", "format", "pattern", "minimum", "maximum"),
    *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
}


def main() -> None:
    """Write both excerpts."""
    REST.write_text(_dump(rest(package(API))), encoding="utf-8")
    EVENTS.write_text(_dump(events(package(WEBHOOKS))), encoding="utf-8")


def _dump(content: dict[str, Any]) -> str:
    """Return JSON with a line per operation and schema, so that diffs are readable."""
    sections = []
    for section, entries in content.items():
        lines = [f"  {json.dumps(name)}: {json.dumps(entries[name], sort_keys=True)}" for name in sorted(entries)]
        sections.append(f" {json.dumps(section)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(sections) + "\n}\n"


def package(name: str) -> dict[str, Any]:
    """Return the API description in an npm package. Raises UserError without npm, or if the hash differs."""
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"][f"node_modules/{name}"]
    with TemporaryDirectory() as folder:
        command = [tools.require("npm"), "pack", f"{name}@{locked['version']}", "--silent", "--ignore-scripts"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        (archive,) = Path(folder).glob("*.tgz")
        with archive.open("rb") as file:
            digest = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
        if f"sha512-{digest}" != locked["integrity"]:
            raise DigestMismatchError(f"{name}: its hash differs from {HERE / 'package-lock.json'}; check the registry")
        with tarfile.open(archive) as opened:
            member = opened.extractfile(MEMBER)
            if member is None:
                raise MissingFileError(f"{name}: has no file {MEMBER}; lock a version that has it")
            description: dict[str, Any] = json.load(member)
            return description


def rest(description: dict[str, Any]) -> dict[str, Any]:
    """Return query, body and responses of each of the OPERATIONS, and the schemas that they reference."""
    paths = {f"{REPOSITORY}{path}": methods for path, methods in OPERATIONS.items()}
    selected = {
        f"{method.upper()} {path}": _operation(description, description["paths"][path][method])
        for path, methods in paths.items()
        for method in methods
    }
    schemas = _references(selected, description)
    for name, *path, last in NULLABLE:
        properties = schemas[name]["properties"]
        for step in path:
            properties = properties[step]["properties"]
        properties[last] = _or_null(properties[last])
    return {"operations": selected, "schemas": schemas}


def _operation(description: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    parameters = [_resolve(description, parameter) for parameter in operation.get("parameters", [])]
    body = operation.get("requestBody")
    return {
        "query": {
            parameter["name"]: _convert(parameter["schema"]) for parameter in parameters if parameter["in"] == "query"
        },
        "body": _content(body) if body else None,
        "responses": {
            status: _content(_resolve(description, response)) for status, response in operation["responses"].items()
        },
    }


def _content(body: dict[str, Any]) -> Any:
    """Return the schema of a request or response body, or None if it is empty."""
    media = body.get("content", {}).get("application/json")
    return _convert(media["schema"]) if media else None


def _resolve(description: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for name in node.get("$ref", "#").split("/")[1:]:
        description = description[name]
    return description if "$ref" in node else node


def events(description: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of each event's payload, and the schemas that they reference."""
    bodies = {event: description["webhooks"][name]["post"]["requestBody"] for event, name in PAYLOADS.items()}
    selected = {event: _content(body) for event, body in bodies.items()}
    return {"events": selected, "schemas": _references(selected, description)}


def _references(content: Any, description: dict[str, Any]) -> dict[str, Any]:
    """Return every schema that `content` references, directly or indirectly, by name."""
    schemas: dict[str, Any] = {}
    missing = set(_reference_names(content))
    while missing:
        schemas |= {name: _convert(description["components"]["schemas"][name]) for name in missing}
        missing = set(_reference_names(schemas)) - schemas.keys()
    return schemas


def _reference_names(content: Any) -> Iterator[str]:
    yield from re.findall(r'"#/schemas/([^"]+)"', json.dumps(content))


def _convert(schema: Any, *, closed: bool = True) -> Any:
    """Convert a schema of OpenAPI 3.0 or 3.1 to JSON Schema. `closed` forbids properties that it does not list."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace("#/components/schemas/", "#/schemas/")}
    new = {key: schema[key] for key in schema if key in COPIED_KEYWORDS}
    new |= {
        key: {name: _convert(value) for name, value in schema[key].items()} for key in SCHEMA_MAPPINGS if key in schema
    }
    new |= {key: _convert_list(schema[key], key, closed=closed) for key in SCHEMA_LISTS if key in schema}
    new |= {key: _convert(schema[key]) for key in ("items", "additionalProperties", "not") if key in schema}
    if closed and schema.get("properties") and "additionalProperties" not in schema:
        new["unevaluatedProperties"] = False
    return _or_null(new) if schema.get("nullable") else new


def _convert_list(schemas: Iterable[Any], key: str, *, closed: bool) -> list[Any]:
    return [_convert(schema, closed=closed and key != "allOf") for schema in schemas]


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema` with null as an additional value."""
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [{"type": "null"}, schema]}


if __name__ == "__main__":
    main()
