"""`slipway serve`: the service from the repository, in the foreground."""

from __future__ import annotations

import os
import socket
import sys
import tempfile

from slipway.errors import UserError
from slipway.serving import model_folder

SERVICE = "slipway.serving.service:Service"
QUIET = {"BENTOML_DO_NOT_TRACK": "True", "DO_NOT_TRACK": "1"}


def serve(port: int) -> None:
    """Become `bentoml serve` on 127.0.0.1; `port` 0 takes a free one. Raises UserError for a wrong model or port."""
    model_folder.verify(model_folder.locate())
    port = port or free_port()
    _refuse_a_taken(port)
    print(f"http://127.0.0.1:{port}", flush=True)
    # Each service needs a home of its own: BentoML empties the folder of the metrics in it when it starts.
    home = os.environ.get("BENTOML_HOME") or tempfile.mkdtemp(prefix="slipway-serve-")
    command = [sys.executable, "-m", "bentoml", "serve", SERVICE, "--host", "127.0.0.1", "--port", str(port)]
    os.execve(sys.executable, command, {**os.environ, **QUIET, "BENTOML_HOME": home})  # noqa: S606  no shell is wanted


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _refuse_a_taken(port: int) -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(f"port {port}: {error.strerror}; choose another with --port") from None
