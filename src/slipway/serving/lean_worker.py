"""Worker of `bentoml serve` in a process without BentoML.

BentoML's worker imports BentoML to load the service, and nothing of it serves a request. `replace_process` therefore
runs this program in its place, which saves 23 MB. The process id, the environment, and the inherited pipes and sockets
stay, so that circus supervises and stops the worker as before.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVER_OPTIONS = (
    "backlog",
    "ssl_ca_certs",
    "ssl_cert_reqs",
    "ssl_certfile",
    "ssl_ciphers",
    "ssl_keyfile",
    "ssl_keyfile_password",
    "ssl_version",
    "timeout_graceful_shutdown",
    "timeout_keep_alive",
)
"""Options of BentoML's worker that it passes to uvicorn under the same names."""


def replace_process(options: Mapping[str, Any]) -> NoReturn:
    """Run a worker in place of this process, with the `options` of BentoML's worker."""
    server = {name: options[name] for name in SERVER_OPTIONS if options.get(name) is not None}
    start = {"path": sys.path, "fd": options["fd"], "server": server}
    os.execv(sys.executable, [sys.executable, __file__, json.dumps(start)])  # noqa: S606  without a shell on purpose


def main(start: str) -> None:
    """Serve on the inherited socket."""
    content = json.loads(start)
    sys.path[:] = content["path"]
    from slipway.errors import UserError

    try:
        _serve(content["fd"], content["server"])
    except UserError as error:
        sys.exit(f"Error: {error}")


def _serve(descriptor: int, options: Mapping[str, Any]) -> None:
    import socket

    import uvicorn

    from slipway.serving.single_process import SERVER
    from slipway.serving.worker import Worker

    with socket.socket(fileno=descriptor) as listener:
        uvicorn.Server(uvicorn.Config(Worker(), **SERVER, **options)).run([listener])


if __name__ == "__main__":
    main(sys.argv[1])
