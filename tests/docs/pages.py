"""The pages of the documentation: their links, headings and commands."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

ROOT_PAGES = [Path(f"{name}.md") for name in ("README", "ARCHITECTURE", "CONTRIBUTING", "SECURITY")]
PAGES = [*sorted(Path("docs").glob("*.md")), *ROOT_PAGES]
SHELL_LANGUAGE = "sh"
"""The language of a block in which every line is a command."""
BLOCKS = ("fence", "code_block")
"""Types of the tokens of blocks of code."""
SLIPWAY_CALL = re.compile(r"^(?:\$ )?((?:\w+=\S+ )*(?:uv run (?:--\S+ )*)?slipway .*)$")
PARSER = MarkdownIt("commonmark").enable("table")


@cache
def parsed(text: str) -> list[Token]:
    """Return the tokens of a page; an inline one has children."""
    return PARSER.parse(text)


def tokens(text: str) -> Iterator[Token]:
    """Yield every token of a page, including inline ones."""
    for token in parsed(text):
        yield token
        yield from token.children or ()


def shell(text: str) -> list[str]:
    """Return every line of the blocks that hold commands."""
    blocks = (token for token in tokens(text) if token.type == "fence" and token.info.strip() == SHELL_LANGUAGE)
    return [line.strip() for block in blocks for line in block.content.splitlines() if line.strip()]


def calls(text: str) -> list[str]:
    """Return the commands that call `slipway`: lines of any block that begin with it."""
    blocks = (token for token in tokens(text) if token.type in BLOCKS)
    matches = (SLIPWAY_CALL.match(line.strip()) for block in blocks for line in block.content.splitlines())
    return [match[1] for match in matches if match]


def inline_code(text: str) -> list[str]:
    """Return what stands between backticks within the lines of a page."""
    return [token.content for token in tokens(text) if token.type == "code_inline"]


def mentions(text: str) -> list[str]:
    """Return the inline code that begins with `slipway`."""
    return [code for code in inline_code(text) if re.match(r"(\w+=\S+ )*(uv run )?slipway( |$)", code)]


def links(text: str) -> list[str]:
    """Return the targets of links and pictures, except those on another server."""
    targets = (str(token.attrs.get("href") or token.attrs.get("src") or "") for token in tokens(text))
    return [target for target in targets if target and "://" not in target and not target.startswith("mailto:")]


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, as GitHub derives them."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(text)}


def headings(text: str) -> list[str]:
    """Return the headings of a page as plain text."""
    return [
        "".join(child.content for child in content.children or ())
        for opening, content in pairwise(parsed(text))
        if opening.type == "heading_open"
    ]


def table(text: str, header: str) -> list[list[str]]:
    """Return the cells of the first table whose header row begins with the cell `header`."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {header} |"))
    rows: list[list[str]] = []
    for line in lines[start + 2 :]:
        if not line.startswith("| "):
            break
        rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))])
    return rows
