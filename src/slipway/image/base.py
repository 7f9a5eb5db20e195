"""The base of an image: an image of a registry by digest, or one made from the packages of this machine's distribution.

The second needs no registry of images: apt downloads and verifies Python, its libraries, time zones and certificates.
It has no shell, no package manager and no compiler, and lists its packages where scanners look for them.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway import output
from slipway.errors import ArgumentError, MissingToolError, ToolError
from slipway.image import cache, layers, registry
from slipway.image.layout import LAYER_TYPE, Json, Layout
from slipway.image.python import ImagePython

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RECIPE = 1  # version of the rules in this module; raise it with each change of what a base contains
OWN_PACKAGES = ("ca-certificates", "libstdc++6", "tzdata")
NEEDED = re.compile(r"lib.+|zlib1g|media-types|python3\..+")
"""Names of packages whose dependencies are followed: libraries and Python, without tools of administration."""
DEPENDENCY = re.compile(r"^ [ |](?:Pre)?Depends: ([a-z0-9][\w.+-]*)$", re.MULTILINE)
WITHOUT = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]
UNUSED = (
    *(f"usr/share/{name}" for name in ("man", "lintian", "bash-completion", "zoneinfo/posix", "zoneinfo/right")),
    *(f"usr/lib/python3*/{name}" for name in ("distutils", "lib2to3", "pydoc_data", "test")),
    *("usr/lib/*/gconv", "usr/lib/*/perl*", "usr/sbin"),
)
UNUSED_DOCUMENTS = "usr/share/doc/*/[!c]*"  # the file `copyright` stays, as licenses require
MERGED = ("bin", "sbin", "lib", "lib64", "lib32", "libx32")  # folders of the root that are links into /usr
USERS = "root:x:0:0:root:/root:/sbin/nologin\nslipway:x:10001:10001::/tmp:/sbin/nologin\n"
GROUPS = "root:x:0:\nslipway:x:10001:\n"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Base:
    """The lowest layers of an image, which are in `layout`."""

    layout: Layout
    layers: list[Json]
    """Descriptors, from the lowest."""
    diff_ids: list[str]
    reference: str
    """`NAME@sha256:…`, or `@sha256:…` for a base without a name."""

    @contextmanager
    def python(self) -> Iterator[ImagePython]:
        """Yield the Python of the base, from its layers extracted into a temporary folder. Raises UserError."""
        with TemporaryDirectory() as root:
            for layer in self.layers:
                self.layout.check(layer["digest"])
                layers.extract_layer(self.layout.blob(layer["digest"]), Path(root))
            yield ImagePython(Path(root))


def fetch(reference: str | None, layout: Layout) -> Base:
    """Fetch the base `reference` into `layout`, or make one without a reference. Raises UserError."""
    if reference is None:
        return make(layout)
    if "@sha256:" not in reference:
        raise ArgumentError(f"--base {reference}: not an image by digest; give NAME@sha256:…")
    content = layout.read_json(registry.pull(reference, layout)["digest"])
    config = layout.read_json(content["config"]["digest"])
    return Base(layout, content["layers"], config["rootfs"]["diff_ids"], reference)


def make(layout: Layout) -> Base:
    """Make a base from packages of Debian or Ubuntu. Equal packages give an equal base. Raises UserError.

    Package lists that are missing or outdated, as on a machine that nobody updates, are fetched for this base only.
    """
    try:
        return _made(layout, _Apt.with_own_index())
    except _AptError as error:
        output.progress(f"image: fetching the lists of packages, because {error}")
    with TemporaryDirectory() as lists:
        return _made(layout, _Apt.with_own_lists(Path(lists)))


def _made(layout: Layout, apt: _Apt) -> Base:
    python = apt.python_package()
    names = sorted(apt.closure([*OWN_PACKAGES, f"{python}-minimal", f"lib{python}-stdlib"]))
    hashed = apt.run("apt-get", "download", "--quiet", "--print-uris", *names)  # a line with the hash of each archive
    layer = cache.layer([RECIPE, hashed], lambda root: _fill(root, names, apt))
    layout.add_file(layer.file, layer.digest)
    descriptor = {"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size}
    return Base(layout, [descriptor], [layer.diff_id], f"@{layer.diff_id}")


def _fill(root: Path, names: list[str], apt: _Apt) -> None:
    output.progress(f"image: making a base from {len(names)} packages of this distribution")
    with TemporaryDirectory() as archives:
        apt.run("apt-get", "download", "--quiet", *names, folder=Path(archives))
        for archive in sorted(Path(archives).glob("*.deb")):
            _unpack(archive, root)
    _finish(root)


class _AptError(ToolError):
    """A program of apt failed."""


@dataclass(frozen=True)
class _Apt:
    """The package manager of this distribution, of which only queries and downloads are used."""

    options: tuple[str, ...] = ()

    @classmethod
    def with_own_index(cls) -> _Apt:
        """Use the machine's lists of packages, and keep apt's index of them with the layers.

        Many containers keep none, and then every call makes it again, which takes half a second.
        """
        index = cache.folder().with_name("apt") / "pkgcache.bin"
        index.parent.mkdir(parents=True, exist_ok=True)
        return cls((f"-oDir::Cache::pkgcache={index}",))

    @classmethod
    def with_own_lists(cls, folder: Path) -> _Apt:
        """Fetch the lists of packages into `folder`, which needs no root. Raises UserError."""
        places = {"Dir::State::lists": folder / "lists", "Dir::Cache": folder / "cache"}
        for place in ("lists/partial", "cache/archives/partial"):
            (folder / place).mkdir(parents=True)
        apt = cls(tuple(f"-o{name}={path}" for name, path in places.items()))
        apt.run("apt-get", "update", "--quiet")
        return apt

    def python_package(self) -> str:
        """Return the name of the distribution's Python, such as `python3.11`. Raises UserError."""
        for name in DEPENDENCY.findall(self.run("apt-cache", "depends", "python3-minimal")):
            if match := re.fullmatch(r"(python3\.\d+)-minimal", name):
                return match[1]
        raise _AptError("apt-cache: knows no Python 3; name a base with --base")

    def closure(self, names: Sequence[str]) -> set[str]:
        """Return packages with all that they need, by the names in NEEDED."""
        listed = self.run("apt-cache", "depends", "--recurse", *WITHOUT, *names)
        needs: dict[str, list[str]] = {}
        for block in re.split(r"\n(?=\S)", listed):
            needs[block.partition("\n")[0]] = [name for name in DEPENDENCY.findall(block) if NEEDED.fullmatch(name)]
        closure, added = set[str](), set(names)
        while added:
            closure |= added
            added = {need for name in added for need in needs.get(name, [])} - closure
        return closure

    def run(self, program: str, *arguments: str, folder: Path | None = None) -> str:
        """Run a program of apt and return its output. Raises UserError."""
        command = [program, *self.options, *arguments]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise MissingToolError(
                f"{program}: not found; only Debian and Ubuntu can make a base: name one with --base NAME@sha256:…"
            ) from None
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise _AptError(f"{program} {arguments[0]}: {reason}; name a base with --base")
        return done.stdout


def _unpack(archive: Path, root: Path) -> None:
    """Extract a package over `root`, with the folders of the root merged into /usr, and note it for scanners."""
    content = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for member in tar:
            member.name = _merged(member.name)
            member.linkname = _merged(member.linkname) if member.islnk() else member.linkname
            layers.extract(tar, member, root)
    control = subprocess.run(["dpkg-deb", "--field", str(archive)], capture_output=True, check=True).stdout
    status = root / "var/lib/dpkg/status.d" / archive.name.partition("_")[0]
    status.parent.mkdir(parents=True, exist_ok=True)
    status.write_bytes(control)


def _merged(name: str) -> str:
    path = name.removeprefix("./")
    return f"usr/{path}" if path.split("/")[0] in MERGED else path or "."


def _finish(root: Path) -> None:
    """Remove what no service reads, and add users, certificates, links into /usr and compiled modules."""
    for pattern in (*UNUSED, UNUSED_DOCUMENTS):
        for path in list(root.glob(pattern)):
            layers.remove(path)
    for name in MERGED:
        if (root / "usr" / name).is_dir():
            (root / name).symlink_to(f"usr/{name}")
    certificates = "".join(_certificates(root))
    for name, content in {"etc/passwd": USERS, "etc/group": GROUPS, CERTIFICATES: certificates}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    shutil.rmtree(root / "usr/share/ca-certificates")
    (root / "tmp").mkdir()
    python = ImagePython(root)
    library = root / "usr/lib" / python.path.name
    python.compile(library, f"/usr/lib/{python.path.name}")


def _certificates(root: Path) -> Iterator[str]:
    for file in sorted((root / "usr/share/ca-certificates").rglob("*.crt")):
        yield file.read_text(encoding="utf-8").rstrip() + "\n"
