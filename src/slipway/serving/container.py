"""Entry point of images and agents, which serves the Bento that contains this file.

A single worker runs in this process, because platforms and agents restart what ends: BentoML's supervisor would be a
second process with the same imports, and takes most of the time of a start. `bentoml serve` replaces this process if
several workers need it, or an option or a variable of BentoML.

It listens on all addresses, at the port in the variable PORT, which Knative and Cloud Run set, or else at 3000.
Arguments of the command override both. Only the standard library is imported before the path of the Bento is set.
"""

from __future__ import annotations

import argparse
import os
import sys

BENTO = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))  # noqa: PTH100, PTH118, PTH120  pathlib takes 10 ms
SOURCES = f"{BENTO}/src"
HOST = "0.0.0.0"  # noqa: S104  inside the container
DEFAULT_PORT = "3000"
BENTOML_VARIABLES = ("BENTOML_API_WORKERS", "BENTOML_CONFIG", "BENTOML_CONFIG_OPTIONS", "BENTOML_TIMEOUT")
"""Settings of `bentoml serve`, other than the address, from the environment."""


def main() -> None:
    """Start the service in this process."""
    port = os.environ.get("PORT") or DEFAULT_PORT
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--host", default=HOST)
    parser.add_argument("--port", "-p", type=int, default=port)
    arguments, others = parser.parse_known_args()
    sys.path.insert(0, SOURCES)
    if others or any(map(os.environ.get, BENTOML_VARIABLES)) or _workers() > 1:
        command = [sys.executable, "-m", "bentoml", "serve", BENTO, "--host", HOST, "--port", port, *sys.argv[1:]]
        os.execv(sys.executable, command)  # noqa: S606  without a shell on purpose
    _serve(arguments.host, arguments.port)


def _workers() -> int:
    from slipway.serving.assembly import SETTINGS

    return int(SETTINGS["workers"])


def _serve(host: str, port: int) -> None:
    from slipway.errors import UserError
    from slipway.serving import single_process

    os.chdir(SOURCES)  # as BentoML's workers do
    try:
        single_process.serve(host, port)
    except UserError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
