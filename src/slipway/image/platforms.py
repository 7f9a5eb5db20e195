"""The platform of an image, in the words of OCI and of uv."""

from __future__ import annotations

import platform

from slipway.errors import RejectedError

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def host() -> dict[str, str]:
    """Return the platform of this machine, for which images are built. Raises UserError for an unknown one."""
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in ARCHITECTURES:
        raise RejectedError(f"{platform.system()} {machine}: images are built on Linux, on x86_64 or aarch64")
    return {"os": "linux", "architecture": ARCHITECTURES[machine]}


def of_uv() -> str:
    """Return uv's name of the platform of `host`, whose wheels a base with glibc can run."""
    return f"{platform.machine()}-unknown-linux-gnu"


def text(parts: dict[str, str]) -> str:
    """Return a platform as text, such as `linux/amd64`."""
    return f"{parts.get('os')}/{parts.get('architecture')}"
