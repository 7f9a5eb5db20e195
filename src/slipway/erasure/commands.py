"""The command that erases a data subject's rows."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def erase(
    key: Annotated[str, typer.Argument(help="Value of `problem.SUBJECT_KEY`; `-` reads it from stdin.")],
    yes: Annotated[bool, typer.Option("--yes", help="Erase. Without it, only counts are printed.")] = False,
) -> None:
    """Erase a data subject's rows from every version of the data and from the prediction logs. A killed run continues.

    Writes today's data without them, and the log erasures.json, for you to commit. Releases that were trained on them
    get a note in the store.

    Example: `slipway erase 4711 --yes`
    """
    from slipway.erasure import subject_erasure

    subject_erasure.erase(sys.stdin.readline().strip() if key == "-" else key, confirmed=yes)
