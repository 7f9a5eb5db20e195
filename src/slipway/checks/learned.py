"""Checks of new rows that learn from windows of the older rows how columns belong together."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from slipway.batch.batch_findings import CONDITIONS, findings
from slipway.batch.batch_reference import BatchReference
from slipway.batch.batch_rows import BatchRows, batch_numbers, concatenated
from slipway.gates.data_evidence import CheckOutcome, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from slipway.batch.batch_findings import BatchFinding
    from slipway.settings.data_checks import RelationsSection

NEIGHBOR_DISTANCES = (1, -1, 2, -2, 3, -3)  # rows by which an early or late join is looked for
WINDOW_FILES_MIN = 0.5  # of the windows; more files are small ones, such as one of each day, and differ as a whole
SENTENCES_MAX = 3  # of an outcome; the evidence has all findings
FINDINGS_MAX = 20


class Learned:
    """The reference of new rows, learned when the first batch is checked."""

    def __init__(self, older: Sequence[BatchRows], limits: RelationsSection, seed: int) -> None:
        self._older, self._limits, self._seed = older, limits, seed

    @cached_property
    def reference(self) -> BatchReference:
        """Return what the older rows teach."""
        rows, files = concatenated(self._older), len(self._older)
        are_windows = files > self._limits.windows * WINDOW_FILES_MIN
        window = batch_numbers(self._older) if are_windows else None
        return BatchReference(rows, self._limits, self._seed, files, window)

    def check(self, new: BatchRows) -> tuple[list[CheckOutcome], list[Finding]]:
        """Return the outcome of each check, and the findings, worst first."""
        if not len(self.reference.rows) or not len(new):
            return [_not_run(check) for check in CONDITIONS], []
        measured = self.reference.measure(new)
        excesses = self.reference.excesses(self.reference.statistics(measured))
        listed = findings(self.reference, measured, excesses)
        outcomes = [
            _outcome(check, [finding for finding in listed if finding.check == check], len(excesses))
            for check in CONDITIONS
        ]
        return outcomes, [_evidence(finding) for finding in listed[:FINDINGS_MAX]]


def drawn(frame: pd.DataFrame, rows: int, seed: int) -> BatchRows:
    """Return a sample of at most `rows` rows of a file or files, as `problem.load` returns them."""
    return BatchRows.of(frame, rows, NEIGHBOR_DISTANCES, seed)


def _not_run(check: str) -> CheckOutcome:
    return CheckOutcome(check=check, condition=CONDITIONS[check], outcome="not run", observed="no labeled rows")


def _outcome(check: str, listed: Sequence[BatchFinding], count: int) -> CheckOutcome:
    """Return the outcome of one check of `count` statistics in all."""
    sentences = [finding.text for finding in listed[:SENTENCES_MAX]]
    if others := ", ".join(f"`{finding.column}`" for finding in listed[SENTENCES_MAX:]):
        sentences.append(f"also {others}")
    observed = ". ".join(sentences) or f"No finding; {count} statistics in all"
    outcome = "fail" if listed else "pass"
    return CheckOutcome(check=check, condition=CONDITIONS[check], outcome=outcome, observed=observed)


def _evidence(finding: BatchFinding) -> Finding:
    return Finding(
        check=finding.check,
        column=finding.column,
        segment=finding.segment,
        statistic=finding.statistic,
        score=finding.score,
        sentence=finding.sentence,
        cause=finding.cause or None,
        expected=finding.expected or None,
        observed=finding.observed or None,
    )
