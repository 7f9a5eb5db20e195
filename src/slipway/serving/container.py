"""Entry point of the image: replaces its process by `bentoml serve` with the Bento that contains this file.

It listens on all addresses, at the port in the variable PORT, which Knative and Cloud Run set, or else at 3000.
Arguments of the command come last, so they override both. Only the standard library is imported: the paths of the
Bento are set by BentoML.
"""

from __future__ import annotations

import os
import sys

BENTO = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))  # noqa: PTH100, PTH118, PTH120  pathlib takes 10 ms
DEFAULT_PORT = "3000"


def main() -> None:
    """Start the service in this process."""
    address = ["--host", "0.0.0.0", "--port", os.environ.get("PORT") or DEFAULT_PORT]  # noqa: S104  inside the container
    command = [sys.executable, "-m", "bentoml", "serve", BENTO, *address, *sys.argv[1:]]
    os.execv(sys.executable, command)  # noqa: S606  without a shell on purpose


if __name__ == "__main__":
    main()
