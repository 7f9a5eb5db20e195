"""The expressions of a workflow, and those among them that act and GitHub evaluate differently."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

EMBEDDED = re.compile(r"\$\{\{((?:'(?:[^']|'')*'|(?!\}\}).)*)\}\}", re.DOTALL)
QUOTED = re.compile(r"'(?:[^']|'')*'")
NUMBER = r"[-+]?\.?\d[\w.]*"
NUMERIC_COMPARISON = re.compile(rf"(?:[=!]=|[<>]=?)\s*{NUMBER}|(?<![\w.\])]){NUMBER}\s*(?:[=!]=|[<>])")
COMPARED = re.compile(rf"(?:[=!]=|[<>]=?)\s*({QUOTED.pattern})|({QUOTED.pattern})\s*(?:[=!]=|[<>])")
WRITTEN_ODDLY = re.compile(r"\s*(\+\.?\d|-?\.\d|-?0\w|\d+\.$|\d+e\+)[\w.]*\s*|\s+-?\d+\s*|-?\d+\s+|\s+", re.IGNORECASE)
FALLBACK = re.compile(r"\|\|\s*'[^']+'\s*$")


def of(part: Any, key: str = "") -> Iterator[str]:
    """Every expression in a workflow or a part of it: what stands in `${{ }}`, and what an `if` holds without."""
    if isinstance(part, dict):
        for name, value in part.items():
            yield from of(value, str(name))
    elif isinstance(part, list):
        for value in part:
            yield from of(value, key)
    elif isinstance(part, str):
        embedded = [match[1].strip() for match in EMBEDDED.finditer(part)]
        yield from embedded or ([part.strip()] if key == "if" else [])


def differences(expression: str) -> Iterator[str]:
    """Why act and GitHub may come to different results."""
    plain = QUOTED.sub("''", expression)
    if ".*" in plain:
        yield "`.*` over an object, or where a key is missing, gives nulls under act"
    literals = [(match[1] or match[2])[1:-1] for match in COMPARED.finditer(expression)]
    if NUMERIC_COMPARISON.search(plain) or any(map(WRITTEN_ODDLY.fullmatch, literals)):
        yield "a string such as '+1' or '01' is a number on GitHub and none under act; compare strings"
    for argument in _arguments(expression, "fromJSON"):
        if not FALLBACK.search(argument) and not re.fullmatch(r"\s*'[^']+'\s*", argument):
            yield "fromJSON of an empty text is an error on GitHub alone; give it a fallback: fromJSON(… || '{}')"
    for argument in _arguments(expression, "format"):
        if not argument.lstrip().startswith("'"):
            yield "a format that is not written here may ask for more than it gets, which is an error on GitHub alone"


def _arguments(expression: str, function: str) -> Iterator[str]:
    """What stands in the parentheses of each call of a function; their names have no case."""
    for call in re.finditer(rf"\b{function}\s*\(", expression, re.IGNORECASE):
        depth, rest = 1, expression[call.end() :]
        for token in re.finditer(rf"{QUOTED.pattern}|[()]", rest):
            depth += {"(": 1, ")": -1}.get(token[0], 0)
            if depth == 0:
                yield rest[: token.start()]
                break
