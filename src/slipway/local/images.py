"""Images of the demo: a registry on loopback where one is installed, and a folder or none otherwise."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from slipway import tools
from slipway.agent import router
from slipway.errors import NotReadyError, UserError
from slipway.files import write_text
from slipway.image import base
from slipway.image.layout import Layout
from slipway.image.publish import NONE
from slipway.image.registry import FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

LOOPBACK = "127.0.0.1"
START_TIMEOUT_SECONDS = 20
POLL_SECONDS = 0.05


def setting(folder: Path, env: Mapping[str, str], log: Callable[[str], None]) -> str:
    """Return the value of SLIPWAY_IMAGES for workflows on this machine, and log the reason where there are no images.

    Makes the base of the images in advance, because its packages may be out of reach. Starts a registry in `folder`.
    """
    folder.mkdir()
    try:
        base.make(Layout(folder / "base"))
    except UserError as error:
        log(f"no images of releases: {error}")
        return NONE
    if tools.named("docker-registry").find() and tools.named("skopeo").find():
        address, _ = start_registry(folder, env)
        return f"{address}/demo/model"
    return f"{FOLDER}{folder / 'images'}"


def start_registry(
    folder: Path, env: Mapping[str, str], settings: Mapping[str, object] | None = None
) -> tuple[str, subprocess.Popen[bytes]]:
    """Start a registry on loopback with its files in `folder`, and return its address and its process.

    settings: more of the registry's configuration. Raises UserError.
    """
    address = f"{LOOPBACK}:{router.free_port()}"
    storage = {"filesystem": {"rootdirectory": str(folder / "registry")}}
    configuration, log = folder / "registry.yaml", folder / "registry.log"
    content = {"version": 0.1, "storage": storage, "http": {"addr": address}, **(settings or {})}
    write_text(configuration, json.dumps(content))
    with log.open("wb") as output:
        command = [tools.require("docker-registry"), "serve", str(configuration)]
        process = subprocess.Popen(command, env=dict(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    _wait(address, log)
    return address, process


def _wait(address: str, log: Path) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(POLL_SECONDS)
        else:
            return
    raise NotReadyError(f"docker-registry: does not respond at {address} after {START_TIMEOUT_SECONDS} s; see {log}")
