"""What people are shown holds no credentials: an address may carry them, and tools repeat addresses."""

from __future__ import annotations

import re

CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")


def redacted(text: str) -> str:
    """`text`, with the credentials of each address in it (`https://user:token@host/…`) replaced by stars."""
    return CREDENTIALS.sub("***@", text)
