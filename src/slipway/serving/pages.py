"""API documentation of the service: `/openapi.json`, and the same as an HTML page at `/`.

Both are generated from the JSON schema of `Row`. The page is static and self-contained.
"""

from __future__ import annotations

import json
from html import escape
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from slipway.page import page
from slipway.schema import contract
from slipway.schema.fields import fields
from slipway.serving import explanation_form, json_numbers
from slipway.serving.refusal import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from pydantic import BaseModel

    from slipway.serving.app import App

ROW = "#/components/schemas/Row"
RETRY_AFTER = {"Retry-After": {"description": "Seconds", "required": True, "schema": {"type": "integer"}}}
STYLE = """
body { font: 16px/1.5 system-ui; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
td, th { text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }
"""
REQUEST_ID = {"description": "Identifies the request in the logs", "schema": {"type": "string"}}


def add(app: App, problem: ModuleType, version: str, settings: dict[str, Any], explained: bool = False) -> None:
    """Add the pages for `problem` to `app`, which explains its predictions where `explained`."""
    document = openapi(problem.Row, problem.TASK, problem.TARGET, version, settings["max_rows"], explained)

    def openapi_json(prefix: str) -> bytes:
        return json.dumps(document | ({"servers": [{"url": prefix}]} if prefix else {})).encode()

    app.add_page("/openapi.json", b"application/json", openapi_json)
    app.add_page("/", b"text/html; charset=utf-8", lambda prefix: documentation(document, prefix).encode())


def openapi(
    row: type[BaseModel], task: str, target: str, version: str, max_rows: int, explained: bool = False
) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the service, which explains its predictions where `explained`."""
    schema = row.model_json_schema(ref_template="#/components/schemas/{model}")
    json_numbers.bound(schema)
    definitions = schema.pop("$defs", {})
    schema["additionalProperties"] = False
    schemas = definitions | {"Row": schema, "Columns": _columns(schema, max_rows)} | _schemas(task, target)
    facts = {"title": f"{contract.TITLE}{target}", "version": version, "description": schema.get("description", "")}
    explain = {"/explain": {"post": _explain(row, schema, task, target)}} if explained else {}
    return {
        "openapi": "3.1.0",
        "info": facts | {contract.VERSION: contract.version(schemas)},
        "paths": {
            "/predict": {"post": _predict(target, max_rows)},
            **explain,
            "/release": {"get": _get("The served release", "Version, commit, data and model", _json(_ref("Release")))},
            "/livez": {"get": _get("Liveness check", "Alive", _text())},
            "/readyz": {"get": _get("Readiness check", "Ready", _text())},
            "/metrics": {"get": _get("Metrics for Prometheus", "Text in the exposition format", _text())},
            "/openapi.json": {"get": _get("This document", "OpenAPI 3.1", _json({"type": "object"}))},
        },
        "components": {"schemas": schemas},
    }


def _predict(target: str, max_rows: int) -> dict[str, Any]:
    summary = f"Predict {target} for one row, for an array of rows, or for rows as columns"
    answer = _answer("A prediction for each row, in the same order", _ref("Predictions"))
    return {"operationId": "predict", "summary": summary} | _post(_rows(max_rows), _ref("Columns"), answer)


def _explain(row: type[BaseModel], schema: dict[str, Any], task: str, target: str) -> dict[str, Any]:
    """Return the operation that explains a prediction."""
    number = {"type": "number"}
    value = {"type": "object", "additionalProperties": number} if task == "multiclass" else number
    contribution = _object({"value": value, "standard_error": value})
    columns = {name: contribution for name, field in fields(row).items() if not field.redact}
    explanation = _object(
        {
            "release": {"type": "string"},
            "prediction": prediction(task),
            "base": prediction(task) | {"description": "Mean prediction for the background rows"},
            "contributions": _object(columns) | {"description": "They add up to prediction minus base"},
        }
    )
    summary = f"Explain the prediction of {target} for one row: the contribution of each column"
    return {"operationId": "explain", "summary": summary} | _post(
        _rows(1), _columns(schema, 1), _answer("The explanation", explanation)
    )


def _rows(max_rows: int) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": ROW}, "minItems": 1, "maxItems": max_rows}


def _post(rows: dict[str, Any], columns: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "parameters": [{"name": "X-Request-Id", "in": "header", "required": False} | REQUEST_ID],
        "requestBody": {"required": True, "content": _json({"oneOf": [{"$ref": ROW}, rows, columns]})},
        "responses": {"200": answer}
        | {
            str(status): _answer(text, _ref("Refusal"), RETRY_AFTER if status == 503 else {})
            for status, text in REFUSALS.items()
        },
    }


def _columns(row: dict[str, Any], max_rows: int) -> dict[str, Any]:
    """Return the schema of rows as columns. JSON Schema cannot express equal lengths, so the description does."""
    columns = {
        name: {"type": "array", "items": {"$ref": f"{ROW}/properties/{name}"}, "minItems": 1, "maxItems": max_rows}
        for name in row["properties"]
    }
    text = "Rows as columns: each column has one value per row, so all columns have the same length"
    table = _object(columns) | {"required": row.get("required", []), "description": text}
    return _object({"columns": table})


def _answer(
    description: str, schema: dict[str, Any], headers: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    always = {"X-Request-Id": REQUEST_ID | {"required": True}}
    return {"description": description, "content": _json(schema), "headers": {**always, **headers}}


def _get(summary: str, description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": {"description": description, "content": content}}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _text() -> dict[str, Any]:
    return {"text/plain": {"schema": {"type": "string"}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def predictions(task: str, target: str) -> dict[str, Any]:
    """Return the schema of the predictions of `target`."""
    listed = {"type": "array", "items": prediction(task), contract.TARGET: target}
    return _object({"release": {"type": "string"}, "predictions": listed})


def prediction(task: str) -> dict[str, Any]:
    """Return the schema of a prediction."""
    number = {"type": "number"}
    probability = number | {"minimum": 0, "maximum": 1}
    schemas: dict[str, dict[str, Any]] = {
        "binary": probability | {"description": "Probability of the positive class"},
        "multiclass": {
            "type": "object",
            "additionalProperties": probability,
            "description": "Probability of each class",
        },
        "regression": number,
    }
    return schemas[task]


def _schemas(task: str, target: str) -> dict[str, Any]:
    detail = {
        "row": {
            "type": ["integer", "null"],
            "description": "Index of the row, from 0; null for a rule about the whole body",
        },
        "field": {"type": ["string", "null"]},
        "rule": {"type": "string", "description": "What the value must be"},
    }
    return {
        "Predictions": predictions(task, target),
        "Refusal": _object({"error": {"type": "string"}, "details": {"type": "array", "items": _object(detail)}}),
        "Release": {"type": "object", "properties": {"version": {"type": "string"}}, "required": ["version"]},
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def documentation(document: dict[str, Any], prefix: str = "") -> str:
    """Return the document as HTML; `prefix` is the path prefix of the client's proxy."""
    row = document["components"]["schemas"]["Row"]
    routes = [
        (f"{method.upper()} {path}", operation["summary"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    columns = [(name, _values(field), field.get("description", "")) for name, field in row["properties"].items()]
    form = explanation_form.section(row, prefix) if "/explain" in document["paths"] else ""
    title = document["info"]["title"]
    version, description = (escape(document["info"][key]) for key in ("version", "description"))
    body = f"""<h1>{escape(title)}</h1><p>Release {version}. {description}
Full document: <a href="{escape(prefix)}/openapi.json">openapi.json</a>.</p>
<h2>Routes</h2>{_table(("Request", "Response"), routes)}
<h2>Row</h2><p>POST one row, or an array of rows, as application/json to /predict. Keys that are not listed are refused.
Columns of equal length are faster for many rows: {escape('{"columns": {field: [values]}}')}
Clients of the Open Inference Protocol (KServe v2) find this model in <a href="{escape(prefix)}/v2">/v2</a>.</p>
{_table(("Field", "Values", "Meaning"), columns)}
{form}<h2>Refusals</h2><p>{escape('{"error": …, "details": [{"row": …, "field": …, "rule": …}]}')}</p>
{_table(("Status", "Meaning"), list(REFUSALS.items()))}"""
    return page(title, STYLE + explanation_form.STYLE, body)


def _values(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_values(option) for option in field["anyOf"])
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    bounds = [f"{word} {field[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in field]
    kind = field.get("$ref", "").rsplit("/", 1)[-1] or str(field.get("type", field.get("const", "")))
    return " ".join([kind, *bounds, field.get("unit", ""), field.get("pattern", "")]).strip()


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    cells = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>{cells}</table>"
