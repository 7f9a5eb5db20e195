"""The one error that a person sees without a traceback."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend. The message is one line: the file, the value, the mend. The CLI exits with 2."""
