"""Who may come in, how much of a body may wait, and in which order the loop computes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from slipway.serving.contract import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TURN_SECONDS = 0.01  # of computing, before the loop looks at its sockets again; refusals wait no longer


class Admission:
    """Counts the requests at work in this worker, and lets them compute in turns."""

    def __init__(self, max_concurrency: int) -> None:
        self._max = max_concurrency
        self._at_work = 0
        self._coming = 0
        self._turn_began: float | None = None

    def let_in(self) -> bool:
        """Whether there is room for one more that has just begun to arrive.

        Many may, while the loop reads its sockets and none gets to work: they are counted from one turn to the next.
        """
        if self._at_work + self._coming >= self._max:
            return False
        if not self._coming:
            asyncio.get_running_loop().call_soon(self._end_coming)
        self._coming += 1
        return True

    def is_full(self) -> bool:
        """Whether one more would find no room."""
        return self._at_work >= self._max

    def __enter__(self) -> None:
        """Raise RefusedError (503) when there is no room."""
        if self.is_full():
            raise overload()
        self._at_work += 1

    def __exit__(self, *_: object) -> None:
        self._at_work -= 1

    async def turn(self) -> None:
        """Wait until it is time to compute.

        Requests that came together are counted before the first is computed, or there would never be too many. The loop
        computes for TURN_SECONDS at most, or for one request that takes longer, then it looks at its sockets again.
        """
        await asyncio.sleep(0)
        while self._turn_began is not None and time.perf_counter() - self._turn_began > TURN_SECONDS:
            await asyncio.sleep(0)
        if self._turn_began is None:
            self._turn_began = time.perf_counter()
            asyncio.get_running_loop().call_soon(self._end_turn)

    def _end_coming(self) -> None:
        self._coming = 0

    def _end_turn(self) -> None:
        self._turn_began = None


class Bodies:
    """Reads bodies, each and all together within limits."""

    def __init__(self, max_bytes: int, max_waiting_bytes: int, timeout_seconds: float) -> None:
        self._max = max_bytes
        self._max_waiting = max_waiting_bytes
        self._timeout = timeout_seconds
        self._waiting = 0

    async def read(self, receive: Callable[[], Awaitable[dict[str, Any]]]) -> bytearray:
        """Read a body. Raises RefusedError: too slow (408), too large (413), too many of them unfinished (503)."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._read(receive)
        except TimeoutError:
            raise RefusedError(408, "slow_body", "the body did not arrive in time") from None

    async def _read(self, receive: Callable[[], Awaitable[dict[str, Any]]]) -> bytearray:
        body, counted, more = bytearray(), 0, True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RefusedError(400, "disconnect", "the client went away")
                body += message.get("body", b"")
                if len(body) > self._max:
                    raise too_large(self._max)
                more = message.get("more_body", False)
                if more:  # what came whole, as small bodies do, never waits and is never refused for others that do
                    self._waiting += len(body) - counted
                    counted = len(body)
                    if self._waiting > self._max_waiting:
                        raise overload()
            return body
        finally:
            self._waiting -= counted


def overload() -> RefusedError:
    """There is no room for another request."""
    return RefusedError(503, "overload", "too many requests at once; try again after Retry-After seconds")


def too_large(max_bytes: int) -> RefusedError:
    """A body is over the limit."""
    return RefusedError(413, "body_size", f"the body may have {max_bytes} bytes; send fewer rows")
