"""Compiled modules without debug information: what the dynamic loader maps stays, byte for byte."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAGIC = b"\x7fELF\x02\x01"  # 64 bits, little-endian: x86_64 and aarch64
HEADER_BYTES = 64
PROGRAM_TABLE, SECTION_TABLE, SIZES = 32, 40, 54  # offsets of fields in the header
SECTION_SIZES = 58
ENTRY = "<IIQQQQ"  # first fields of an entry of either table
NO_CONTENT = 8  # type of a section without bytes in the file
PADDING_MAX = 16  # after the last section


def strip(folder: Path) -> None:
    """Remove debug information, symbols and section headers from each shared library below `folder`."""
    for file in sorted(folder.rglob("*.so*")):
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            if (stripped := without_sections(content)) is not None:
                file.write_bytes(stripped)


def without_sections(content: bytes) -> bytes | None:
    """Return an ELF file without all that follows its segments; None if it is no ELF file, or contains other data."""
    if len(content) < HEADER_BYTES or not content.startswith(MAGIC):
        return None
    try:
        mapped = max([HEADER_BYTES, *_ends(content, PROGRAM_TABLE, SIZES, (2, 5))])
        described = max([0, *_ends(content, SECTION_TABLE, SECTION_SIZES, (4, 5))])
    except struct.error:  # a truncated file
        return None
    if described + PADDING_MAX < len(content) or mapped > len(content):
        return None
    stripped = bytearray(content[:mapped])
    struct.pack_into("<Q", stripped, SECTION_TABLE, 0)
    struct.pack_into("<HH", stripped, SECTION_SIZES + 2, 0, 0)
    return bytes(stripped)


def _ends(content: bytes, table: int, sizes: int, place: tuple[int, int]) -> Iterator[int]:
    """Yield the end of a table in bytes, and of everything that its entries place in the file."""
    (start,) = struct.unpack_from("<Q", content, table)
    size, count = struct.unpack_from("<HH", content, sizes)
    yield start + size * count
    for number in range(count):
        fields = struct.unpack_from(ENTRY, content, start + size * number)
        if table == PROGRAM_TABLE or fields[1] != NO_CONTENT:
            yield fields[place[0]] + fields[place[1]]
