"""What a comment would do on GitHub: where it leads, and what it draws."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

WATERMARK = "\n\n![](https://cml.dev"  # ends what was written from evidence


def outside(body: str) -> tuple[set[str], set[str]]:
    """Where the links of a comment lead, and which HTML is in it; its watermark apart.

    Raises AssertionError when its text has in it what GitHub itself turns into a link or a mention.
    """
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = [part for token in parser.parse(body.split(WATERMARK)[0]) for part in _flat(token)]
    text = "".join(token.content for token in tokens if token.type == "text")
    assert [] == re.findall(r"[@#]\w|\bGH-\d|://|www\.", text, re.IGNORECASE)
    links = {str(token.attrs.get("href", token.type)) for token in tokens if token.type in {"link_open", "image"}}
    html = "".join(token.content for token in tokens if token.type.startswith("html"))
    return links, set(re.findall(r"</?\w+[^>]*>", html))


def _flat(token: Token) -> Iterator[Token]:
    yield token
    for child in token.children or ():
        yield from _flat(child)
