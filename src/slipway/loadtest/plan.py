"""The plan of a load test, drawn before the run: the due time, target and payload of each request."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipway.settings.serving import LoadTestSection

WARMUP = -1


@dataclass(frozen=True)
class Request:
    """A planned request, with the positions of its target and payload."""

    due: float
    """Seconds since the start of the run."""
    target: int
    payload: int
    pair: int
    """Number of its pair of blocks, or `WARMUP`."""

    @property
    def measured(self) -> bool:
        """Return whether the request counts, that is, comes after the warm-up."""
        return self.pair != WARMUP


def draw_plan(limits: LoadTestSection, targets: int, payloads: int, seed: int) -> list[Request]:
    """Return the planned requests by due time: the warm-up, then `seconds` of measurement per target.

    Two targets are interleaved in blocks of requests. Both targets receive the same payloads in a pair of blocks, and
    the order within the pair is random.
    """
    draw = random.Random(seed)  # noqa: S311  a schedule, not a secret
    rate, warmup = limits.rate, limits.warmup_seconds
    early = _arrivals(draw, rate, warmup)
    late = _arrivals(draw, rate, limits.seconds * targets)
    order = [draw.sample(range(targets), targets) for _ in late]
    return [Request(due, index % targets, index % payloads, WARMUP) for index, due in enumerate(early)] + [
        _in_block(index, warmup + due, order, limits.against.block_requests, payloads) for index, due in enumerate(late)
    ]


def _in_block(index: int, due: float, order: list[list[int]], block: int, payloads: int) -> Request:
    number, position = divmod(index, block)
    pair, half = divmod(number, len(order[0]))
    return Request(due, order[pair][half], (pair * block + position) % payloads, pair)


def _arrivals(draw: random.Random, rate: float, seconds: float) -> list[float]:
    """Return the sorted times of `rate * seconds` arrivals: a Poisson process conditioned on its count."""
    return sorted(draw.uniform(0, seconds) for _ in range(round(rate * seconds)))
