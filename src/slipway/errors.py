"""The one error that a person sees without a traceback."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class UserError(Exception):
    """Something the user can mend. The message is one line: the file, the value, the mend. The CLI exits with 2."""


@contextmanager
def reported_by(stage: str) -> Iterator[None]:
    """End the process of a stage with one line, `stage: message`, where the block raises UserError."""
    try:
        yield
    except UserError as error:
        sys.exit(f"{stage}: {error}")
