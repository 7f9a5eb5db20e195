"""Records of the files in the data folder: content and findings of each file.

Each file is loaded alone, by `problem.load` on a folder with a link to it, so the problem needs no function for one
file. A clean record of an earlier run on the same bytes and rules is reused, so only new files cost time.
"""

from __future__ import annotations

import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

import problem
from slipway.checks import contract
from slipway.errors import MissingFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

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


def record(data_dir: Path, name: str, earlier: Iterable[Mapping[str, Any]], example_rows: int) -> dict[str, Any]:
    """Return content and findings of the file `name`, or its clean record in `earlier` on the same bytes and rules."""
    content = hashlib.sha256((data_dir / name).read_bytes()).hexdigest()
    identity = {"file": name, "sha256": content, "rules": rules_digest()}
    for old in earlier:
        if identity.items() <= old.items() and not old["findings"]:
            return dict(old)
    try:
        frame = load(data_dir, name)
    except UnreadableError as error:
        return identity | {"rows": 0, "findings": [_finding("unreadable", "", str(error), 1)]}
    return identity | describe(frame, example_rows)


def describe(frame: pd.DataFrame, example_rows: int, now: datetime | None = None) -> dict[str, Any]:
    """Return row counts, period and findings of a frame; times after `now` are findings."""
    others = {problem.TARGET, *([problem.TIME_COLUMN] if problem.TIME_COLUMN else [])}
    findings = contract.check(frame, problem.Row, others, example_rows)
    if problem.TARGET in frame:
        findings += _label_findings(frame[problem.TARGET], example_rows)
    if not len(frame):
        findings.append(_finding("empty", "", "has at least one row", 1))
    unlabeled = int(frame[problem.TARGET].isna().sum()) if problem.TARGET in frame else len(frame)
    counts = {"rows": len(frame), "unlabelled": unlabeled, "duplicates": int(frame.duplicated().sum())}
    if problem.TIME_COLUMN is None or problem.TIME_COLUMN not in frame:
        return counts | {"findings": findings}
    time = frame[problem.TIME_COLUMN]
    return (
        counts | _period(time) | {"findings": findings + _time_findings(time, now or datetime.now(UTC), example_rows)}
    )


def _label_findings(label: pd.Series, example_rows: int) -> list[dict[str, Any]]:
    """Return a finding for labels that no estimator of the task can learn from; missing ones are counted elsewhere."""
    if problem.TASK == "multiclass":
        return []
    number = pd.to_numeric(label, errors="coerce").astype(float)
    rule, allowed = LABELS[problem.TASK]
    broken = label.notna() & ~(allowed(number) if pd.api.types.is_numeric_dtype(label) else label.isna())
    return [_at_rows("label", problem.TARGET, rule, label, broken, example_rows)] if broken.any() else []


def _period(time: pd.Series) -> dict[str, str]:
    if not pd.api.types.is_datetime64_any_dtype(time) or time.isna().all():
        return {}
    zone = "with" if getattr(time.dtype, "tz", None) else "without"
    return {"first": _utc(time.min()).isoformat(), "last": _utc(time.max()).isoformat(), "clock": f"{zone} time zone"}


def _utc(moment: pd.Timestamp) -> pd.Timestamp:
    return moment.tz_convert("UTC") if moment.tzinfo else moment.tz_localize("UTC")


def _time_findings(time: pd.Series, now: datetime, example_rows: int) -> list[dict[str, Any]]:
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


def _at_rows(
    kind: str, column: str, rule: str, values: pd.Series, rows: pd.Series, example_rows: int
) -> dict[str, Any]:
    """Return a finding on the given rows, with the first of them as examples."""
    places = rows.to_numpy().nonzero()[0]
    examples = [
        {"row": int(place), "value": contract.quoted(str(values.iloc[place]))} for place in places[:example_rows]
    ]
    return _finding(kind, column, rule, len(places)) | {"examples": examples}


def _finding(kind: str, column: str, rule: str, count: int) -> dict[str, Any]:
    return {"column": column, "kind": kind, "rule": rule, "count": count, "examples": []}
