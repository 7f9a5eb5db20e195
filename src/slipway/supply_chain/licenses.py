"""The command `licences`: the license that each package of a release declares."""

from __future__ import annotations

import importlib.metadata
import re
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from slipway import output
from slipway.errors import GateError, MissingToolError, ToolError
from slipway.pull_request.jobs import run_tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNKNOWN = "unknown"
OSI = "License :: OSI Approved"
"""Classifier that names no particular license."""
FILE_LICENSES = {"skops": "MIT"}
"""Licenses of packages that declare theirs in a file only, determined by reading it."""
NAME_CHARACTERS_MAX = 60
"""A longer text in the field `License` is the text of a license, not its name."""
COPYLEFT = re.compile(r"(?<!L)GPL|AFFERO|(?<!LESSER )GENERAL PUBLIC|SSPL|SERVER SIDE PUBLIC")
"""Licenses that can oblige the operator of a service to publish its source; none may be in a release."""


def shipped(groups: Iterable[str]) -> list[str]:
    """Return the names of the locked packages that a release with these dependency groups installs on this platform."""
    options = ["--quiet", "--frozen", "--no-emit-project", "--no-hashes", "--no-annotate", "--no-header"]
    code, printed = run_tool(["uv", "export", *options, *(f"--only-group={group}" for group in groups)])
    if code:
        raise ToolError(f"uv export: {printed.strip()}")
    requirements = map(Requirement, printed.splitlines())
    return [package.name for package in requirements if package.marker is None or package.marker.evaluate()]


def license_of(name: str) -> str:
    """Return the license that an installed package declares: its expression, else its classifiers, else its name."""
    try:
        metadata = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        raise MissingToolError(f"{name}: locked but not installed; `uv sync --frozen`") from None
    if expression := _field(metadata, "License-Expression"):
        return expression
    classifiers = metadata.get_all("Classifier", [])
    specific = [text for text in classifiers if text.startswith("License :: ") and text != OSI]
    if specific:
        return ", ".join(text.rsplit(" :: ", 1)[-1] for text in specific)
    declared = _field(metadata, "License").strip()
    is_a_name = declared and len(declared) <= NAME_CHARACTERS_MAX and "\n" not in declared
    return declared if is_a_name else FILE_LICENSES.get(name, UNKNOWN)


def _field(metadata: importlib.metadata.PackageMetadata, name: str) -> str:
    """Return a metadata field; empty if the package does not declare it."""
    return str(metadata[name]) if name in metadata else ""


def rejected(licenses: Mapping[str, str]) -> dict[str, str]:
    """Return the packages that a release may not hold: those with copyleft, and those with an unknown license."""
    return {name: text for name, text in licenses.items() if text == UNKNOWN or _is_copyleft(text)}


def _is_copyleft(text: str) -> bool:
    """Return whether every alternative of `A OR B` is copyleft, since the user may choose one."""
    return all(COPYLEFT.search(choice) for choice in text.upper().split(" OR "))


def licences(groups: Iterable[str]) -> None:
    """Print the license of each package. Raises UserError naming the packages that a release may not hold."""
    listed = {name: license_of(name) for name in shipped(groups)}
    width = max(map(len, listed), default=0)
    lines = (f"{name:<{width}}  {text}" for name, text in listed.items())
    output.result(listed, "\n".join(lines))
    if packages := rejected(listed):
        raise GateError(f"not allowed in a release: {', '.join(f'{name} ({text})' for name, text in packages.items())}")
