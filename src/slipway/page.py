"""The frame of every HTML page: self-contained, in UTF-8, and as wide as the screen."""

from __future__ import annotations

from html import escape


def page(title: str, style: str, body: str, head: str = "") -> str:
    """Return a page with a plain text title; `head` has further elements of the head, one per line."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{head}<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
