"""The time that remains of a demo, from the durations of earlier ones and the pace of this one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from slipway.files import write_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PHASES = {
    "throwaway repository": 18.0,
    "first deployment of main": 131.0,
    "pull request: other parameters": 137.0,
    "merge and deployment": 118.0,
    "pull request: broken data": 56.0,
}
"""Phases of a demo with their expected seconds, for the first demo on a machine.

Their sum is the duration on two shared cores, and their proportions are those of a demo on two busy ones.
"""

read = TypeAdapter(dict[str, float]).validate_json


@dataclass
class Progress:
    """The phases of a demo, with the durations that are expected and those that were measured."""

    file: Path
    """Durations of the last complete demo, in the folder of all demos."""
    clock: Callable[[], float] = time.monotonic
    measured: dict[str, float] = field(default_factory=dict)
    started: float = 0.0
    """When the current phase began."""

    def __post_init__(self) -> None:
        try:
            self.expected = PHASES | read(self.file.read_bytes())
        except (FileNotFoundError, ValidationError):
            self.expected = PHASES

    def begin(self) -> None:
        """Start to measure a phase."""
        self.started = self.clock()

    def end(self, phase: str) -> float:
        """Record the end of a phase. Return its seconds."""
        self.measured[phase] = round(self.clock() - self.started, 1)
        return self.measured[phase]

    def remaining(self) -> float:
        """Return the seconds that remain if this demo keeps its pace compared with the expected durations."""
        planned = sum(self.expected[phase] for phase in self.measured)
        pace = sum(self.measured.values()) / planned if planned else 1.0
        left = pace * sum(self.expected[phase] for phase in PHASES if phase not in self.measured)
        return max(0.0, left - (self.clock() - self.started))

    def keep(self) -> None:
        """Keep the measured durations for the next demo."""
        write_json(self.file, self.measured)
