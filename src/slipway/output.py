"""Everything that a command prints: steps, progress, warnings and its result. ruff forbids `print` elsewhere.

`--quiet` drops steps and progress. With `--json`, stdout has exactly one JSON document, the result or the error; steps
and the output of other programs go to stderr.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from slipway.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRESS_INTERVAL_SECONDS = 5  # between lines where stderr is no terminal
TERMINAL_INTERVAL_SECONDS = 0.2
LAST_LINE = "\r\x1b[K"
"""Moves the cursor of a terminal to the start of the line, and clears it."""


@dataclass
class _State:
    as_json: bool = False
    quiet: bool = False
    document: object = None


_state = _State()


def step(text: str) -> None:
    """Print what a command has done or starts to do."""
    if not _state.quiet:
        print(text, flush=True)


def progress(text: str) -> None:
    """Print a passing state on stderr."""
    if not _state.quiet:
        print(text, file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print a problem that does not stop the command on stderr; `--quiet` keeps it."""
    print(text, file=sys.stderr, flush=True)


def result(document: object, text: str | Callable[[], str]) -> None:
    """Print the result of a command: `text`, or the JSON of `document` with `--json`.

    document: JSON data, or a pydantic model. text: a function if it is expensive to render.
    """
    _state.document = document
    if not _state.as_json and (line := text if isinstance(text, str) else text()):
        print(line, flush=True)


def result_line(text: str) -> None:
    """Print a line of a result whose document `record` sets."""
    if not _state.as_json:
        print(text, flush=True)


def message(subject: str, text: str) -> None:
    """Print a result that is one sentence."""
    result({"message": text}, f"{subject}: {text}")


def record(document: object) -> None:
    """Set the JSON document of a command that prints its result in lines. The last document counts."""
    _state.document = document


class ProgressReporter:
    """Reports the progress of counted work: how much is done, its rate and the time left.

    A terminal has one line, which is overwritten; elsewhere a line is printed at intervals.
    """

    def __init__(self, name: str, unit: str) -> None:
        self.name = name
        """First words of the line."""
        self._unit = unit
        self._start = self._printed = time.monotonic()
        self._is_terminal = sys.stderr.isatty()
        self._done = self._skipped = 0
        self._fraction = self._skipped_fraction = 0.0

    def skip(self, count: int, fraction: float) -> None:
        """Count work that an earlier run completed, after which `fraction` of everything is complete."""
        self._skipped += count
        self._skipped_fraction += max(fraction - self._fraction, 0.0)
        self._fraction = max(fraction, self._fraction)

    def add(self, count: int, fraction: float) -> None:
        """Count completed work, after which `fraction` of everything is complete."""
        self._done += count
        self._fraction = max(fraction, self._fraction)
        interval = TERMINAL_INTERVAL_SECONDS if self._is_terminal else PROGRESS_INTERVAL_SECONDS
        if time.monotonic() - self._printed > interval:
            self._print(fraction, "")

    def finish(self) -> None:
        """Print the last line."""
        self._print(1.0, "\n")

    def _print(self, fraction: float, end: str) -> None:
        self._printed = time.monotonic()
        seconds = max(self._printed - self._start, 1e-9)
        line = f"{self.name}: {self._done + self._skipped:,} {self._unit}, {fraction:.0%}"
        line += f", {self._done / seconds:,.0f} {self._unit}/s"
        if self._skipped_fraction < fraction < 1:
            line += f", {seconds / (fraction - self._skipped_fraction) * (1 - fraction):,.0f} s left"
        if _state.quiet:
            return
        if self._is_terminal:
            print(f"{LAST_LINE}{line}", end=end, file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)


@contextmanager
def session(arguments: list[str]) -> Iterator[None]:
    """Read the options `--json` and `--quiet`, run the command, and print its JSON document at the end."""
    global _state
    previous, _state = _state, _State("--json" in arguments, "--quiet" in arguments)
    try:
        with _document() if _state.as_json else nullcontext():
            yield
    finally:
        _state = previous


@contextmanager
def _document() -> Iterator[None]:
    """Print the JSON document of the block on stdout, and everything else that it prints on stderr."""
    with _stdout_for_document() as stream:
        try:
            yield
        except Exception as error:
            fail(type(error).__name__, str(error), error.exit_code if isinstance(error, UserError) else 1)
            raise
        finally:
            stream.write(_as_json({} if _state.document is None else _state.document) + "\n")
            stream.flush()


def fail(kind: str, message: str, exit_code: int) -> None:
    """Set the error as the JSON document."""
    _state.document = {"error": kind, "message": message, "exit_code": exit_code}


@contextmanager
def _stdout_for_document() -> Iterator[TextIO]:
    """Yield the present stdout; meanwhile, everything else that is written there goes to stderr.

    This includes the output of other processes, unless Python's stdout has been replaced, as in a test.
    """
    present = sys.stdout
    present.flush()
    descriptor = os.dup(1) if present is sys.__stdout__ else None
    stream = present if descriptor is None else os.fdopen(os.dup(descriptor), "w", encoding="utf-8")
    try:
        sys.stdout = sys.stderr
        if descriptor is not None:
            os.dup2(2, 1)
        yield stream
    finally:
        sys.stdout = present
        if descriptor is not None:
            stream.close()
            os.dup2(descriptor, 1)
            os.close(descriptor)


def _as_json(document: object) -> str:
    """Return JSON data or pydantic models as JSON; a number that is not finite becomes null, because JSON has none."""
    from pydantic_core import to_json  # only a command with --json pays for the import

    return to_json(document, indent=2, inf_nan_mode="null").decode()
