"""Releases as containers of their image: by podman where it can run one, else by buildah in chroot isolation.

Chroot isolation needs no rights beyond those of a process, and isolates files only: processes and network are those of
the machine. Both engines store images in the folder of the environment, and share the network of the machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from slipway import files, output, tools
from slipway.agent import container_process, installation, processes
from slipway.errors import MissingToolError, RejectedError, ToolError
from slipway.files import locks
from slipway.git import Git
from slipway.image import record as records
from slipway.image import trust, verify
from slipway.image.layout import Layout
from slipway.image.registry import PULLED
from slipway.release import manifest
from slipway.serving import prediction_log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.environment.place import Place
    from slipway.environment.spec import EnvironmentFile
    from slipway.image.record import ImageRecord
    from slipway.release.manifest import Release
    from slipway.release.store import Store

ROOT = Path()
PREDICTIONS = "/predictions"  # inside a container
MOUNTS = "/proc/self/mounts"
UNMOUNTS_MAX = 20  # one for each buildah that was killed
NAME_DIGITS = 32  # of the digest of a release in the name of its container
SERVE = ("--host", "127.0.0.1", "--port")  # after the entry point of an image


class Engine(Protocol):
    """A program that runs containers from a storage of its own."""

    @property
    def tool(self) -> tools.Tool:
        """Return the program, whose name is also that of the folder with its storage."""

    def load(self, folder: Path, layout: Layout, name: str) -> None:
        """Load the image that was pulled into `layout` under `name`. Raises ToolError where it cannot run."""

    def command(self, folder: Path, name: str, config: dict[str, Any], options: Sequence[str], port: int) -> list[str]:
        """Return the command that runs a service of a loaded image at `port`. `options` are common to both engines."""


class Buildah:
    """Chroot isolation: services of a release share its files, which their user cannot change."""

    tool = tools.named("buildah")

    def load(self, folder: Path, layout: Layout, name: str) -> None:
        """Create the working container in which every service of the release runs."""
        subprocess.run([*self._program(folder), "rm", name], capture_output=True, check=False)  # of a killed load
        _run([*self._program(folder), "from", "--name", name, f"oci:{layout.folder}:{PULLED}"])

    def command(self, folder: Path, name: str, config: dict[str, Any], options: Sequence[str], port: int) -> list[str]:
        """Return the command, with an empty /tmp for each service."""
        own = ["--isolation", "chroot", "--mount", "type=tmpfs,destination=/tmp,tmpfs-mode=1777"]
        run = [*self._program(folder), "run", *own, "--user", config["User"], *options, name, "--"]
        return [*run, *config["Entrypoint"], *SERVE, str(port)]

    def unmount(self, folder: Path) -> None:
        """Unmount every container once. `umount` skips a mount of a killed buildah until `mount` has listed it."""
        for command in (["mount"], ["umount", "--all"]):
            subprocess.run([*self._program(folder), *command], capture_output=True, check=False)

    def _program(self, folder: Path) -> list[str]:
        return [tools.require(self.tool.name), "--root", str(folder / "storage"), "--runroot", str(folder / "run")]


class Podman:
    """A container for each service, with its own processes and a read-only root."""

    tool = tools.named("podman")

    def load(self, folder: Path, layout: Layout, name: str) -> None:
        """Load the image into podman's storage, and run its Python once."""
        _run([*self._program(folder), "pull", "--quiet", f"oci:{layout.folder}:{PULLED}"])
        digest, config = _config(layout)
        _run([*self._program(folder), "tag", digest.removeprefix("sha256:"), name])
        options = ["--entrypoint", config["Entrypoint"][0]]
        _run([*self._container(folder, config), *options, f"localhost/{name}", "-c", "pass"])

    def command(self, folder: Path, name: str, config: dict[str, Any], options: Sequence[str], port: int) -> list[str]:
        """Return the command; the container is removed when it ends."""
        return [*self._container(folder, config), *options, f"localhost/{name}", *SERVE, str(port)]

    def _container(self, folder: Path, config: dict[str, Any]) -> list[str]:
        options = ["--rm", "--read-only", "--tmpfs", "/tmp:mode=1777", "--network", "host", "--cap-drop", "all"]  # noqa: S108
        return [*self._program(folder), "run", *options, "--user", config["User"]]

    def _program(self, folder: Path) -> list[str]:
        volatile = ["--runroot", str(_volatile(folder))]
        return [tools.require(self.tool.name), "--root", str(folder / "storage"), *volatile]


def _volatile(folder: Path) -> Path:
    """Return a folder for podman's sockets and locks, since before version 5.1 it accepts 50 characters at most."""
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    user = os.geteuid()
    own = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{user}") if user else Path("/run")
    return own / f"slipway-{name}"


ENGINES: tuple[Engine, ...] = (Podman(), Buildah())
"""The engines, from the one that isolates most."""


def engines() -> list[Engine]:
    """Return the engines that are installed. Raises UserError without one."""
    installed = [engine for engine in ENGINES if engine.tool.find()]
    if not installed:
        raise MissingToolError(f"--runtime container: needs podman or buildah; {tools.named('buildah').fix}")
    return installed


class Containers:
    """Services as containers. Only images with a reason to trust them are loaded, and files are never changed."""

    needs = "its image"
    start_seconds = 1.0

    def __init__(self, installed: Sequence[Engine]) -> None:
        self._engines = installed

    def install(self, place: Place, store: Store, content: EnvironmentFile) -> None:
        """Install the files of a release, and load its image, verified. Raises UserError."""
        release = installation.install_files(place, store, content)
        folder, name = _folder(place), _name(content.digest)
        with locks.take(folder / f"{name}.lock"):
            if _settings(place, content.digest).is_file():
                return
            incoming = _incoming(place)
            shutil.rmtree(incoming, ignore_errors=True)
            layout = Layout(incoming)
            record = _image(store, content)
            _pull(record, content, release, store, layout)
            engine, (_, config) = self._load(folder, layout, name), _config(layout)
            files.write_json(_settings(place, content.digest), {"image": record.image, "engine": engine, **config})
            shutil.rmtree(incoming)

    def _load(self, folder: Path, layout: Layout, name: str) -> str:
        """Load an image with the first engine that can run it, and return the engine's name."""
        reasons = []
        for engine in self._engines:
            try:
                engine.load(folder / engine.tool.name, layout, name)
            except ToolError as error:
                reasons.append(str(error))
            else:
                if reasons:
                    output.warn(f"{'; '.join(reasons)}; {engine.tool.name} runs the containers")
                return engine.tool.name
        raise ToolError("; ".join(reasons))

    def is_installed(self, place: Place, digest: str) -> bool:
        """Return whether the files of a release and its image are installed, without hashing them."""
        settings, own = _settings(place, digest), installation.folder(place, digest) / manifest.MANIFEST
        if not (settings.is_file() and own.is_file()):
            return False
        storage = _folder(place) / str(files.read_json(settings)["engine"])
        return storage.is_dir()

    def start(self, place: Place, release: Release, port: int, tag: str) -> int:
        """Start a container, and the process that stands for it."""
        config = files.read_json(_settings(place, release.digest))
        _prepare(place.predictions, int(config["User"].partition(":")[0]))
        options = [
            "--env",
            f"{processes.TAG_VARIABLE}={tag}",
            "--env",
            f"{prediction_log.FOLDER_VARIABLE}={PREDICTIONS}",
        ]
        options += ["--volume", f"{place.predictions}:{PREDICTIONS}"]
        engine = next(engine for engine in ENGINES if engine.tool.name == config["engine"])
        container = engine.command(_folder(place) / engine.tool.name, _name(release.digest), config, options, port)
        command = [sys.executable, "-m", container_process.__name__, tag, *container]
        return processes.start(command, tag, place.log(release.version), place.root, os.environ)

    def sweep(self, place: Place) -> None:
        """Remove the partial image of a killed installation."""
        shutil.rmtree(_incoming(place), ignore_errors=True)


def unmount(place: Place) -> None:
    """Unmount the files of containers whose engine was killed. No service of the environment may run."""
    buildah = Buildah()
    folder = _folder(place) / buildah.tool.name
    for _ in range(UNMOUNTS_MAX):
        if f" {folder}/" not in Path(MOUNTS).read_text(encoding="utf-8"):
            return
        buildah.unmount(folder)


def _folder(place: Place) -> Path:
    return place.root / "containers"


def _incoming(place: Place) -> Path:
    return _folder(place) / "incoming"


def _name(digest: str) -> str:
    return digest.removeprefix("sha256:")[:NAME_DIGITS]


def _settings(place: Place, digest: str) -> Path:
    """Return the file with the configuration of a loaded image, which is written last."""
    return _folder(place) / f"{_name(digest)}.json"


def _config(layout: Layout) -> tuple[str, dict[str, Any]]:
    """Return digest and content of the configuration of the image that was pulled into `layout`. Raises UserError."""
    descriptor = layout.named(PULLED)
    if descriptor is None:
        raise ToolError(f"{layout.folder}: contains no image")
    digest = layout.read_json(str(descriptor["digest"]))["config"]["digest"]
    return digest, layout.read_json(digest)["config"]


def _image(store: Store, content: EnvironmentFile) -> ImageRecord:
    """Return the evidence about the image to run: the one that git names, else the last one of the release."""
    if content.image:
        record = records.find(store, content.release, content.image)
    else:
        record = next(reversed(records.read_all(store, content.release)), None)
    if record is None:
        image = f"{content.image}: no evidence about this image" if content.image else "has no image"
        raise RejectedError(f"{content.release}: {image}; run `slipway image build` and `slipway image push`")
    return record


def _pull(record: ImageRecord, content: EnvironmentFile, release: Release, store: Store, layout: Layout) -> None:
    """Pull and check an image. One that git does not name by its digest must equal the release in every layer."""
    pulled, vouched = trust.pull(record, release, store, Git(ROOT), ROOT, layout)
    if content.image:
        return
    try:
        verify.rebuild(pulled, is_vouched=bool(vouched))
    except verify.UnknownBaseError:
        raise RejectedError(
            f"{record.image}: neither git nor a signature names it, and its base was not made here; refused"
        ) from None


def _prepare(predictions: Path, user: int) -> None:
    """Make the folder of the prediction log writable for the user of the container."""
    predictions.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(predictions, user, -1)
    else:
        predictions.chmod(0o1777)


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ToolError(f"{' '.join(command[:1])}: {reason}")
