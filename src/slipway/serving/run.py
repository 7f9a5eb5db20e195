"""`slipway serve`: the service of the repository, in the foreground."""

from __future__ import annotations

import os
import socket
import sys
import tempfile

from slipway import output
from slipway.errors import BusyError
from slipway.serving import model_folder

SERVICE = "slipway.serving.service:Service"
NO_TELEMETRY = {"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1"}


def serve(port: int) -> None:
    """Replace this process by `bentoml serve` on 127.0.0.1; for `port` 0, choose a free one.

    Raises UserError for an invalid model or a port in use.
    """
    model_folder.verify(model_folder.locate())
    port = port or free_port()
    _refuse_used(port)
    output.result({"url": f"http://127.0.0.1:{port}"}, f"http://127.0.0.1:{port}")
    # Each service needs its own home, because BentoML deletes the metrics folder in it at startup.
    home = os.environ.get("BENTOML_HOME") or tempfile.mkdtemp(prefix="slipway-serve-")
    command = [sys.executable, "-m", "bentoml", "serve", SERVICE, "--host", "127.0.0.1", "--port", str(port)]
    os.execve(sys.executable, command, {**os.environ, **NO_TELEMETRY, "BENTOML_HOME": home})  # noqa: S606  without a shell on purpose


def free_port() -> int:
    """Return a port of this machine on which no process listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _refuse_used(port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise BusyError(f"port {port}: {error.strerror}; choose another one with --port") from None
