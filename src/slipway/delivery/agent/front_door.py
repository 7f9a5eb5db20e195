"""The front door of one environment as a process: started, watched, told where things are, and its files mended."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from slipway import files
from slipway.delivery import clients
from slipway.delivery.agent import processes, router
from slipway.delivery.agent.state import Router, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.delivery.home import Place

PORT_SECONDS = 2  # for the ports of a front door that was ended; then somebody else has them


class FrontDoor:
    """Of the environment whose agent makes one."""

    def __init__(self, place: Place, seconds: float) -> None:
        """Each question to the front door waits for `seconds` at most."""
        self._place = place
        self._seconds = seconds
        self._loaded = ("", "")
        """Mark of the front door, and the routes that it was seen to follow."""

    def start(self, before: Router | None, mark: str) -> Router:
        """Start it where it was before, if that is free; where the state is lost, clients' file names the address."""
        ports = [before.port, before.inside] if before else [*filter(None, [router.port_of(text(self._place.url))])]
        if before:
            processes.end(before.mark, 0)
        _wait_until_free(ports)
        port = router.free_port(ports[0] if ports else None)
        inside = router.free_port(before.inside if before else None)
        if not self._place.routes.exists():
            files.write_text(self._place.routes, router.render([]))
        files.write_text(self._place.watched, mark)
        command = router.command(port, inside, self._place.routes)
        pid = processes.start(command, mark, self._place.log("router"), self._place.root, os.environ)
        return Router(port=port, inside=inside, pid=pid, mark=mark)

    def watches_routes(self, front: Router) -> bool:
        """Whether the folder that it watches is still there; one that took its place is not watched."""
        return text(self._place.watched) == front.mark

    def follows_routes(self, front: Router) -> bool:
        """Whether it follows what is written by now; asked once for each text."""
        routes = text(self._place.routes) or ""
        seen, path = (front.mark, routes), router.path(routes)
        if seen != self._loaded and path:
            url = f"http://127.0.0.1:{front.inside}{path}"
            self._loaded = seen if clients.is_ok(url, self._seconds) else self._loaded
        return seen == self._loaded

    def announce(self, front: Router, page: int | None) -> None:
        """Tell clients where it is, and it where the agent's page is, also after somebody changed these files."""
        wanted = {self._place.url: f"{front.url}\n"}
        if page:
            wanted[self._place.status_route] = router.status_route(page)
        for path, content in wanted.items():
            if text(path) != content:
                files.write_text(path, content)

    def remove_foreign_routes(self) -> list[str]:
        """Remove what is not ours from its folder, for it follows every file there; returns the names."""
        known = {self._place.routes, self._place.status_route}
        foreign = [
            path
            for path in self._place.routes.parent.glob("*")
            if path not in known and (path.is_dir() or path.suffix.lower() in router.FOLLOWED)
        ]
        for path in foreign:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        return [path.name for path in foreign]


def _wait_until_free(ports: Sequence[int]) -> None:
    """Wait for the ports of a process that was ended: the system frees them after it has forgotten the rest."""
    deadline = time.monotonic() + PORT_SECONDS
    while not all(map(router.is_free, ports)) and time.monotonic() < deadline:
        time.sleep(0.01)
