"""A project whose group `problem` has one tiny package, locked without a network."""

from __future__ import annotations

import subprocess
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PACKAGE = "tiny_trees"
WHEEL = f"{PACKAGE}-1.0-py3-none-any.whl"
PYPROJECT = f"""\
[project]
name = "project"
version = "0"
requires-python = ">=3.11"

[dependency-groups]
serve = []
serve-skops = []
problem = ["{PACKAGE}"]

[tool.uv.sources]
{PACKAGE} = {{ path = "{WHEEL}" }}
"""


def lock(folder: Path) -> None:
    """Write the project and its uv.lock to `folder`."""
    metadata = {
        "METADATA": f"Metadata-Version: 2.4\nName: {PACKAGE}\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr(f"{PACKAGE}.py", "TREES = 7\n")
        for name, text in metadata.items():
            wheel.writestr(f"{PACKAGE}-1.0.dist-info/{name}", text)
    (folder / "pyproject.toml").write_text(PYPROJECT)
    subprocess.run(["uv", "lock", "--offline", "--quiet"], cwd=folder, check=True)
