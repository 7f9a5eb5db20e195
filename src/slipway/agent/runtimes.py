"""The runtimes by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.agent.runtime import PROCESSES
from slipway.errors import ArgumentError

if TYPE_CHECKING:
    from slipway.agent.runtime import Runtime
    from slipway.environment.place import Place

NAMES = ("process", "container")


def named(name: str) -> Runtime:
    """Return the runtime called `name`. Raises UserError for an unknown name, or without a tool for containers."""
    if name == "process":
        return PROCESSES
    if name != "container":
        raise ArgumentError(f"--runtime {name}: unknown; use one of {', '.join(NAMES)}")
    from slipway.agent import containers  # imports what builds images

    return containers.Containers(containers.engines())


def clean(place: Place) -> None:
    """Remove what the services of a stopped environment left outside of its folder."""
    if (place.root / "containers").is_dir():
        from slipway.agent import containers

        containers.unmount(place)
