"""Columns have the contract of rows: the same values are accepted, and refusals have the same row and field."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from slipway.serving import columnar
from slipway.serving.contract import RowContract
from slipway.serving.refusal import RefusedError
from slipway.serving.strict_row import strict

MAX_ROWS = 4
NAMES = ("size", "count", "kind", "name", "weight")
GOOD = {"size": "1.5", "count": "2", "kind": '"a"', "name": '"XY"', "weight": "null"}
"""Fields of a row of the toy problem, each value in JSON."""

JsonFields = dict[str, str]


def as_rows(rows: list[JsonFields]) -> bytes:
    return f"[{','.join(_object(row) for row in rows)}]".encode()


def as_columns(rows: list[JsonFields], names: tuple[str, ...] = NAMES) -> bytes:
    columns = {name: f"[{','.join(row[name] for row in rows)}]" for name in (rows[0] if rows else names)}
    return f'{{"columns":{_object(columns)}}}'.encode()


def _object(members: JsonFields) -> str:
    return "{" + ",".join(f'"{name}": {text}' for name, text in members.items()) + "}"


def outcome(contract: RowContract, body: bytes) -> Any:
    """Return the table, or the content of the refusal."""
    try:
        return contract.parse(body)
    except RefusedError as refused:
        return refused.status, refused.reason, str(refused), refused.details


@pytest.fixture(scope="module")
def contract(toy) -> RowContract:
    return RowContract(toy.Row, MAX_ROWS)


@pytest.mark.parametrize("count", [1, 2, MAX_ROWS])
def test_valid_columns_are_the_table_of_the_rows(contract, count):
    rows = [GOOD | {"size": str(float(size))} for size in range(count)]
    assert (count, [float(size) for size in range(count)]) == (
        outcome(contract, as_columns(rows))[0],
        outcome(contract, as_columns(rows))[1]["size"],
    )
    assert outcome(contract, as_rows(rows)) == outcome(contract, as_columns(rows))


def test_whitespace_makes_no_difference(contract):
    body = as_columns([GOOD]).replace(b":", b" :\r\n\t").replace(b"{", b"\n { ")
    assert outcome(contract, as_rows([GOOD])) == outcome(contract, body)


BROKEN = [
    ("size", "NaN", "finite"),
    ("size", "Infinity", "finite"),
    ("size", "-1e999", "finite"),
    ("size", "9" * 400, "finite"),
    ("size", "100.1", "less than or equal to 100"),
    ("size", "true", "number"),
    ("size", '"1.5"', "number"),
    ("size", "null", "number"),
    ("size", "[1.5]", "number"),
    ("size", '{"columns": {"size": [1]}}', "number"),
    ("weight", "NaN", "finite"),
    ("weight", "1e39", "between"),
    ("count", "0", "greater than or equal to 1"),
    ("count", "2.5", "integer"),
    ("count", "true", "integer"),
    ("count", "9" * 400, "less than or equal to"),
    ("kind", '"c"', "'a' or 'b'"),
    ("kind", "1", "'a' or 'b'"),
    ("name", '"toolong"', "pattern"),
    ("color", "1", "not permitted"),
]


@pytest.mark.parametrize(("field", "text", "rule"), BROKEN, ids=[f"{field}-{text[:9]}" for field, text, _ in BROKEN])
def test_a_violation_is_refused_as_in_a_row(contract, field, text, rule):
    good = GOOD | ({"color": "1"} if field == "color" else {})
    rows = [good, good | {field: text}]
    expected = outcome(contract, as_rows(rows))
    assert (422, "contract") == expected[:2]
    assert (0 if field == "color" else 1, field) == (expected[3][0]["row"], expected[3][0]["field"])
    assert rule in expected[3][0]["rule"]
    assert expected == outcome(contract, as_columns(rows))


def without(field: str) -> JsonFields:
    return {name: text for name, text in GOOD.items() if name != field}


@pytest.mark.parametrize(
    "rows",
    [
        [without("weight")] * 2,
        [without("weight") | {"color": "1", "size": "NaN"}],
        [GOOD | {"size": "NaN", "kind": "1"}, GOOD | {"name": "1"}],
        [GOOD, GOOD, GOOD | {"weight": "true"}, GOOD | {"size": "1000"}],
        [],
        [GOOD] * (MAX_ROWS + 1),
        [GOOD] * 500,
        [GOOD | {"name": '"::"'}],
        [GOOD | {"count": "2.0"}],
        [GOOD | {"count": "2.0"}, GOOD | {"count": "2.5"}],
        [GOOD | {"name": '"\\u0058Y"'}],
    ],
    ids=["missing", "several", "two rows", "later", "none", "one more", "many", "colons", "2.0", "2.5", "escape"],
)
def test_columns_have_the_outcome_of_their_rows(contract, rows):
    assert outcome(contract, as_rows(rows)) == outcome(contract, as_columns(rows))


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b"null]}", b'null], "size": [1.5]}', "size"),
        (b"null]}", b'null], "s\\u0069ze": [1.5]}', "size"),
        (b"null]}}", b'null]}, "color": 1}', "color"),
        (b"[1.5]", b"1.5", "size"),
        (b"[1.5]", b'"1"', "size"),
        (b"[1.5]", b"null", "size"),
        (b"[1.5]", b'{"0": 1.5}', "size"),
        (b"[2]", b"[2, 3]", "count"),
        (b"[2]", b"[]", "count"),
    ],
)
def test_an_invalid_table_is_refused_with_the_column(contract, old, new, field):
    status, reason, _, details = outcome(contract, as_columns([GOOD]).replace(old, new))
    assert (422, "contract") == (status, reason)
    assert field in {detail["field"] for detail in details}


def test_repeated_columns_are_refused(contract):
    body = as_columns([GOOD])
    details = outcome(contract, body[:-1] + b", " + body[1:])[3]
    assert [{"row": None, "field": "columns", "rule": "Key is repeated"}] == details


@pytest.mark.parametrize(
    "body",
    [
        b'{"columns": {',
        b'{"columns": {"size": ' + b"[" * 100_000,
        b'{"columns": {"size": [01]}}',
        b'{"columns": {"name": ["\\ud800"]}}',
    ],
    ids=["end", "deep", "zero", "surrogate"],
)
def test_invalid_json_is_refused(contract, body):
    assert (400, "json") == outcome(contract, body)[:2]


def test_an_empty_table_is_refused(contract):
    assert outcome(contract, b"[]") == outcome(contract, b'{"columns": {}}')


class Color(Enum):
    RED = "red"
    BLUE = "blue"


def even(value: int) -> int:
    if value % 2:
        raise ValueError("odd")
    return value


class Ruled(BaseModel):
    """A row with rules that cannot be checked per column."""

    low: Annotated[int, AfterValidator(even)]
    high: int = Field(default=9, le=9)
    color: Color
    choice: Literal["y", "x"] | None = None

    @field_validator("high")
    @classmethod
    def above_low(cls, value: int, info: Any) -> int:
        """Reject a low above high."""
        if value <= info.data.get("low", value - 1):
            raise ValueError("not above low")
        return value

    @model_validator(mode="after")
    def not_red_and_high(self) -> Ruled:
        """Reject red that is not low."""
        if self.high == 9 and self.color == "red":
            raise ValueError("red and high")
        return self


VALUES = {
    "toy": {
        "size": ["1.5", "0", "100", "1e2", "100.5", "-1", "NaN", "true", '"1"', "null", "1e999"],
        "count": ["1", "2", "2.0", "0", "2.5", "true", "9" * 30],
        "kind": ['"a"', '"b"', '"c"', '""', "null", "1"],
        "name": ['"XY"', '"QQ"', '"x"', '"::"', '"\\u0058Y"', "null"],
        "weight": ["null", "1", "-2.5", "1e38", "1e39", "NaN", '"1"', "false"],
    },
    "ruled": {
        "low": ["0", "2", "4", "4.0", "3", "null"],
        "high": ["3", "8", "9", "1", "10", "true"],
        "color": ['"red"', '"blue"', '"green"', "1"],
        "choice": ['"y"', '"x"', "null", "2", '"z"'],
    },
}


def tables(values: dict[str, list[str]]) -> st.SearchStrategy[list[JsonFields]]:
    """Draw rows with the same fields, most of them valid; the first two values of a field are valid."""
    value = {name: st.sampled_from(options[:2] * 20 + options) for name, options in values.items()}
    names = st.one_of(st.just(set(values)), st.sets(st.sampled_from(sorted(values)), min_size=1))
    return names.flatmap(
        lambda chosen: st.lists(
            st.fixed_dictionaries({name: value[name] for name in values if name in chosen}), max_size=MAX_ROWS + 1
        )
    )


@pytest.mark.parametrize("problem", ["toy", "ruled"])
def test_generated_columns_have_the_outcome_of_their_rows(problem, toy):
    contract = RowContract({"toy": toy.Row, "ruled": Ruled}[problem], MAX_ROWS)
    taken = 0

    @settings(max_examples=500, derandomize=True, deadline=None)
    @given(tables(VALUES[problem]))
    def compare(rows: list[JsonFields]) -> None:
        nonlocal taken
        expected = outcome(contract, as_rows(rows))
        assert expected == outcome(contract, as_columns(rows, tuple(VALUES[problem])))
        taken += len(expected) == 2

    compare()
    assert taken > 20


@pytest.mark.parametrize("problem", ["toy", "ruled"])
def test_an_array_is_accepted_if_each_row_is(problem, toy):
    contract = RowContract({"toy": toy.Row, "ruled": Ruled}[problem], MAX_ROWS)
    accepted = 0

    @settings(max_examples=300, derandomize=True, deadline=None)
    @given(tables(VALUES[problem]).filter(lambda rows: 0 < len(rows) <= MAX_ROWS))
    def compare(rows: list[JsonFields]) -> None:
        nonlocal accepted
        alone = [outcome(contract, _object(row).encode()) for row in rows]
        together = outcome(contract, as_rows(rows))
        invalid = [result for result in alone if len(result) > 2]
        if invalid:
            assert invalid[0][:2] == together[:2]
            return
        assert len(rows) == together[0]
        assert {name: [result[1][name][0] for result in alone] for name in together[1]} == together[1]
        accepted += 1

    compare()
    assert accepted > 20


class Finite(BaseModel):
    """A row with a pydantic function for a whole number, and a column called as a key of pydantic's schema."""

    model_config = ConfigDict(extra="forbid", strict=True)

    count: Annotated[int, Field(ge=1, allow_inf_nan=False)]
    type: float | None


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "true", "1.5", "0"])
def test_a_whole_number_is_finite(value):
    contract = RowContract(Finite, MAX_ROWS)
    for body in (
        b'{"count": %s, "type": 1}',
        b'[{"count": %s, "type": 1}]',
        b'{"columns": {"count": [%s], "type": [1]}}',
    ):
        assert 422 == outcome(contract, body % value.encode())[0]
        assert (1, {"count": [7], "type": [1.0]}) == outcome(contract, body % b"7")


@pytest.mark.parametrize("row", [Finite, "toy"])
def test_arrays_of_plain_rows_are_parsed_as_columns(row, toy):
    row = toy.Row if row == "toy" else row
    body = b'[{"count": 7, "type": 1}]' if row is Finite else as_rows([GOOD, GOOD])
    columns = columnar.ColumnsValidator(row, MAX_ROWS).parse_rows(body)
    assert columns is not None
    assert RowContract(row, MAX_ROWS).parse(body)[1] == columns


@pytest.mark.parametrize(
    "body",
    [
        b"[%s,]",
        b"[%s]]",
        b"\xef\xbb\xbf[%s]",
        b"[%s\x00]",
        b"[" * 5_000 + b"%s",
        b'[%s,{"size": ' + b"[" * 5_000 + b"]" * 5_000 + b"}]",
        b'[%s,{"name": "\xff"}]',
        b'[%s,{"name": "\\ud800"}]',
        b'[%s,{"name": "\x01"}]',
        b'[%s,{"size": 01}]',
    ],
)
def test_an_array_that_is_no_json_is_refused(contract, body):
    assert outcome(contract, body % as_rows([GOOD])[1:-1])[0] == 400


@pytest.mark.parametrize("key", ["size", "s\\u0069ze"])
def test_a_repeated_key_in_an_array_is_refused_with_its_row(contract, key):
    row = _object(GOOD)
    body = f'[{row}, {row[:-1]}, "{key}": 1.5}}]'.encode()
    assert [{"row": 1, "field": "size", "rule": "Key is repeated"}] == outcome(contract, body)[3]


def test_arrays_of_rows_with_custom_validators_are_not():
    body = b'[{"low": 2, "high": 3, "color": "red", "choice": null}]'
    assert columnar.ColumnsValidator(Ruled, MAX_ROWS).parse_rows(body) is None


class Typed(BaseModel):
    """A row with a field for each type of msgspec, and some that pydantic validates."""

    whole: int = Field(ge=1, le=7)
    within: int = Field(gt=1, lt=7)
    number: float = Field(ge=-40, le=130)
    open: float = Field(gt=0, lt=1)
    gap: Annotated[int, Field(ge=1, le=9)] | None = None
    flag: bool
    text: str
    kind: Literal["a", "b"]
    unbounded: float
    one_sided: int = Field(ge=0)
    code: str = Field(pattern="^[a-z]$")
    step: Annotated[int, Field(ge=0, le=9, multiple_of=2)]
    digit: Literal[1, 2]
    agreed: Literal[True]


TYPED = {
    "whole": "1",
    "within": "2",
    "number": "0.5",
    "open": "0.5",
    "gap": "null",
    "flag": "true",
    "text": '"x"',
    "kind": '"a"',
    "unbounded": "1.5",
    "one_sided": "3",
    "code": '"x"',
    "step": "4",
    "digit": "1",
    "agreed": "true",
}
NUMBERS = """0 1 2 3 6 7 8 9 10 1.0 7.0 8.0 0.5 -40 -40.0 -40.00000000000001 130 130.00000000000003 131 -0.0 -0 1e0 1E2
4e-1 1e400 -1e400 NaN Infinity 9007199254740993 99999999999999999999999999 01 +1 .5 1."""
OTHERS = r"""true false null "a" "b" "c" "\u0061" "\n" "x\n" "" "1" "true" "é" "\ud800" [] {} [1] none"""


@pytest.mark.parametrize("field", TYPED)
def test_a_value_has_the_outcome_of_a_row_alone(field):
    contract, typed = RowContract(Typed, MAX_ROWS), columnar.TypedColumns(strict(Typed), MAX_ROWS)
    read_by_type = 0
    for value in (NUMBERS + " " + OTHERS).split():
        row = TYPED | {field: value}
        alone = outcome(contract, _object(row).encode())
        for body, parse in ((as_rows([row]), typed.parse_rows), (as_columns([row]), typed.parse)):
            together, read = outcome(contract, body), parse(body)
            assert alone[:2] == together[:2], value
            if read is not None:
                assert (1, read) == alone, value
                assert type(read[field][0]) is type(alone[1][field][0]), value
                read_by_type += 1
    assert read_by_type


@pytest.mark.parametrize("count", [0, MAX_ROWS + 1])
def test_typed_columns_have_as_many_rows_as_permitted(count):
    typed = columnar.TypedColumns(strict(Typed), MAX_ROWS)
    assert typed.parse_rows(as_rows([TYPED] * count)) is None
    assert typed.parse(as_columns([TYPED] * count, tuple(TYPED))) is None


class Plain(BaseModel):
    """A row that pydantic validates with its own functions."""

    model_config = ConfigDict(extra="forbid", strict=True, use_enum_values=True)

    low: Annotated[int, Field(ge=1, allow_inf_nan=False)] | None
    color: Color


@pytest.mark.parametrize("body", [b'{"low": [2, null], "color": ["red", "blue"]}', b'{"low": [1], "color": ["red"]}'])
def test_columns_are_validated_by_value_without_custom_validators(body):
    body = b'{"columns": %s}' % body
    taken = columnar.ColumnsValidator(Plain, MAX_ROWS).parse(body)
    assert taken is not None
    assert RowContract(Plain, MAX_ROWS).parse(body)[1] == taken


def test_rows_are_validated_if_there_are_custom_validators():
    body = b'{"columns": {"low": [2], "high": [3], "color": ["red"], "choice": [null]}}'
    assert columnar.ColumnsValidator(Ruled, MAX_ROWS).parse(body) is None
    assert 1 == RowContract(Ruled, MAX_ROWS).parse(body)[0]
