"""Row counts, period and findings of a file, whose rows arrive in batches: every row is checked, none is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

import problem
from slipway.checks import contract
from slipway.checks.personal_data import PersonalDataSearch
from slipway.checks.repeated_rows import RepeatedRows
from slipway.gates.data_evidence import BrokenRule, Example

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LABELS: dict[str, tuple[str, Callable[[pd.Series], pd.Series]]] = {
    "binary": ("0 or 1", lambda label: label.isin([0, 1])),
    "regression": ("a finite number", np.isfinite),
}
TIME_ORDER = ("missing value", "time order", "future")
"""Kinds of findings on the time, in the order of the evidence."""


class FileSummary:
    """The summary of a file; `add` takes its batches in their order. Times after `now` are findings.

    `search` finds personal data, none by default.
    """

    def __init__(
        self, example_rows: int, now: datetime | None = None, search: PersonalDataSearch | None = None
    ) -> None:
        self._example_rows, self._now = example_rows, now or datetime.now(UTC)
        self._search = search or PersonalDataSearch({}, [])
        self._rows, self._unlabeled, self._repeated = 0, 0, RepeatedRows()
        self._contract, self._label, self._times, self._personal = (MergedFindings(example_rows) for _ in range(4))
        self._ends: list[pd.Timestamp] = []
        self._last: Any = None
        """Time of the last row."""

    def __enter__(self) -> Self:
        self._repeated.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._repeated.__exit__(*error)

    def add(self, frame: pd.DataFrame) -> None:
        """Check the rows of the next batch."""
        others = {problem.TARGET, *([problem.TIME_COLUMN] if problem.TIME_COLUMN else [])}
        self._contract.add(contract.check(frame, problem.Row, others, self._example_rows), self._rows)
        if problem.TARGET in frame:
            self._label.add(_label_findings(frame[problem.TARGET], self._example_rows), self._rows)
        if problem.TIME_COLUMN in frame:
            self._add_time(frame[problem.TIME_COLUMN])
        self._personal.add(self._search.scan(frame), self._rows)
        self._unlabeled += int(frame[problem.TARGET].isna().sum()) if problem.TARGET in frame else len(frame)
        self._rows += len(frame)
        self._repeated.add(frame)

    def _add_time(self, time: pd.Series) -> None:
        self._times.add(_time_findings(time, self._last, self._now, self._example_rows), self._rows)
        if pd.api.types.is_datetime64_any_dtype(time) and time.notna().any():
            self._ends += [time.min(), time.max()]
            self._ends = [min(self._ends), max(self._ends)]
        self._last = time.iloc[-1] if len(time) else self._last

    def fields(self) -> dict[str, Any]:
        """Return the fields of the file's record."""
        empty = BrokenRule(column="", kind="empty", rule="has at least one row", count=1)
        counts = {"rows": self._rows, "unlabelled": self._unlabeled, "duplicates": self._repeated.count()}
        findings = [
            *sorted(self._contract.rules, key=_contract_order),
            *self._label.rules,
            *([] if self._rows else [empty]),
            *sorted(self._times.rules, key=_time_order),
            *self._personal.rules,
        ]
        return {**counts, **self._period(), "findings": findings}

    def _period(self) -> dict[str, datetime | str]:
        if not self._ends:
            return {}
        first, last = self._ends
        return {"first": _utc(first), "last": _utc(last), "clock": f"{'with' if first.tzinfo else 'without'} time zone"}


class MergedFindings:
    """Findings of consecutive batches: one for each rule, with the first rows that break it as examples."""

    def __init__(self, example_rows: int) -> None:
        self._example_rows = example_rows
        self._rules: dict[tuple[str, str, str], BrokenRule] = {}

    @property
    def rules(self) -> list[BrokenRule]:
        """Return the findings, in the order in which they occurred."""
        return list(self._rules.values())

    def add(self, findings: Iterable[BrokenRule], start: int) -> None:
        """Add the findings of a batch whose first row is row `start` of the file."""
        for finding in findings:
            key = finding.column, finding.kind, finding.rule
            count, examples = (self._rules[key].count, self._rules[key].examples) if key in self._rules else (0, [])
            moved = [Example(row=start + example.row, value=example.value) for example in finding.examples]
            merged = {"count": count + finding.count, "examples": [*examples, *moved][: self._example_rows]}
            self._rules[key] = finding.model_copy(update=merged)


def _contract_order(finding: BrokenRule) -> tuple[bool, str, str, str]:
    """Return the sort key of a finding: columns as they occurred, then rules by column."""
    if finding.kind in contract.COLUMN_KINDS:
        return False, "", "", ""
    return True, finding.column, finding.kind, finding.rule


def _time_order(finding: BrokenRule) -> int:
    return TIME_ORDER.index(finding.kind) if finding.kind in TIME_ORDER else 0


def _label_findings(label: pd.Series, example_rows: int) -> list[BrokenRule]:
    """Return a finding for labels that no estimator of the task can learn from; missing ones are counted elsewhere."""
    if problem.TASK == "multiclass":
        return []
    number = pd.to_numeric(label, errors="coerce").astype(float)
    rule, allowed = LABELS[problem.TASK]
    broken = label.notna() & ~(allowed(number) if pd.api.types.is_numeric_dtype(label) else label.isna())
    return [_at_rows("label", problem.TARGET, rule, label, broken, example_rows)] if broken.any() else []


def _utc(moment: pd.Timestamp) -> datetime:
    utc: datetime = (moment.tz_convert("UTC") if moment.tzinfo else moment.tz_localize("UTC")).to_pydatetime(warn=False)
    return utc.astimezone(UTC)


def _time_findings(time: pd.Series, last: Any, now: datetime, example_rows: int) -> list[BrokenRule]:
    """Return the findings on the times of a batch; `last` is the time of the row before it, None of the first one."""
    name = str(problem.TIME_COLUMN)
    if not pd.api.types.is_datetime64_any_dtype(time):
        is_broken = pd.Series(True, index=time.index)
        return [_at_rows("type", name, "a date and time", time, is_broken, example_rows)]
    moment = pd.Timestamp(now) if getattr(time.dtype, "tz", None) else pd.Timestamp(now).tz_localize(None)
    broken = {
        ("missing value", "may not be missing"): time.isna(),
        ("time order", "not before the row above"): time < time.shift(fill_value=last),
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
