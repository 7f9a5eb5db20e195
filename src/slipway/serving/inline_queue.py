"""Queue of prediction requests that are answered on the loop, without a task or ASGI messages for each."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from slipway.serving.admission import Admission


class InlineConnection(Protocol):
    """Connection with a complete request."""

    def answer_inline(self) -> None:
        """Answer the request, unless the connection no longer has one."""


class InlineQueue:
    """Connections with a complete request, in the order of arrival.

    Requests that arrive together are counted before the first one is answered; otherwise the limit on concurrent
    requests would never be reached.
    """

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._waiting: deque[InlineConnection] = deque()

    def add(self, connection: InlineConnection) -> None:
        """Answer the request of `connection` in a later pass of the loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._answer)
        self._waiting.append(connection)

    def _answer(self) -> None:
        while self._waiting:
            if not self._admission.is_in_slice():
                asyncio.get_running_loop().call_soon(self._answer)
                return
            self._waiting.popleft().answer_inline()
