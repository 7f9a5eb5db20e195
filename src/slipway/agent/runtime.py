"""How the services of releases run on this machine: the interface, and the processes that are its default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from slipway.agent import installation, processes

if TYPE_CHECKING:
    from slipway.environment.place import Place
    from slipway.environment.spec import EnvironmentFile
    from slipway.release.manifest import Release
    from slipway.release.store import Store


class Runtime(Protocol):
    """Installs releases and starts their services. The agent supervises a service by the tag of its processes."""

    @property
    def needs(self) -> str:
        """Return what an installed release consists of besides its files, for messages."""

    @property
    def start_seconds(self) -> float:
        """Return the time until every process of a service that is starting carries its tag."""

    def install(self, place: Place, store: Store, content: EnvironmentFile) -> None:
        """Install a release. Raises UserError if it is missing, fails verification or cannot be installed."""

    def is_installed(self, place: Place, digest: str) -> bool:
        """Return whether a release is installed."""

    def start(self, place: Place, release: Release, port: int, tag: str) -> int:
        """Start a service that ends gracefully on SIGTERM, and return the id of its process. Raises UserError."""

    def sweep(self, place: Place) -> None:
        """Remove what killed installations left. The caller holds the lock of the environment."""


class Processes:
    """Services as processes in the release's own Python environment."""

    needs = "its Python environment"
    start_seconds = 0.0

    def install(self, place: Place, store: Store, content: EnvironmentFile) -> None:
        """Install the files and the Python environment of a release."""
        installation.install(place, store, content)

    def is_installed(self, place: Place, digest: str) -> bool:
        """Return whether files and environment exist, without hashing them."""
        return installation.is_installed(place, digest)

    def start(self, place: Place, release: Release, port: int, tag: str) -> int:
        """Start the command of the release's manifest."""
        command, environment = installation.command(place, release, port)
        return processes.start(command, tag, place.log(release.version), release.folder, environment)

    def sweep(self, place: Place) -> None:
        """Do nothing, because the files of a release are common to all runtimes."""


PROCESSES = Processes()
