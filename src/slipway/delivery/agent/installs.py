"""Installations in the background: one may take minutes, and what serves must be healed meanwhile."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from slipway.delivery.agent import installation
from slipway.errors import UserError

if TYPE_CHECKING:
    from slipway.delivery.environment_file import EnvironmentFile
    from slipway.delivery.home import Place
    from slipway.delivery.store import Store


class Installs:
    """Of the releases of one environment."""

    def __init__(self, place: Place, store: Store) -> None:
        self._place = place
        self._store = store
        self._under_way: dict[str, EnvironmentFile] = {}
        self._ended: queue.SimpleQueue[tuple[EnvironmentFile, Exception | None]] = queue.SimpleQueue()

    @property
    def under_way(self) -> frozenset[str]:
        """Digests of the releases that are being installed, or of which `ended` has still to tell."""
        return frozenset(self._under_way)

    def begin(self, content: EnvironmentFile) -> None:
        """Install a release, in a thread that ends with the process."""
        self._under_way[content.digest] = content
        threading.Thread(target=self._install, args=(content,), daemon=True).start()

    def ended(self) -> list[tuple[EnvironmentFile, Exception | None]]:
        """What ended since this was asked last, and what went wrong: the release, or with OSError the machine."""
        told = [self._ended.get() for _ in range(self._ended.qsize())]
        for content, _ in told:
            del self._under_way[content.digest]
        return told

    def _install(self, content: EnvironmentFile) -> None:
        wrong: Exception | None = None
        try:
            installation.install(self._place, self._store, content)
        except (OSError, UserError) as error:
            wrong = error
        self._ended.put((content, wrong))
