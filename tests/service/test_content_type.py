"""Every spelling of JSON in UTF-8 is accepted, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.serving.content_type import VALUE_BYTES_MAX, is_json


@pytest.mark.parametrize(
    "value",
    [
        b"application/json",
        b"Application/JSON; Charset=UTF-8",
        b'application/json;charset="utf-8"',
        b"application/json  ; charset=utf-8",
        b"application/json;  charset=utf-8",
        b"application/json; profile=x;charset=utf-8",
        b"application/json;",
    ],
)
def test_json_in_utf_8_is_accepted_in_every_spelling(value):
    assert is_json(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"application/jsonx",
        b"text/json",
        b"application/json, text/plain",
        b"application/json; charset=latin-1",
        b"application/json; charset=utf-8; charset=utf-16",
        b"application/json; charset*=utf-8''latin-1",
        b'application/json; charset="utf-8',
        b"application/json x",
        b"application/json; charset=\xc3\xa9",
        b"application/json; profile=" + b"x" * VALUE_BYTES_MAX,
    ],
)
def test_other_content_types_are_rejected(value):
    assert not is_json(value)


PIECES = st.sampled_from(["application/json", ";", "charset", "*0*=", '"', "utf-8''", "=", " ", "\\", "(", "%"])


@given(st.lists(PIECES, max_size=14).map("".join).map(str.encode) | st.binary(max_size=VALUE_BYTES_MAX))
@example(b"application/json;charset*")
def test_no_value_raises(value):
    assert is_json(value) in {True, False}
