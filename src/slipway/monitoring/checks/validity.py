"""The check `validity`: whether every live row satisfies the contract of `Row`, and `data.privacy` of params.yaml.

The service rejects rows that do not, so this check fails only if another `Row` wrote the log, or in a replay of rows
that no service has validated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import problem
from slipway.checks import contract
from slipway.checks.personal_data import PersonalDataSearch
from slipway.gates.monitoring_evidence import Finding, FindingsEvidence, worst_first
from slipway.monitoring.rows import whole

if TYPE_CHECKING:
    from slipway.gates.data_evidence import BrokenRule
    from slipway.monitoring.context import CheckContext

CHUNK_ROWS = 50_000  # validated at a time; 200 MB
EXAMPLES_MAX = 3  # rows quoted for each violated rule


def evidence(context: CheckContext) -> FindingsEvidence:
    """Return each violated rule with its column, worst first.

    The score is the fraction of rows that violate the rule, divided by the accepted fraction. No row may have personal
    data that `data.privacy` names. Raises UserError if the packages of that search are not installed.
    """
    rows = context.window.rows
    rows = rows.sample(min(len(rows), context.limits.validity_rows), random_state=context.settings.seed)
    names = [name for name in problem.Row.model_fields if name in rows]
    search = PersonalDataSearch.of(context.settings.data.privacy)
    violations: dict[tuple[str, str], BrokenRule] = {}
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = whole(rows[names].iloc[start : start + CHUNK_ROWS], problem.Row).astype(object)
        for violation in contract.check(chunk, problem.Row, set(), EXAMPLES_MAX):
            key = violation.column, violation.rule
            before = violations[key].count if key in violations else 0
            first = violations.get(key, violation)
            violations[key] = first.model_copy(update={"count": before + violation.count})
    findings = [
        _finding(violation, len(rows), context)
        for violation in violations.values()
        if violation.column not in context.hidden
    ]
    personal = [_personal_data(finding) for finding in search.scan(rows[names])]
    return FindingsEvidence(rows=len(rows), findings=worst_first([*personal, *findings]))


def _personal_data(finding: BrokenRule) -> Finding:
    message = f"{finding.column}: {finding.rule}, violated by {finding.count:,} rows"
    return Finding(column=finding.column, what=finding.kind, score=1.0 + finding.count, message=message)


def _finding(violation: BrokenRule, rows: int, context: CheckContext) -> Finding:
    examples = ", ".join(str(example.value) for example in violation.examples)
    message = f"{violation.column}: {violation.rule}, violated by {violation.count:,} rows" + (
        f" ({examples})" if examples else ""
    )
    score = violation.count / max(1, rows) / context.limits.invalid_ratio
    return Finding(column=violation.column, what=violation.kind, score=score, message=message)
