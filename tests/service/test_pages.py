"""Pages of the running service."""

from __future__ import annotations

import json

import httpx
from jsonschema import Draft202012Validator

from .conftest import both_ways

pytestmark = both_ways


def test_release_describes_the_served_model(url, model_dir):
    assert json.loads((model_dir / "release.json").read_text()) == httpx.get(f"{url}/release").json()


def test_it_is_alive_and_ready(url):
    assert [200, 200] == [httpx.get(f"{url}/{page}").status_code for page in ("livez", "readyz")]


def test_openapi_describes_the_accepted_rows(url, toy, row):
    document = httpx.get(f"{url}/openapi.json").json()
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator(body | {"components": document["components"]})
    assert set(toy.Row.model_fields) == set(document["components"]["schemas"]["Row"]["properties"])
    assert [True, True, False, False] == [validator.is_valid(body) for body in (row, [row], [], row | {"color": 1})]
    columns = {name: [value] for name, value in row.items()}
    bad = columns | {"size": ["1"]}, columns | {"color": [1]}, columns | {"size": []}, columns | {"size": 1}, {}
    assert validator.is_valid({"columns": columns})
    assert not any(validator.is_valid({"columns": table}) for table in bad)


def test_openapi_describes_the_responses(url, row):
    document = httpx.get(f"{url}/openapi.json").json()
    for body, status in ((row, "200"), ([], "422")):
        response = httpx.post(f"{url}/predict", json=body)
        schema = document["paths"]["/predict"]["post"]["responses"][status]["content"]["application/json"]["schema"]
        Draft202012Validator(schema | {"components": document["components"]}).validate(response.json())
        assert status == str(response.status_code)


def test_every_page_of_openapi_exists(url):
    paths = httpx.get(f"{url}/openapi.json").json()["paths"]
    assert {200} == {httpx.get(f"{url}{path}").status_code for path, operations in paths.items() if "get" in operations}


def test_the_html_page_lists_each_field_and_loads_no_resources(url, toy):
    page = httpx.get(f"{url}/").text
    assert all(f"<td>{name}</td>" in page for name in toy.Row.model_fields)
    assert "http://" not in page
    assert "https://" not in page


def test_metrics_have_requests_rows_refusals_and_the_release(url, row):
    def value(name: str) -> float:
        lines = httpx.get(f"{url}/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    names = (
        'slipway_requests_total{status="200"}',
        "slipway_rows_total",
        'slipway_rejections_total{reason="contract"}',
    )
    before = [value(name) for name in names]
    httpx.post(f"{url}/predict", json=[row] * 3)
    httpx.post(f"{url}/predict", json=[])
    assert [1, 3, 1] == [value(name) - old for name, old in zip(names, before, strict=True)]
    assert 1 == value('slipway_release_info{commit="c0ffee",version="v1.2.3"}')
