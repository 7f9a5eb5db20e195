"""Limits on concurrent requests and on buffered bodies, and time slices of the event loop."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from slipway.serving.refusal import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SLICE_SECONDS = 0.01  # of computing before the loop polls its sockets again; a refusal waits no longer


class Admission:
    """Limits the concurrent requests of this worker, and assigns time slices to them."""

    def __init__(self, max_concurrency: int) -> None:
        self._max = max_concurrency
        self._active = 0
        self._arriving = 0
        self._slice_start: float | None = None

    def admit(self) -> bool:
        """Return whether a request whose headers have arrived may proceed.

        The loop may read many requests before one of them becomes active. They are counted per pass of the loop.
        """
        if self._active + self._arriving >= self._max:
            return False
        if not self._arriving:
            asyncio.get_running_loop().call_soon(self._reset_arriving)
        self._arriving += 1
        return True

    def hold(self) -> None:
        """Make a request active that was admitted in this pass of the loop."""
        self._arriving -= 1
        self._active += 1

    def release(self) -> None:
        """End an active request."""
        self._active -= 1

    def is_full(self) -> bool:
        """Return whether another request would exceed the limit."""
        return self._active >= self._max

    def __enter__(self) -> None:
        """Raise RefusedError (503) if the limit is reached."""
        if self.is_full():
            raise overload()
        self._active += 1

    def __exit__(self, *_: object) -> None:
        self.release()

    async def wait_for_slice(self) -> None:
        """Wait for a time slice to compute in.

        Requests that arrive together are counted before the first one computes; otherwise the limit would never be
        reached. The loop computes for SLICE_SECONDS, or for one request that takes longer. Then it polls its sockets.
        """
        await asyncio.sleep(0)
        while not self.is_in_slice():
            await asyncio.sleep(0)

    def is_in_slice(self) -> bool:
        """Return whether the loop may compute another request before it polls its sockets. Begin a slice if none is."""
        if self._slice_start is None:
            self._slice_start = time.perf_counter()
            asyncio.get_running_loop().call_soon(self._end_slice)
            return True
        return time.perf_counter() - self._slice_start <= SLICE_SECONDS

    def _reset_arriving(self) -> None:
        self._arriving = 0

    def _end_slice(self) -> None:
        self._slice_start = None


class BodyReader:
    """Reads bodies, with limits on each and on the total of unfinished ones."""

    def __init__(self, max_bytes: int, max_waiting_bytes: int, timeout_seconds: float) -> None:
        self._max = max_bytes
        self._max_waiting = max_waiting_bytes
        self._timeout_seconds = timeout_seconds
        self._waiting = 0

    async def read(self, receive: Callable[[], Awaitable[dict[str, Any]]]) -> bytearray:
        """Read a body. Raises RefusedError if it is too slow (408) or too large (413), or if too many wait (503)."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._read(receive)
        except TimeoutError:
            raise RefusedError(408, "slow_body", "the body did not arrive in time") from None

    async def _read(self, receive: Callable[[], Awaitable[dict[str, Any]]]) -> bytearray:
        body, counted, more = bytearray(), 0, True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise RefusedError(400, "disconnect", "the client disconnected")
                body += message.get("body", b"")
                if len(body) > self._max:
                    raise too_large(self._max)
                more = message.get("more_body", False)
                if more:  # a body that arrives in one piece, as small ones do, is not refused because others wait
                    self._waiting += len(body) - counted
                    counted = len(body)
                    if self._waiting > self._max_waiting:
                        raise overload()
            return body
        finally:
            self._waiting -= counted


def overload() -> RefusedError:
    """Return the refusal (503) of a request above the limit."""
    return RefusedError(503, "overload", "too many concurrent requests; retry after Retry-After seconds")


def too_large(max_bytes: int) -> RefusedError:
    """Return the refusal (413) of a body above the limit."""
    return RefusedError(413, "body_size", f"the body exceeds {max_bytes} bytes; send fewer rows")
