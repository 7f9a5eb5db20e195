"""The packages of an image: the wheels that a release locks, without what a service never reads, compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.errors import ToolError
from slipway.image import elf, layers, platforms

if TYPE_CHECKING:
    from slipway.image.python import ImagePython

VENV = "app/venv"
RECIPE = 2
"""Version of the rules in this module. An image of an older recipe has other packages, so raise it with each change."""

UNUSED = (
    *("bin", "**/tests", "**/include", "**/*.pyi", "**/*.pyx", "**/*.pxd", "**/*.c", "**/*.h", "**/*.lib", "**/*.a"),
    *("*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", "*.dist-info/direct_url.json"),
    *("numpy/distutils", "numpy/f2py", "numpy/_core/_*tests.*.so", "numpy/_core/_simd.*.so", "tornado/test"),
    "onnxruntime/capi/libonnxruntime.so.*",  # for programs in C; the Python module contains a copy
    *("pygments/lexers/[!_]*.py", "pygments/styles/[!_]*.py"),  # for the colors of a terminal
    *(f"onnxruntime/{name}" for name in ("datasets", "quantization", "tools", "transformers")),
)
"""Files of packages that no service reads, or that name the machine which installed them."""


def fill(pylock: Path, python: ImagePython, root: Path) -> None:
    """Install the packages below `root`, in a virtual environment at its path in the image. Raises UserError."""
    venv = root / VENV
    library = venv / "lib" / f"python{python.version}" / "site-packages"
    library.mkdir(parents=True)  # uv makes none for a release without packages
    options = ["--python-version", python.version, "--python-platform", platforms.of_uv(), "--only-binary", ":all:"]
    target = ["--target", str(library), "--no-deps", "--link-mode", "copy", "--require-hashes"]
    _uv("pip", "install", "--quiet", "--python", sys.executable, *options, *target, "--requirements", str(pylock))
    for path in [path for pattern in UNUSED for path in library.glob(pattern)]:
        layers.remove(path)
    elf.strip(library)
    (venv / "bin").mkdir(parents=True, exist_ok=True)
    (venv / "bin/python").symlink_to(f"/{python.path}")
    home = f"/{python.path.parent}"
    settings = {"home": home, "include-system-site-packages": "false", "version": python.version}
    lines = [f"{name} = {value}\n" for name, value in settings.items()]
    (venv / "pyvenv.cfg").write_text("".join(lines), encoding="utf-8")
    python.compile(library, f"/{library.relative_to(root)}")


def _uv(*arguments: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    command, inherited = ["uv", *arguments], {**environment, "PATH": path}
    done = subprocess.run(command, env=inherited, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ToolError(f"uv {' '.join(arguments[:2])}: {' '.join(done.stderr.split())[:500]}")
