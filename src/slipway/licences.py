"""The verb `licences`: under which licence each package stands that a release installs, as it says itself."""

from __future__ import annotations

import importlib.metadata
import json
import re
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from slipway.errors import UserError
from slipway.jobs import run_tool

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

UNKNOWN = "unknown"
OSI = "License :: OSI Approved"  # says that it is one of a hundred, and not which
READ = {"skops": "MIT"}  # what a package says in a file only, as a person read it there
LONGEST_NAME = 60  # characters; a longer text in the field `License` is a whole licence
COPYLEFT = re.compile(r"(?<!L)GPL|AFFERO|(?<!LESSER )GENERAL PUBLIC|SSPL|SERVER SIDE PUBLIC")
"""Licences under which who runs the service owes its source to its users, or might: none may be in a release."""


def shipped(groups: Iterable[str]) -> list[str]:
    """Names of the locked packages that a release with these dependency groups installs on this kind of machine."""
    options = ["--quiet", "--frozen", "--no-emit-project", "--no-hashes", "--no-annotate", "--no-header"]
    code, said = run_tool(["uv", "export", *options, *(f"--only-group={group}" for group in groups)])
    if code:
        raise UserError(f"uv export: {said.strip()}")
    wanted = (Requirement(line) for line in said.splitlines())
    return [one.name for one in wanted if one.marker is None or one.marker.evaluate()]


def licence(name: str) -> str:
    """What the installed package says of itself: an expression, else its classifiers, else a short text."""
    try:
        said = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        raise UserError(f"{name}: locked but not installed; `uv sync --frozen`") from None
    if expression := said.get("License-Expression"):
        return expression
    classified = [text for text in said.get_all("Classifier", []) if text.startswith("License :: ") and text != OSI]
    if classified:
        return ", ".join(text.rsplit(" :: ", 1)[-1] for text in classified)
    stated = (said.get("License") or "").strip()
    is_a_name = stated and len(stated) <= LONGEST_NAME and "\n" not in stated
    return stated if is_a_name else READ.get(name, UNKNOWN)


def refused(licences: Mapping[str, str]) -> dict[str, str]:
    """Packages that a release may not hold: those under copyleft, and those of which nobody knows."""
    return {name: text for name, text in licences.items() if text == UNKNOWN or _copyleft(text)}


def _copyleft(text: str) -> bool:
    """Whether there is no way around copyleft: of `A OR B`, one may choose."""
    return all(COPYLEFT.search(choice) for choice in text.upper().split(" OR "))


def licences(groups: Iterable[str], *, as_json: bool = False) -> None:
    """Print the list. Raises UserError, naming them, when there are packages that a release may not hold."""
    listed = {name: licence(name) for name in shipped(groups)}
    width = max(map(len, listed), default=0)
    lines = (f"{name:<{width}}  {text}" for name, text in listed.items())
    print(json.dumps(listed, indent=2) if as_json else "\n".join(lines))
    if found := refused(listed):
        raise UserError(f"not for a release: {', '.join(f'{name} ({text})' for name, text in found.items())}")
