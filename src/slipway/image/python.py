"""The Python of an image, run in place: from its extracted files, through the image's own dynamic loader.

It compiles modules to the bytes that the image's Python would write, and needs neither root nor a container.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from slipway.errors import RejectedError, ToolError

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = ("usr/local/bin", "usr/bin")
NAME = re.compile(r"python(3\.\d+)")
LOADERS = ("lib64/ld-linux-*.so.*", "lib/ld-linux-*.so.*", "usr/lib*/ld-linux-*.so.*", "lib/*/ld-linux-*.so.*")
LIBRARIES = ("lib/*-linux-gnu", "usr/lib/*-linux-gnu", "usr/local/lib")
INVALIDATION = "unchecked-hash"  # the file system of a container is read-only, and layers have no times


@dataclass(frozen=True)
class ImagePython:
    """The Python in the extracted image `root`."""

    root: Path

    @cached_property
    def path(self) -> Path:
        """Return the path of the program in the image. Raises UserError when the image has none."""
        programs = (file for folder in PROGRAMS for file in sorted((self.root / folder).glob("python3.*")))
        for file in programs:
            if NAME.fullmatch(file.name):
                return file.relative_to(self.root)
        raise RejectedError("the base image contains no Python 3 in /usr/bin or /usr/local/bin; choose another base")

    @property
    def version(self) -> str:
        """Return the version, such as `3.12`."""
        return self.path.name.removeprefix("python")

    def compile(self, folder: Path, location: str) -> None:
        """Compile every module below `folder`, which is at `location` in the image. Raises UserError."""
        options = ["-q", "-f", "--invalidation-mode", INVALIDATION, "-s", str(folder), "-p", location]
        self._run("-m", "compileall", *options, str(folder))

    def _run(self, *arguments: str) -> None:
        libraries = ":".join(str(path) for pattern in LIBRARIES for path in sorted(self.root.glob(pattern)))
        command = [str(self._loader()), "--library-path", libraries, str(self.root / self.path), "-S", *arguments]
        # A fixed seed gives sets of constants a fixed order in the bytecode.
        environment = {
            "PYTHONHOME": str((self.root / self.path).parents[1]),
            "PYTHONHASHSEED": "0",
            "LC_ALL": "C.UTF-8",
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = (done.stdout + done.stderr).strip().splitlines() or ["no reason given"]
            raise ToolError(f"/{self.path}: `{' '.join(arguments[:2])}` in the base image failed: {lines[-1]}")

    def _loader(self) -> Path:
        """Return the image's dynamic loader; a link in the image may be absolute, so links are skipped."""
        files = (file for pattern in LOADERS for file in sorted(self.root.glob(pattern)) if not file.is_symlink())
        loader = next(files, None)
        if loader is None:
            raise RejectedError("the base image has no dynamic loader of glibc; choose a base with glibc")
        return loader
