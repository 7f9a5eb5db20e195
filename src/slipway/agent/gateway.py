"""Process and files of an environment's gateway: start, published addresses and watched folder."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from slipway import files
from slipway.agent import processes, router
from slipway.environment import client
from slipway.environment.state import GatewayProcess, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.environment.place import Place

PORT_TIMEOUT_SECONDS = 2  # for the ports of a stopped gateway to become free; after that, another process has them


class Gateway:
    """The gateway of one environment."""

    def __init__(self, place: Place, timeout_seconds: float) -> None:
        """Limit each request to the gateway to `timeout_seconds`."""
        self._place = place
        self._timeout_seconds = timeout_seconds
        self._loaded = ("", "")
        """Tag of the gateway, and the routes that it has loaded."""

    def start(self, previous: GatewayProcess | None, tag: str) -> GatewayProcess:
        """Start the gateway at its previous port if that is free.

        If the agent's state was lost, the file `url` provides the port.
        """
        ports = (
            [previous.port, previous.inside] if previous else [*filter(None, [router.port_of(text(self._place.url))])]
        )
        if previous:
            processes.stop_tagged(previous.tag, 0)
        _wait_until_free(ports)
        port = router.free_port(ports[0] if ports else None)
        inside = router.free_port(previous.inside if previous else None)
        if not self._place.routes.exists():
            files.write_text(self._place.routes, router.render(()))
        files.write_text(self._place.watched, tag)
        command = router.command(port, inside, self._place.routes)
        pid = processes.start(command, tag, self._place.log("router"), self._place.root, os.environ)
        return GatewayProcess(port=port, inside=inside, pid=pid, tag=tag)

    def watches_routes(self, process: GatewayProcess) -> bool:
        """Return whether the folder that the gateway watches still exists; it does not watch a recreated one."""
        return text(self._place.watched) == process.tag

    def has_loaded_routes(self, process: GatewayProcess) -> bool:
        """Return whether both entry points have loaded the current routes. A positive result is cached.

        Traefik replaces the routes of one entry point after the other, in no fixed order.
        """
        routes = text(self._place.routes) or ""
        current, path = (process.tag, routes), router.loaded_path(routes)
        if current != self._loaded and path:
            urls = [f"http://127.0.0.1:{port}{path}" for port in (process.inside, process.port)]
            loaded = all(client.is_ok(url, self._timeout_seconds) for url in urls)
            self._loaded = current if loaded else self._loaded
        return current == self._loaded

    def publish_addresses(self, process: GatewayProcess, page: int | None) -> None:
        """Write the file `url` for clients, and the route to the agent's status server at port `page`.

        Restore both if another program changed them.
        """
        contents = {self._place.url: f"{process.url}\n"}
        if page:
            contents[self._place.status_route] = router.status_route(page)
        for path, content in contents.items():
            if text(path) != content:
                files.write_text(path, content)

    def remove_foreign_routes(self) -> list[str]:
        """Remove the files of others from the watched folder, because Traefik would load them; return their names."""
        own = {self._place.routes, self._place.status_route}
        foreign = [
            path
            for path in self._place.routes.parent.glob("*")
            if path not in own and (path.is_dir() or path.suffix.lower() in router.WATCHED_SUFFIXES)
        ]
        for path in foreign:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return [path.name for path in foreign]


def _wait_until_free(ports: Sequence[int]) -> None:
    """Wait for the ports of a stopped process: the system frees them after the process has disappeared."""
    deadline = time.monotonic() + PORT_TIMEOUT_SECONDS
    while not all(map(router.is_free, ports)) and time.monotonic() < deadline:
        time.sleep(0.01)
