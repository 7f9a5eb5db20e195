"""A function in a process of its own, whose end frees all of its memory.

The rows of a wide table take a gigabyte while they are inferred. Python and Arrow keep most of it after the last
reference is gone, and the stages of the pipeline need it.
"""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, Any, TypeVar

from slipway.errors import ToolError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

R = TypeVar("R")


def call(function: Callable[..., R], *arguments: Any) -> R:
    """Return the result of `function`, which is pickled. Raises its UserError, and ToolError where it crashes."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sending, function, arguments), daemon=True)
    process.start()
    sending.close()  # so that the end of the process ends the pipe
    try:
        result = receiving.recv()
    except EOFError:
        process.join()
        raise ToolError(
            f"{function.__name__.strip('_')}: its process ended with {process.exitcode}; free memory if it was killed"
        ) from None
    finally:
        process.terminate()  # of an interrupted call; has no effect on a finished process
        process.join()
    if isinstance(result, UserError):
        raise result
    return result  # type: ignore[no-any-return]


def _send(sending: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        result = function(*arguments)
    except UserError as error:
        result = error
    sending.send(result)
