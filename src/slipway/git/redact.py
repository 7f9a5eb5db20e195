"""Removal of credentials from output: a URL may contain them, and tools repeat URLs in their messages."""

from __future__ import annotations

import re

CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")


def redacted(text: str) -> str:
    """Return `text` with the credentials in every URL (`https://user:token@host/…`) replaced by stars."""
    return CREDENTIALS.sub("***@", text)
