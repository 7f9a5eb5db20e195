"""Every reader of a release uses `fetch`, which verifies it against the digest recorded in git."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from slipway.agent import installation
from slipway.deployment import smoke
from slipway.environment.environment import Environment
from slipway.environment.place import Place
from slipway.history import reproduce
from slipway.monitoring import job
from slipway.release import build, champion
from slipway.release.store import WrongReleaseError
from slipway.score import released

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = Path("src/slipway")
STORE = SOURCE / "release/store"
ONLY_THE_STORE = {"unpack_release", "unpack", "place_verified", "FolderStore", "GitHubStore", "BucketStore"}
"""Names that give access to a release without its digest; only `slipway.release.store` may use them."""

READERS = {
    "compare": lambda case: champion.fetch_released(Environment("staging"), case.folder),
    "monitor": lambda _: job.reference_of(Environment("staging"), {}, 1),
    "score --environment": lambda case: released._fetch(None, "staging", case.folder),
    "score --release": lambda case: released._fetch("v0.2.0", "", case.folder),
    "smoke": lambda case: smoke.read_expected(Environment("staging"), case.desired, case.store),
    "agent": lambda case: installation.install(Place.of("staging"), case.store, case.desired),
    "build": lambda case: build.fetch_published(Path(), case.folder / "release", lambda: case.store),
    "reproduce": lambda case: reproduce.reproduce(Path(), "v0.2.0", case.folder, case.store),
}
"""Every command that reads a release; `slipway verify` is tested in test_chain.py."""


@pytest.fixture
def swapped(project):
    """Return a project whose store has a different release in place of the desired one of staging."""
    for version in ("v0.1.0", "v0.2.0"):
        project.publish(version)
        project.promote(version)
    shutil.rmtree(project.store.root / "v0.2.0")
    shutil.copytree(project.store.root / "v0.1.0", project.store.root / "v0.2.0")
    return project


def test_a_swapped_release_is_refused_by_every_reader(swapped, tmp_path):
    desired = swapped.desired_state("staging").read()
    for name, read in READERS.items():
        case = SimpleNamespace(folder=tmp_path / name, store=swapped.store, desired=desired)
        with pytest.raises(WrongReleaseError, match=r"digest in the store is \w+:\w+, expected \w+:\w+; refused"):
            read(case)


def bypasses(text: str) -> Iterator[str]:
    """Yield the names in the source `text` that read a release without `fetch`."""
    for node in ast.walk(ast.parse(text)):
        names = {
            ast.Attribute: lambda attribute: [attribute.attr],
            ast.Name: lambda name: [name.id],
            ast.Constant: lambda constant: [constant.value],
            ast.ImportFrom: lambda import_: [alias.name for alias in import_.names],
        }.get(type(node), lambda _: [])(node)
        yield from (name for name in names if isinstance(name, str) and name in ONLY_THE_STORE)


def test_only_the_store_reads_a_release_without_fetch():
    files = {file for file in SOURCE.rglob("*.py") if STORE not in file.parents}
    names = {str(file): list(bypasses(file.read_text(encoding="utf-8"))) for file in files}
    assert {} == {file: bypassing for file, bypassing in names.items() if bypassing}


@pytest.mark.parametrize(
    "fault",
    [
        "store.unpack_release(version, folder)",
        'getattr(store, "unpack_release")(version, folder)',
        "from slipway.release.store.folder import FolderStore",
        "from slipway.release.store.files import unpack as u",
        "files.place_verified(target, fill)",
    ],
)
def test_a_reader_that_bypasses_fetch_is_detected(fault):
    assert list(bypasses(f"def read(store, version):\n    {fault}\n"))


def fetches(file: Path) -> bool:
    """Return whether a module imports `fetch`."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    imports = (node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "slipway.release.store")
    return any(alias.name == "fetch" for node in imports for alias in node.names)


def test_every_module_that_fetches_is_tested_here():
    expected = {module.__file__ for module in (champion, installation)}
    assert expected == {str(file.resolve()) for file in SOURCE.rglob("*.py") if fetches(file)}
