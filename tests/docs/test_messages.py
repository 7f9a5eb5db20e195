"""Messages that the documentation quotes are those that the source contains."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs import pages

VALUE = re.compile(
    r"…|\bdeploy\b(?= was)|\bv\d+(?:\.\d+)+|\b[0-9a-f]{9}\b|\d[\d,.]*|`slipway [^`]*`|\bdvc repro[\w -]*|\bresults/\S+"
)
"""What stands in a quotation for a value of an f-string."""
RUNBOOK = Path("docs/operations.md")
SOURCES = [*Path("src/slipway").rglob("*.py"), *Path("src/problem").rglob("*.py")]
THIRD_PARTY = ("Permission denied", "Input should be")
"""Beginnings of messages of other programs."""


@cache
def sources() -> list[str]:
    return [path.read_text(encoding="utf-8") for path in SOURCES]


def is_in_source(fragment: str) -> bool:
    """Return whether a string of the source contains `fragment`, with … for values.

    Parses only the modules with the longest word of `fragment`, which no line break of the source splits.
    """
    word = max(re.findall(r"\w+", fragment), key=len)
    return any(fragment in text for source in sources() if word in source for text in strings(source))


@cache
def strings(source: str) -> list[str]:
    """Return every string of a module, with … for values."""
    collected = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            collected.append("".join(str(part) for part in parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            collected.append(node.value)
    return collected


def longest_fragment(quotation: str) -> str:
    """Return the longest part of a quotation between its values and prefixes, which identifies the message."""
    parts = (part.strip(" ,;()") for prefixed in VALUE.split(quotation) for part in re.split(r"[:;] ", prefixed))
    return max((part for part in parts if not part.startswith(THIRD_PARTY)), key=len)


def quotations() -> list[tuple[str, str]]:
    """Return page and quotation: messages of the runbook, and lines of blocks that begin with `slipway: `."""
    rows = pages.table(RUNBOOK.read_text(encoding="utf-8"), "symptom")
    quoted = [(str(RUNBOOK), code) for row in rows for code in pages.inline_code(row[1])]
    for path in pages.PAGES:
        blocks = [token for token in pages.tokens(path.read_text(encoding="utf-8")) if token.type in pages.BLOCKS]
        lines = (line for block in blocks for line in block.content.splitlines())
        quoted += [(str(path), line.removeprefix("slipway: ")) for line in lines if line.startswith("slipway: ")]
    return quoted


@pytest.mark.parametrize(("page", "quotation"), quotations())
def test_a_quoted_message_is_one_of_the_source(page, quotation):
    assert is_in_source(longest_fragment(quotation)), f"{page}: no module contains this message"


def test_an_outdated_message_fails():
    assert not is_in_source(longest_fragment("v0.1.0: this message " + "is in no module"))
