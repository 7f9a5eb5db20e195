"""What the documentation says: its pages, their links, and the commands in them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

PAGES = [*sorted(Path("docs").glob("*.md")), Path("README.md"), Path("CONTRIBUTING.md"), Path("SECURITY.md")]
SHELL = "sh"  # the language of a block whose every line is a command
PROMPT = re.compile(r"^(?:\$ )?((?:\w+=\S+ )*(?:uv run (?:--\S+ )*)?slipway .*)$")
PARSER = MarkdownIt("commonmark").enable("table")


def tokens(text: str) -> Iterator[Token]:
    """Every token, also those within lines."""
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def shell(text: str) -> list[str]:
    """Every line of the blocks that hold commands."""
    blocks = (token for token in tokens(text) if token.type == "fence" and token.info.strip() == SHELL)
    return [line.strip() for block in blocks for line in block.content.splitlines() if line.strip()]


def calls(text: str) -> list[str]:
    """Whole commands that call `slipway`: lines of any block that begin with it."""
    blocks = (token for token in tokens(text) if token.type in {"fence", "code_block"})
    found = (PROMPT.match(line.strip()) for block in blocks for line in block.content.splitlines())
    return [one[1] for one in found if one]


def mentions(text: str) -> list[str]:
    """What stands in a line between backticks and begins with `slipway`."""
    inline = (token.content for token in tokens(text) if token.type == "code_inline")
    return [content for content in inline if re.match(r"(\w+=\S+ )*(uv run )?slipway( |$)", content)]


def links(text: str) -> list[str]:
    """Where links and pictures lead, other than to another server."""
    targets = (str(token.attrs.get("href") or token.attrs.get("src") or "") for token in tokens(text))
    return [target for target in targets if target and "://" not in target and not target.startswith("mailto:")]


def anchors(text: str) -> set[str]:
    """Names of the headings, as GitHub makes them."""
    found, parsed = set(), PARSER.parse(text)
    for opening, content in pairwise(parsed):
        if opening.type == "heading_open":
            plain = "".join(child.content for child in content.children or ())
            found.add(re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-"))
    return found
