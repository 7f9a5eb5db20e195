"""The version of a contract, and the changes by which clients of one service cannot use another."""

from __future__ import annotations

import copy
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from slipway.schema import contract
from slipway.serving.pages import openapi


class Color(StrEnum):
    RED = "red"


FIELDS = {
    "size": (Annotated[float, Field(ge=0, le=9, description="Size", json_schema_extra={"unit": "m"})], ...),
    "kind": (Literal["a", "b"], ...),
    "name": (Annotated[str, Field(max_length=9)], ...),
    "color": (Color, ...),
    "title": (int | None, None),
}


def _document(
    release: str = "v1", task: str = "binary", target: str = "y", max_rows: int = 5, **changes: object
) -> dict:
    fields = {name: field for name, field in (FIELDS | changes).items() if field}
    return openapi(create_model("Row", **fields), task, target, release, max_rows)


def _version(document: dict) -> str:
    return document["info"]["x-contract"]


BEFORE = _document()


@pytest.mark.parametrize(
    "document",
    [
        _document("v2", max_rows=7),
        _document(
            size=(Annotated[float, Field(ge=0, le=9, description="Other", json_schema_extra={"unit": "ft"})], ...)
        ),
        openapi(create_model("Row", **dict(reversed(FIELDS.items()))), "binary", "y", "v1", 5),
        openapi(create_model("Other", __base__=create_model("Row", **FIELDS)), "binary", "y", "v1", 5),
    ],
    ids=["release", "description", "order", "class"],
)
def test_the_version_is_that_of_the_rules(document):
    assert (_version(BEFORE), []) == (_version(document), contract.breaking_changes(BEFORE, document))


@pytest.mark.parametrize(
    ("change", "to_do", "back"),
    [
        ({"size": None}, "stop sending `size`", "send `size`"),
        ({"title": None}, "stop sending `title`", None),
        ({"title": (int | None, ...)}, "always send `title`", None),
        ({"title": (int, 0)}, "send no null for `title`", None),
        ({"size": (int, ...)}, "send `size` as integer, not number", None),
        ({"size": (str, ...)}, "send `size` as string, not number", "send `size` as number, not string"),
        ({"size": (Annotated[float, Field(ge=1, le=9)], ...)}, "send `size` ≥ 1", None),
        ({"size": (Annotated[float, Field(gt=0, le=9)], ...)}, "send `size` > 0", None),
        ({"size": (Annotated[float, Field(gt=-1, lt=8)], ...)}, "send `size` < 8", "send `size` ≥ 0"),
        ({"kind": (Literal["a", "c"], ...)}, 'stop sending "b" for `kind`', 'stop sending "c" for `kind`'),
        ({"kind": (str, ...)}, None, 'send only "a", "b" for `kind`'),
        ({"name": (Annotated[str, Field(max_length=8)], ...)}, "send `name` with maxLength 8", None),
    ],
)
def test_what_clients_must_do_is_named_in_both_directions(change, to_do, back):
    after = _document(**change)
    assert _version(BEFORE) != _version(after)
    forth = contract.breaking_changes(BEFORE, after)
    assert ([to_do] if to_do else []) == forth
    if back or to_do is None:
        assert [back] == contract.breaking_changes(after, BEFORE)


@pytest.mark.parametrize(
    ("change", "to_do"),
    [
        ({"target": "z"}, ["read predictions of `z`, not of `y`"]),
        ({"task": "regression"}, ["read each prediction as a number, not a probability"]),
        ({"task": "multiclass"}, ["read each prediction as probabilities by class, not a probability"]),
        (
            {"target": "z", "task": "regression", "size": None},
            [
                "read predictions of `z`, not of `y`",
                "read each prediction as a number, not a probability",
                "stop sending `size`",
            ],
        ),
    ],
)
def test_another_target_or_task_is_another_version_and_named(change, to_do):
    after = _document(**change)
    assert _version(BEFORE) != _version(after)
    assert to_do == contract.breaking_changes(BEFORE, after)


def test_an_older_document_has_its_target_in_the_title():
    before = copy.deepcopy(BEFORE)
    del before["components"]["schemas"]["Predictions"]["properties"]["predictions"]["x-target"]
    assert [] == contract.breaking_changes(before, BEFORE)
    assert ["read predictions of `z`, not of `y`"] == contract.breaking_changes(before, _document(target="z"))


def test_a_document_without_predictions_changes_none():
    before = copy.deepcopy(BEFORE)
    del before["components"]["schemas"]["Predictions"]
    assert [] == contract.breaking_changes(before, BEFORE) == contract.breaking_changes(BEFORE, before)


def test_a_long_list_of_values_is_cut():
    after, values = _document(), tuple("cdefgh")
    before = _document(kind=(Literal[("a", "b", *values)], ...))
    assert ['stop sending "c", "d", "e", "f", "g", … for `kind`'] == contract.breaking_changes(before, after)


def test_a_row_of_the_problem_has_a_version():
    class Row(BaseModel):
        x: float

    assert len(_version(openapi(Row, "regression", "y", "v1", 1))) == contract.VERSION_DIGITS
