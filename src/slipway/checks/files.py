"""Records of the files in the data folder: content and findings of each file, read in batches.

Each file is loaded alone, by `problem.load` on a folder with a link to it, so the problem needs no function for one
file. A clean record of an earlier run on the same bytes and rules is reused, so only new files cost time.
"""

from __future__ import annotations

import hashlib
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import problem
from slipway.checks import contract, file_summary, personal_data, repeated_rows
from slipway.checks.file_summary import FileSummary
from slipway.checks.personal_data import PersonalDataSearch
from slipway.errors import MissingFileError
from slipway.files import sha256
from slipway.gates.data_evidence import BrokenRule, FileRecord
from slipway.settings.data_checks import PrivacySection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    import pandas as pd

LOAD_BATCHES: Callable[[Path], Iterator[pd.DataFrame]] | None = getattr(problem, "load_batches", None)
"""The rows of `problem.load`, a batch at a time, for files larger than memory; optional."""
HIDDEN_PREFIX = "."  # of files that tools keep in the folder, such as .gitignore


class UnreadableError(Exception):
    """`problem.load` cannot read a file; the message is the cause, in one line."""


def listed(data_dir: Path) -> list[str]:
    """Return the names of the files in `data_dir`, from oldest to newest. Raises UserError when there is none."""
    paths = (path for path in data_dir.rglob("*") if path.is_file() and not path.name.startswith(HIDDEN_PREFIX))
    files = sorted(path.relative_to(data_dir).as_posix() for path in paths)
    if not files:
        raise MissingFileError(f"{data_dir}: no data; run `dvc pull`")
    return files


def load(data_dir: Path, name: str) -> pd.DataFrame:
    """Return the rows of the file `name` in `data_dir` by `problem.load`. Raises UnreadableError."""
    with _linked(data_dir, name) as folder:
        return problem.load(folder)


def batches(data_dir: Path, name: str) -> Iterator[pd.DataFrame]:
    """Yield the rows of `load` in batches, all of them in one where the problem has no `load_batches`.

    Raises UnreadableError.
    """
    with _linked(data_dir, name) as folder:
        is_empty = True
        for batch in LOAD_BATCHES(folder) if LOAD_BATCHES else ():
            is_empty = False
            yield batch
        if is_empty:  # of a file without rows, or that the loader skips, which `load` may report
            yield problem.load(folder)


@contextmanager
def _linked(data_dir: Path, name: str) -> Iterator[Path]:
    """Provide a folder with nothing but the file `name`. Raises UnreadableError for any error of the block."""
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((data_dir / name).resolve())
        try:
            yield Path(folder)
        except Exception as error:  # noqa: BLE001  any error of a reader is a finding, not a crash
            raise UnreadableError(_cause(error, folder)) from None


class FileRows:
    """The rows of a file in batches, for any number of passes; a file of one batch is read once."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self._data_dir, self._name = data_dir, name
        self._only: pd.DataFrame | None = None

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Yield the batches. Raises UnreadableError."""
        if self._only is not None:
            yield self._only
            return
        read = batches(self._data_dir, self._name)
        first = next(read)
        yield first
        second = next(read, None)
        if second is None:
            self._only = first
            return
        del first
        yield second
        yield from read


def _cause(error: Exception, folder: str) -> str:
    text = str(error).replace(f"{folder}/", "").replace(folder, "the folder").strip() or "no reason given"
    return f"{type(error).__name__}: {text.splitlines()[0]}"


def rules_digest(privacy: PrivacySection) -> str:
    """Return a SHA-256 that changes with any source of the problem and of the contract, and with `privacy`."""
    modules = (__file__, contract.__file__, file_summary.__file__, personal_data.__file__, repeated_rows.__file__)
    own = [*map(Path, modules), Path(personal_data.__file__).with_name("presidio_patterns.py")]
    sources = [*sorted(Path(problem.__file__).parent.rglob("*.py")), *own]
    contents = [path.read_bytes() for path in sources]
    return hashlib.sha256(b"".join([*contents, privacy.model_dump_json().encode()])).hexdigest()


def record(
    data_dir: Path,
    name: str,
    earlier: Iterable[FileRecord],
    example_rows: int,
    privacy: PrivacySection = PrivacySection(),  # noqa: B008  immutable
) -> FileRecord:
    """Return content and findings of the file `name`, or its clean record in `earlier` on the same bytes and rules.

    Raises UserError if `privacy` asks for a search whose packages are not installed.
    """
    content, search = sha256(data_dir / name), PersonalDataSearch.of(privacy)
    blank = FileRecord(file=name, sha256=content, rules=rules_digest(privacy), rows=0)
    for old in earlier:
        if (old.file, old.sha256, old.rules) == (name, content, blank.rules) and not old.findings:
            return old
    try:
        return describe(blank, batches(data_dir, name), example_rows, search=search)
    except UnreadableError as error:
        unreadable = BrokenRule(column="", kind="unreadable", rule=str(error), count=1)
        return blank.model_copy(update={"findings": [unreadable]})


def describe(
    record: FileRecord,
    batches: Iterable[pd.DataFrame],
    example_rows: int,
    now: datetime | None = None,
    search: PersonalDataSearch | None = None,
) -> FileRecord:
    """Return `record` with the row counts, period and findings of the rows; times after `now` are findings."""
    with FileSummary(example_rows, now, search) as summary:
        for batch in batches:
            summary.add(batch)
        return record.model_copy(update=summary.fields())
