"""Records of the files in the data folder: content and findings of each file.

Each file is loaded alone, by `problem.load` on a folder with a link to it, so the problem needs no function for one
file. A clean record of an earlier run on the same bytes and rules is reused, so only new files cost time.
"""

from __future__ import annotations

import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

import problem
from slipway.checks import contract
from slipway.errors import MissingFileError
from slipway.files import sha256
from slipway.gates.data_evidence import BrokenRule, Example, FileRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LABELS: dict[str, tuple[str, Callable[[pd.Series], pd.Series]]] = {
    "binary": ("0 or 1", lambda label: label.isin([0, 1])),
    "regression": ("a finite number", np.isfinite),
}
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
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((data_dir / name).resolve())
        try:
            return problem.load(Path(folder))
        except Exception as error:  # noqa: BLE001  any error of a reader is a finding, not a crash
            raise UnreadableError(_cause(error, folder)) from None


def _cause(error: Exception, folder: str) -> str:
    text = str(error).replace(f"{folder}/", "").replace(folder, "the folder").strip() or "no reason given"
    return f"{type(error).__name__}: {text.splitlines()[0]}"


def rules_digest() -> str:
    """Return a SHA-256 that changes with any source of the problem and of the contract."""
    sources = [*sorted(Path(problem.__file__).parent.rglob("*.py")), Path(__file__), Path(contract.__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def record(data_dir: Path, name: str, earlier: Iterable[FileRecord], example_rows: int) -> FileRecord:
    """Return content and findings of the file `name`, or its clean record in `earlier` on the same bytes and rules."""
    content = sha256(data_dir / name)
    blank = FileRecord(file=name, sha256=content, rules=rules_digest(), rows=0)
    for old in earlier:
        if (old.file, old.sha256, old.rules) == (name, content, blank.rules) and not old.findings:
            return old
    try:
        frame = load(data_dir, name)
    except UnreadableError as error:
        return blank.model_copy(update={"findings": [_finding("unreadable", "", str(error), 1)]})
    return describe(blank, frame, example_rows)


def describe(record: FileRecord, frame: pd.DataFrame, example_rows: int, now: datetime | None = None) -> FileRecord:
    """Return `record` with the row counts, period and findings of a frame; times after `now` are findings."""
    others = {problem.TARGET, *([problem.TIME_COLUMN] if problem.TIME_COLUMN else [])}
    findings = contract.check(frame, problem.Row, others, example_rows)
    if problem.TARGET in frame:
        findings += _label_findings(frame[problem.TARGET], example_rows)
    if not len(frame):
        findings.append(_finding("empty", "", "has at least one row", 1))
    unlabeled = int(frame[problem.TARGET].isna().sum()) if problem.TARGET in frame else len(frame)
    counts = {"rows": len(frame), "unlabelled": unlabeled, "duplicates": int(frame.duplicated().sum())}
    if problem.TIME_COLUMN is None or problem.TIME_COLUMN not in frame:
        return record.model_copy(update={**counts, "findings": findings})
    time = frame[problem.TIME_COLUMN]
    findings += _time_findings(time, now or datetime.now(UTC), example_rows)
    return record.model_copy(update={**counts, **_period(time), "findings": findings})


def _label_findings(label: pd.Series, example_rows: int) -> list[BrokenRule]:
    """Return a finding for labels that no estimator of the task can learn from; missing ones are counted elsewhere."""
    if problem.TASK == "multiclass":
        return []
    number = pd.to_numeric(label, errors="coerce").astype(float)
    rule, allowed = LABELS[problem.TASK]
    broken = label.notna() & ~(allowed(number) if pd.api.types.is_numeric_dtype(label) else label.isna())
    return [_at_rows("label", problem.TARGET, rule, label, broken, example_rows)] if broken.any() else []


def _period(time: pd.Series) -> dict[str, datetime | str]:
    if not pd.api.types.is_datetime64_any_dtype(time) or time.isna().all():
        return {}
    zone = "with" if getattr(time.dtype, "tz", None) else "without"
    return {"first": _utc(time.min()), "last": _utc(time.max()), "clock": f"{zone} time zone"}


def _utc(moment: pd.Timestamp) -> datetime:
    utc: datetime = (moment.tz_convert("UTC") if moment.tzinfo else moment.tz_localize("UTC")).to_pydatetime(warn=False)
    return utc.astimezone(UTC)


def _time_findings(time: pd.Series, now: datetime, example_rows: int) -> list[BrokenRule]:
    name = str(problem.TIME_COLUMN)
    if not pd.api.types.is_datetime64_any_dtype(time):
        return [_at_rows("type", name, "a date and time", time, pd.Series(True, index=time.index), example_rows)]
    moment = pd.Timestamp(now) if getattr(time.dtype, "tz", None) else pd.Timestamp(now).tz_localize(None)
    broken = {
        ("missing value", "may not be missing"): time.isna(),
        ("time order", "not before the row above"): time < time.shift(),
        ("future", "not in the future"): time > moment,
    }
    return [_at_rows(kind, name, rule, time, rows, example_rows) for (kind, rule), rows in broken.items() if rows.any()]


def _at_rows(kind: str, column: str, rule: str, values: pd.Series, rows: pd.Series, example_rows: int) -> BrokenRule:
    """Return a finding on the given rows, with the first of them as examples."""
    places = rows.to_numpy().nonzero()[0]
    examples = [
        Example(row=int(place), value=contract.quoted(str(values.iloc[place]))) for place in places[:example_rows]
    ]
    return BrokenRule(column=column, kind=kind, rule=rule, count=len(places), examples=examples)


def _finding(kind: str, column: str, rule: str, count: int) -> BrokenRule:
    return BrokenRule(column=column, kind=kind, rule=rule, count=count)
