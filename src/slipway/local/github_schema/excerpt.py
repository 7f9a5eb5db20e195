"""Write the excerpts of GitHub's descriptions beside this file: the operations and events that Slipway has to do with.

    uv run python -m slipway.local.github_schema.excerpt

The descriptions are npm packages (MIT), at the versions and hashes of package-lock.json. Their prose is left out, and
what is left becomes JSON Schema 2020-12: `nullable` is a type `null`, and an object has no property that is not named.
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
from slipway.errors import UserError
from slipway.local.github_schema.schemas import EVENTS, REST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).parent
API, WEBHOOKS = "@octokit/openapi", "@octokit/openapi-webhooks"
MEMBER = "package/generated/api.github.com.json"
REPOSITORY = "/repos/{owner}/{repo}"

OPERATIONS = {
    "/actions/artifacts/{artifact_id}/{archive_format}": ["get"],
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
"""What Slipway asks for, by the path below that of the repository."""

PAYLOADS = {
    "branch_protection_rule": "branch-protection-rule-created",
    "merge_group": "merge-group-checks-requested",
    "pull_request": "pull-request-opened",
    "push": "push",
    "workflow_dispatch": "workflow-dispatch",
    "workflow_run": "workflow-run-completed",
}
"""Events that start a workflow, and the action of each that is described. `schedule` is described nowhere."""

NULLABLE = {
    ("workflow-run", "head_repository"),  # github/rest-api-description#1586: a run whose fork was deleted
    ("pull-request", "head", "repo"),  # the same fork, as the event `pull_request` has it
    ("pull-request-simple", "head", "repo"),
}
"""Properties that GitHub sends as null, although the description of the API says otherwise."""

NAMED = ("properties", "patternProperties")
LISTED = ("allOf", "anyOf", "oneOf")
KEPT = {
    *("type", "required", "enum", "const", "format", "pattern", "minimum", "maximum"),
    *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
}


def main() -> None:
    """Write both excerpts."""
    REST.write_text(_dump(rest(package(API))), encoding="utf-8")
    EVENTS.write_text(_dump(events(package(WEBHOOKS))), encoding="utf-8")


def _dump(content: dict[str, Any]) -> str:
    """One line for each operation and schema, so that a difference is readable."""
    parts = []
    for part, entries in content.items():
        lines = [f"  {json.dumps(name)}: {json.dumps(entries[name], sort_keys=True)}" for name in sorted(entries)]
        parts.append(f" {json.dumps(part)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def package(name: str) -> dict[str, Any]:
    """Return the description in a package. Raises UserError without npm, or when it is not the one that was locked."""
    locked = json.loads((HERE / "package-lock.json").read_text())["packages"][f"node_modules/{name}"]
    with TemporaryDirectory() as folder:
        command = [tools.require("npm"), "pack", f"{name}@{locked['version']}", "--silent", "--ignore-scripts"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        (archive,) = Path(folder).glob("*.tgz")
        with archive.open("rb") as file:
            digest = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
        if f"sha512-{digest}" != locked["integrity"]:
            raise UserError(f"{name}: not the archive that {HERE / 'package-lock.json'} locks")
        with tarfile.open(archive) as opened:
            return json.load(opened.extractfile(MEMBER) or _missing(name))


def _missing(name: str) -> Any:
    raise UserError(f"{name}: has no file {MEMBER}")


def rest(description: dict[str, Any]) -> dict[str, Any]:
    """Return query, body and responses of each of the OPERATIONS, and the schemas that they refer to."""
    paths = {f"{REPOSITORY}{path}": methods for path, methods in OPERATIONS.items()}
    chosen = {
        f"{method.upper()} {path}": _operation(description, description["paths"][path][method])
        for path, methods in paths.items()
        for method in methods
    }
    schemas = _referred_to(chosen, description)
    for name, *path, last in NULLABLE:
        properties = schemas[name]["properties"]
        for step in path:
            properties = properties[step]["properties"]
        properties[last] = _or_null(properties[last])
    return {"operations": chosen, "schemas": schemas}


def _operation(description: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    parameters = [_resolved(description, parameter) for parameter in operation.get("parameters", [])]
    body = operation.get("requestBody")
    return {
        "query": {one["name"]: _converted(one["schema"]) for one in parameters if one["in"] == "query"},
        "body": _content(body) if body else None,
        "responses": {
            status: _content(_resolved(description, response)) for status, response in operation["responses"].items()
        },
    }


def _content(part: dict[str, Any]) -> Any:
    """The schema of a body, or None where it has none."""
    media = part.get("content", {}).get("application/json")
    return _converted(media["schema"]) if media else None


def _resolved(description: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    for name in part.get("$ref", "#").split("/")[1:]:
        description = description[name]
    return description if "$ref" in part else part


def events(description: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the payload of each event, and the schemas that they refer to."""
    bodies = {event: description["webhooks"][name]["post"]["requestBody"] for event, name in PAYLOADS.items()}
    chosen = {event: _content(body) for event, body in bodies.items()}
    return {"events": chosen, "schemas": _referred_to(chosen, description)}


def _referred_to(part: Any, description: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    missing = set(_names(part))
    while missing:
        found |= {name: _converted(description["components"]["schemas"][name]) for name in missing}
        missing = set(_names(found)) - found.keys()
    return found


def _names(part: Any) -> Iterator[str]:
    yield from re.findall(r'"#/schemas/([^"]+)"', json.dumps(part))


def _converted(schema: Any, *, closed: bool = True) -> Any:
    """A schema of OpenAPI 3.0 or 3.1 as JSON Schema; `closed` unless others add properties to it."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"].replace("#/components/schemas/", "#/schemas/")}
    new = {key: schema[key] for key in schema if key in KEPT}
    new |= {key: {name: _converted(part) for name, part in schema[key].items()} for key in NAMED if key in schema}
    new |= {key: _listed(schema[key], key, closed=closed) for key in LISTED if key in schema}
    new |= {key: _converted(schema[key]) for key in ("items", "additionalProperties", "not") if key in schema}
    if closed and schema.get("properties") and "additionalProperties" not in schema:
        new["unevaluatedProperties"] = False
    return _or_null(new) if schema.get("nullable") else new


def _listed(schemas: Iterable[Any], key: str, *, closed: bool) -> list[Any]:
    return [_converted(schema, closed=closed and key != "allOf") for schema in schemas]


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, or null."""
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [{"type": "null"}, schema]}


if __name__ == "__main__":
    main()
