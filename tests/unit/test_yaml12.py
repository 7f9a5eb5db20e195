"""Tests of YAML: the engine reads what DVC reads, and writes what every reader reads in the same way."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from dvc.utils.serialize import ParseError, parse_yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from slipway import yaml12

DIFFERENT = [
    ("0200", 200, 128),
    ("010", 10, 8),
    ("08", 8, "08"),
    ("0o10", 8, "0o10"),
    ("1e-5", 1e-5, "1e-5"),
    ("1e-05", 1e-5, "1e-05"),
    ("6e-2", 0.06, "6e-2"),
    ("1.5e3", 1500.0, "1.5e3"),
    ("yes", "yes", True),
    ("no", "no", False),
    ("on", "on", True),
    ("off", "off", False),
    ("12:30:00", "12:30:00", 45000),
    ("1:30", "1:30", 90),
]
"""A scalar, its value in DVC, and its value in PyYAML."""

LOOKALIKES = ["0200", "1e-5", "1e5", "12:30", "yes", "No", "ON", "null", "~", "1_000", "0x1F", "0o7", ".5", "+.5e3"]
LOOKALIKES += [".inf", ".nan", "2024-01-01", "<<", "=", "-", "true", "1.", "", " a", "a: b", "# a", "- a", "y", "é"]
STRINGS = st.one_of(
    st.sampled_from(LOOKALIKES), st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]))
)
NUMBERS = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, STRINGS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(STRINGS, inner, max_size=4)),
    max_leaves=12,
)
SCALARS = st.one_of(
    st.sampled_from([text for text, *_ in DIFFERENT] + LOOKALIKES),
    st.from_regex(r"[-+]?[0-9_]{0,4}[.:]?[0-9_]{0,3}([eE][-+]?[0-9]{1,2})?", fullmatch=True),
    st.from_regex(r"0[xob]?[0-9a-fA-F_]{1,4}", fullmatch=True),
    st.from_regex(r"[0-9]{1,4}[-:][0-9]{1,2}([-:][0-9]{1,2})?", fullmatch=True),
)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Generate files of users: sections, lists, comments, anchors, merges and repeated keys."""
    keys = st.sampled_from(["a", "b", "c", "yes", "0200", "1e5"])
    scalar = draw(SCALARS)
    lines = [f"base: &base {{x: {scalar}}}" if draw(st.booleans()) else f"base: {scalar}  # why"]
    for key in draw(st.lists(keys, max_size=4)):
        kind = draw(st.sampled_from(["scalar", "flow", "block", "merge"]))
        first, second = draw(SCALARS), draw(SCALARS)
        lines += {
            "scalar": [f"{key}: {first}"],
            "flow": [f"{key}: [{first}, {second}]"],
            "block": [f"{key}:", f"  {draw(keys)}: {first}", f"  {draw(keys)}: {second} # why"],
            "merge": [f"{key}: {{<<: *base, x: {first}}}"],
        }[kind]
    return "\n".join(lines) + "\n"


def same(left: Any, right: Any) -> bool:
    """Return whether both are equal, including types and the order of keys."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(map(repr, left)) == list(map(repr, right)) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right or (isinstance(left, float) and math.isnan(left) and math.isnan(right))


def by_dvc(text: str) -> Any:
    try:
        return parse_yaml(text, "params.yaml")
    except ParseError:
        return "refused"


def by_the_engine(text: str) -> Any:
    try:
        return yaml12.parse(text) or {}
    except yaml12.YamlError:
        return "refused"


@pytest.mark.parametrize(("text", "dvc", "pyyaml"), DIFFERENT)
def test_an_ambiguous_scalar_has_the_value_that_dvc_reads(text, dvc, pyyaml):
    document = f"k: {text}"
    assert same({"k": dvc}, by_dvc(document))
    assert same({"k": pyyaml}, yaml.safe_load(document))
    assert same({"k": dvc}, by_the_engine(document))


@settings(max_examples=60, deadline=None)
@given(documents())
@example("a: 1\na: 2\n")
@example("%YAML 1.1\n---\na: 010\n")
@example("a: !!int '3'\nb: !unknown 1\n")
def test_the_engine_reads_what_dvc_reads(text):
    try:
        expected = by_dvc(text)
    except (ValueError, TypeError):  # DVC does not catch the errors of an invalid date
        expected = "refused"
    assert same(expected, by_the_engine(text))


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_dvc_pyyaml_and_the_engine_read_the_same_from_written_files(content):
    text = yaml12.dump({"k": content})
    assert same({"k": content}, yaml12.parse(text))
    assert same({"k": content}, by_dvc(text))
    assert same({"k": content}, yaml.safe_load(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", 'line 3: found duplicate key "a"'),
        ("a: [1", "line 1: expected ',' or ']'"),
        ("a: 2024-13-45", "month must be in 1..12"),
        ("? {a: 1}\n: 2", "unhashable"),
        ("a: !!python/name:os.system x", "could not determine a constructor"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_invalid_yaml_is_one_line_with_its_position(text, message):
    with pytest.raises(yaml12.YamlError) as refused:
        yaml12.parse(text)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_edit_keeps_comments_and_quotes():
    text = "# why\na:\n  b: 1  # here\n  c: 1e-5\n  d: 'x'\n"
    after = yaml12.edited(text, lambda content: content["a"].update(b=2))
    assert text.replace("1  # here", "2  # here") == after


@pytest.mark.parametrize("text", ["- 1", "just words", "1"])
def test_a_file_without_a_mapping_is_rejected(text):
    with pytest.raises(yaml12.YamlError, match="where a mapping"):
        yaml12.parse_mapping(text)
