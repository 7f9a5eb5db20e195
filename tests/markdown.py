"""The links and the HTML that a comment contains when GitHub renders it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

WATERMARK = "\n\n![](https://cml.dev"  # CML appends it to a comment


def outside(body: str) -> tuple[set[str], set[str]]:
    """Return the link targets and the HTML tags of a comment, without its watermark.

    Raises AssertionError if its text contains anything that GitHub turns into a link or a mention.
    """
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = [token for root in parser.parse(body.split(WATERMARK)[0]) for token in _flatten(root)]
    text = "".join(token.content for token in tokens if token.type == "text")
    assert [] == re.findall(r"[@#]\w|\bGH-\d|://|www\.", text, re.IGNORECASE)
    links = {str(token.attrs.get("href", token.type)) for token in tokens if token.type in {"link_open", "image"}}
    html = "".join(token.content for token in tokens if token.type.startswith("html"))
    return links, set(re.findall(r"</?\w+[^>]*>", html))


def _flatten(token: Token) -> Iterator[Token]:
    yield token
    for child in token.children or ():
        yield from _flatten(child)
