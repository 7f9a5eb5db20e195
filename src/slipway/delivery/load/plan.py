"""The plan of a load test: which request is due when, to whom, with which payload. Drawn before the run."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

WARMUP = -1


@dataclass(frozen=True)
class Request:
    """A request of the plan; targets and payloads by their position."""

    due: float
    """Seconds since the start of the run."""
    target: int
    payload: int
    pair: int
    """Which pair of blocks it belongs to, or `WARMUP`."""

    @property
    def measured(self) -> bool:
        """Whether it counts."""
        return self.pair != WARMUP


def draw_plan(limits: Mapping[str, Any], targets: int, payloads: int, seed: int) -> list[Request]:
    """Requests in the order in which they are due: the warm-up, then `seconds` of measuring for each target.

    Two targets take turns, a block of requests each. In every pair of blocks both get the same payloads, and which of
    them comes first is drawn.
    """
    draw = random.Random(seed)  # noqa: S311  a schedule, not a secret
    rate, warmup = limits["rate"], limits["warmup_seconds"]
    early = _arrivals(draw, rate, warmup)
    late = _arrivals(draw, rate, limits["seconds"] * targets)
    order = [draw.sample(range(targets), targets) for _ in late]
    return [Request(due, index % targets, index % payloads, WARMUP) for index, due in enumerate(early)] + [
        _in_block(index, warmup + due, order, limits["against"]["block_requests"], payloads)
        for index, due in enumerate(late)
    ]


def _in_block(index: int, due: float, order: list[list[int]], block: int, payloads: int) -> Request:
    turn, place = divmod(index, block)
    pair, half = divmod(turn, len(order[0]))
    return Request(due, order[pair][half], (pair * block + place) % payloads, pair)


def _arrivals(draw: random.Random, rate: float, seconds: float) -> list[float]:
    """A Poisson process that is known to bring exactly `rate * seconds` arrivals: that many uniform times, in order."""
    return sorted(draw.uniform(0, seconds) for _ in range(round(rate * seconds)))
