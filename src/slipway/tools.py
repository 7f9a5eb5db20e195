"""The programs that Slipway and its tests run: one list for README.md, `slipway doctor`, `.ci/run` and the tests.

A caller in `src/` resolves a program with `require`, which names the fix when it is missing. A test requests it with
the fixture `tool` or the marker `tool` of tests/conftest.py, which skip the test when it is missing.
"""

from __future__ import annotations

import os
import shutil
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

    def find(self) -> str | None:
        """Return the path of the program, from this installation or from the PATH."""
        places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return next((path for command in self.commands if (path := shutil.which(command, path=places))), None)

    @property
    def fix(self) -> str:
        """Return how to install it."""
        if self.source is Source.LOCKED:
            return "`make setup`"
        return f"on Debian and Ubuntu, `sudo apt-get install {self.packages}`"

    @property
    def missing(self) -> str:
        """Return the line for a user who lacks it."""
        return f"{self.name}: not found; {self.fix}"


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
        "kubernetes-client",
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


def missing_packages() -> list[str]:
    """Return the packages of Debian and Ubuntu that hold what this machine lacks, sorted."""
    lacking = [tool for tool in TOOLS if tool.packages and not tool.find()]
    return sorted({package for tool in lacking for package in tool.packages.split()})


def table() -> list[tuple[str, ...]]:
    """Return the rows of README.md's table: name, commands, packages, purpose, tests that are skipped without it."""
    return [
        (tool.name, _code(*tool.commands), _code(*tool.packages.split()), tool.purpose, tool.tests or "everything")
        for tool in TOOLS
        if tool.source is not Source.LOCKED
    ]


def _code(*words: str) -> str:
    return ", ".join(f"`{word}`" for word in words)
