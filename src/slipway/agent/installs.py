"""Installations in the background: one may take minutes, and the agent must keep healing meanwhile."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from slipway.errors import UserError

if TYPE_CHECKING:
    from slipway.agent.runtime import Runtime
    from slipway.environment.place import Place
    from slipway.environment.spec import EnvironmentFile
    from slipway.release.store import Store


class Installs:
    """Installations of the releases of one environment."""

    def __init__(self, place: Place, store: Store, runtime: Runtime) -> None:
        self._place = place
        self._store = store
        self._runtime = runtime
        self._in_progress: dict[str, EnvironmentFile] = {}
        self._results: queue.SimpleQueue[tuple[EnvironmentFile, Exception | None]] = queue.SimpleQueue()

    @property
    def in_progress(self) -> frozenset[str]:
        """Digests of the releases whose installation is running, or whose result has not been taken."""
        return frozenset(self._in_progress)

    def begin(self, content: EnvironmentFile) -> None:
        """Install a release in a thread that ends with the process."""
        self._in_progress[content.digest] = content
        threading.Thread(target=self._install, args=(content,), daemon=True).start()

    def take_results(self) -> list[tuple[EnvironmentFile, Exception | None]]:
        """Return each installation that ended since the last call, with its error or None.

        A UserError is a fault of the release, and an OSError one of the machine.
        """
        results = [self._results.get() for _ in range(self._results.qsize())]
        for content, _ in results:
            del self._in_progress[content.digest]
        return results

    def _install(self, content: EnvironmentFile) -> None:
        failure: Exception | None = None
        try:
            self._runtime.install(self._place, self._store, content)
        except (OSError, UserError) as error:
            failure = error
        self._results.put((content, failure))
