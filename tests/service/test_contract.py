"""Responses of the running service to valid and invalid bodies, byte by byte."""

from __future__ import annotations

import json

import httpx
import pytest

from slipway import predictor

GOOD = b'{"size": 1.5, "count": 2, "kind": "a", "name": "XY", "weight": null}'
JSON = {"content-type": "application/json"}


def post(url: str, body: bytes, headers: dict = JSON) -> httpx.Response:
    return httpx.post(f"{url}/predict", content=body, headers=headers, timeout=30)


def strict(text: str) -> dict:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_one_row_gets_one_prediction_equal_to_the_offline_model(url, model_dir, row):
    expected = predictor.load(model_dir).predict({key: [value] for key, value in row.items()}).tolist()
    assert {"release": "v1.2.3", "predictions": expected} == strict(post(url, GOOD).text)


def test_rows_get_predictions_in_their_order(url, model_dir, row):
    rows = [row | {"size": float(size)} for size in range(0, 100, 10)]
    table = {key: [item[key] for item in rows] for key in row}
    assert (
        predictor.load(model_dir).predict(table).tolist()
        == httpx.post(f"{url}/predict", json=rows).json()["predictions"]
    )


def test_an_unknown_category_of_an_open_list_is_accepted(url):
    assert 200 == post(url, GOOD.replace(b"XY", b"QQ")).status_code


def test_a_colon_in_a_string_is_not_a_repeated_key(url):
    assert 200 == post(url, GOOD.replace(b"XY", b"::")).status_code


@pytest.mark.parametrize(
    ("old", "new", "field", "rule"),
    [
        (b"1.5", b"NaN", "size", "finite"),
        (b"1.5", b"Infinity", "size", "finite"),
        (b"1.5", b"-1e999", "size", "finite"),
        (b"1.5", b"9" * 400, "size", "finite"),
        (b"1.5", b"100.1", "size", "less than or equal to 100"),
        (b"1.5", b"true", "size", "number"),
        (b"1.5", b'"1.5"', "size", "number"),
        (b"1.5", b"null", "size", "number"),
        (b"1.5", b"[1.5]", "size", "number"),
        (b"null", b"NaN", "weight", "finite"),
        (b"null", b"1e999", "weight", "finite"),
        (b": 2", b": 0", "count", "greater than or equal to 1"),
        (b": 2", b": 2.5", "count", "integer"),
        (b": 2", b": true", "count", "integer"),
        (b": 2", b': {"a": {}}', "count", "integer"),
        (b'"a"', b'"c"', "kind", "'a' or 'b'"),
        (b'"a"', b"1", "kind", "'a' or 'b'"),
        (b"XY", b"toolong", "name", "pattern"),
        (b', "weight": null', b"", "weight", "required"),
        (b"null}", b'null, "color": 1}', "color", "not permitted"),
        (b"null}", b'null, "size": 1.5}', "size", "repeated"),
        (b"null}", b'null, "s\\u0069ze": 1.5}', "size", "repeated"),
    ],
)
def test_a_violation_is_reported_with_row_and_field(url, old, new, field, rule):
    bad = GOOD.replace(old, new, 1)
    alone, second = post(url, bad), post(url, b"[" + GOOD + b"," + bad + b"]")
    assert (422, 422) == (alone.status_code, second.status_code)
    for response, row in ((alone, 0), (second, 1)):
        detail = strict(response.text)["details"][0]
        assert (row, field) == (detail["row"], detail["field"])
        assert rule in detail["rule"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b""),
        (400, b"{"),
        (400, GOOD + b"x"),
        (400, GOOD[:-1] + b",}"),
        (400, b"\xff" + GOOD),
        (400, b"\xef\xbb\xbf" + GOOD),
        (400, GOOD.replace(b"XY", b"\\ud800")),
        (400, GOOD.replace(b"1.5", b"01")),
        (400, b"[" * 100_000),
        (400, b'{"size":' * 50_000),
        (422, b"null"),
        (422, b"3"),
        (422, b'"text"'),
        (422, b"[]"),
        (422, b"[[]]"),
        (422, b"[null]"),
        (422, b"[" + b",".join([GOOD] * 1001) + b"]"),
        (413, b" " * 2_000_001),
        (413, b"[" + b"1.5," * 5_000_000 + b"1]"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else str(value),
)
def test_a_body_that_is_not_an_array_of_rows_is_refused(url, status, body):
    response = post(url, body)
    assert status == response.status_code
    assert {"error", "details"} == set(strict(response.text))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"rows": [' + GOOD + b"]}", '"rows" is not a field of a row'),
        (b'{"instances": [' + GOOD + b"]}", '"instances" is not a field of a row'),
        (b'{"dataframe_split": {"columns": ["size"], "data": [[1.5]]}}', '"dataframe_split" is not a field of a row'),
        (b'{"columns": ["size"], "data": [[1.5]]}', '"columns" should be the only key'),
        (b'{"id": 1, "columns": {"size": [1.5]}}', '"columns" should be the only key'),
        (b'{"size": [1.5], "count": [2]}', 'Arrays of values belong under the key "columns"'),
        (b'[[1.5, 2, "a", "XY", null]]', "Elements of the array should be objects"),
        (b"[1.5, 2]", "Elements of the array should be objects"),
        (json.dumps(GOOD.decode()).encode(), "Body is a string that contains JSON"),
        (b"3", "Body should be an object or array"),
    ],
    ids=lambda value: value[:24].decode() if isinstance(value, bytes) else "",
)
def test_a_body_of_another_shape_is_answered_with_the_right_one(url, body, reason):
    response = post(url, body)
    assert 422 == response.status_code
    (detail,) = strict(response.text)["details"]
    assert (None, None) == (detail["row"], detail["field"])
    assert detail["rule"].startswith(reason)
    assert detail["rule"].endswith(
        'a body is a row {"size": …, "count": …, …}, an array of rows [{"size": …, "count": …, …}], '
        'or columns {"columns": {"size": […], "count": […], …}}'
    )


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"color": 1}', {"size", "count", "kind", "name", "weight", "color"}),  # no field is known, and no rows
        (b'{"size": [1.5], "count": 2}', {"size", "kind", "name", "weight"}),
        (b"[" + GOOD.replace(b"1.5", b"-1") + b", 3]", {"size"}),  # the first invalid row
        (b"[]", {None}),
    ],
)
def test_a_body_of_the_right_shape_is_answered_with_its_values(url, body, fields):
    response = post(url, body)
    assert 422 == response.status_code
    assert fields == {detail["field"] for detail in strict(response.text)["details"]}


def test_a_chunked_body_is_limited_too(url):
    chunks = (b" " * 100_000 for _ in range(30))
    assert 413 == httpx.post(f"{url}/predict", content=chunks, headers=JSON, timeout=30).status_code


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/vnd.bentoml+pickle",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
    ],
)
def test_another_content_type_is_refused(url, content_type):
    assert 415 == post(url, GOOD, {"content-type": content_type}).status_code


def test_a_compressed_body_is_refused(url):
    assert 415 == post(url, GOOD, JSON | {"content-encoding": "gzip"}).status_code


@pytest.mark.parametrize(
    ("status", "method", "path", "allowed"),
    [
        (405, "GET", "/predict", "POST"),
        (405, "TRACE", "/predict", "POST"),
        (405, "POST", "/release", "GET, HEAD"),
        (404, "GET", "/nothing", None),
    ],
)
def test_another_method_or_page_is_refused(url, status, method, path, allowed):
    response = httpx.request(method, f"{url}{path}")
    assert (status, allowed) == (response.status_code, response.headers.get("allow"))
