"""The expressions of a workflow, and the ones that act and GitHub evaluate differently."""

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
UNUSUAL_NUMBER = re.compile(r"\s*(\+\.?\d|-?\.\d|-?0\w|\d+\.$|\d+e\+)[\w.]*\s*|\s+-?\d+\s*|-?\d+\s+|\s+", re.IGNORECASE)
FALLBACK = re.compile(r"\|\|\s*'[^']+'\s*$")


def of(node: Any, key: str = "") -> Iterator[str]:
    """Yield every expression in a workflow or a section of it: the content of `${{ }}`, or of a plain `if`."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from of(value, str(name))
    elif isinstance(node, list):
        for value in node:
            yield from of(value, key)
    elif isinstance(node, str):
        embedded = [match[1].strip() for match in EMBEDDED.finditer(node)]
        yield from embedded or ([node.strip()] if key == "if" else [])


def differences(expression: str) -> Iterator[str]:
    """Yield the reasons why act and GitHub may return different results."""
    plain = QUOTED.sub("''", expression)
    if ".*" in plain:
        yield "`.*` over an object or a missing key returns nulls under act"
    literals = [(match[1] or match[2])[1:-1] for match in COMPARED.finditer(expression)]
    if NUMERIC_COMPARISON.search(plain) or any(map(UNUSUAL_NUMBER.fullmatch, literals)):
        yield "a string such as '+1' or '01' is a number on GitHub, but not under act; compare strings"
    for argument in _arguments(expression, "fromJSON"):
        if not FALLBACK.search(argument) and not re.fullmatch(r"\s*'[^']+'\s*", argument):
            yield "fromJSON of an empty string is an error only on GitHub; add a fallback: fromJSON(… || '{}')"
    for argument in _arguments(expression, "format"):
        if not argument.lstrip().startswith("'"):
            yield "a format from a variable may reference missing arguments, which is an error only on GitHub"


def _arguments(expression: str, function: str) -> Iterator[str]:
    """Yield the arguments of each call of a function, whose name is case-insensitive."""
    for call in re.finditer(rf"\b{function}\s*\(", expression, re.IGNORECASE):
        depth, rest = 1, expression[call.end() :]
        for token in re.finditer(rf"{QUOTED.pattern}|[()]", rest):
            depth += {"(": 1, ")": -1}.get(token[0], 0)
            if depth == 0:
                yield rest[: token.start()]
                break
