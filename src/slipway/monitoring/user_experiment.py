"""The commands `experiment status` and `experiment decide`: users by side from the prediction log, outcomes by label.

A user counts on the side that the hash names, whichever release answered, because those who changed sides are not like
the others. A user's outcome is the mean over the rows of the first days, so that early and late users are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pandas as pd

import problem
from slipway import output
from slipway.deployment import promotion, user_experiment
from slipway.environment import assignment
from slipway.errors import DataError, NotReadyError
from slipway.files import write_text
from slipway.gates import Outcome
from slipway.gates.user_experiment import ExperimentEvidence, SideFacts, judge, winnings
from slipway.monitoring import collect
from slipway.monitoring.job import labels as read_labels
from slipway.monitoring.log_columns import RELEASE, TIME, UNIT
from slipway.monitoring.window import join
from slipway.report import markdown
from slipway.report import user_experiment as report
from slipway.results import EXPERIMENT, RESULTS, recorded
from slipway.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.environment.environment import Environment
    from slipway.environment.spec import EnvironmentFile, Experiment

SIDE, FIRST, OUTCOME, CROSSED, OBSERVED = "side", "first", "outcome", "crossed", "observed"


@dataclass(frozen=True)
class Users:
    """Every user of an experiment, in the order in which they came, and counts of rows.

    frame: columns SIDE, FIRST (time of the first row), OUTCOME (missing without a label), CROSSED, OBSERVED.
    """

    frame: pd.DataFrame
    rows: int
    unidentified_rows: int


def status(environment: Environment, source: Path) -> None:
    """Print the counts of the running experiment."""
    current, experiment = user_experiment.running(environment.fetch())
    evidence = evidence_of(current, experiment, _read(environment, current, experiment, source), environment.name)
    output.result(evidence, lambda: report.progress(evidence))


def decide(environment: Environment, source: Path) -> int:
    """Decide the running experiment, end it, and return the exit code. Raises NotReadyError before it is complete."""
    current, experiment = user_experiment.running(environment.fetch())
    users = _read(environment, current, experiment, source)
    evidence = evidence_of(current, experiment, users, environment.name)
    if not evidence.is_complete:
        raise NotReadyError(f"{environment}: {report.progress(evidence)}; it is not decided earlier")
    with recorded(EXPERIMENT) as result:
        result.evidence = evidence = compared(evidence, users)
        result.verdicts = judge(evidence, read_settings().monitoring.label_ratio)
        document = report.write(evidence, result.verdicts)
        folder = RESULTS / EXPERIMENT.name
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "report.md", markdown.render(document))
    lines = promotion.verdict_lines(EXPERIMENT.name, result)
    user_experiment.end(environment.fetch(), experiment.name, lines)
    output.result(result, lambda: report.text(evidence, result.verdicts))
    return 0 if result.outcome is Outcome.PASS else 1


def users_of(
    rows: pd.DataFrame, labels: pd.DataFrame | None, current: EnvironmentFile, experiment: Experiment, end: datetime
) -> Users:
    """Return the users in `rows` of the prediction log; those whose rows and labels are complete by `end` count."""
    own = _named(rows, experiment)
    absent = int((own[UNIT] == assignment.ABSENT).sum())
    sides = pd.Series([assignment.side_of(unit, experiment.percent) for unit in own[UNIT]], own.index, dtype=object)
    own = join(own.assign(**{SIDE: sides}).dropna(subset=[SIDE]), labels).rows
    release = own[SIDE].map({"treatment": experiment.treatment.release, "control": current.release})
    own = own.assign(**{CROSSED: own[RELEASE] != release, FIRST: own.groupby(UNIT)[TIME].transform("min")})
    own = own[own[TIME] < own[FIRST] + timedelta(days=experiment.days)]
    own = own.assign(**{OUTCOME: outcomes(own)})
    frame = own.groupby(UNIT).agg({SIDE: "first", FIRST: "first", OUTCOME: "mean", CROSSED: "any"})
    complete = frame[FIRST] + timedelta(days=experiment.days) <= pd.Timestamp(end)
    frame = frame.assign(**{OBSERVED: complete}).rename_axis("unit").reset_index().sort_values([FIRST, "unit"])
    return Users(frame.drop(columns="unit").reset_index(drop=True), len(rows), absent)


def _named(rows: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Return the rows of requests that the experiment saw, with the pseudonym alone in UNIT."""
    prefix = assignment.logged(experiment.name, "")
    units = rows[UNIT].fillna("").astype(str) if UNIT in rows else pd.Series("", rows.index)
    own = units.str.startswith(prefix).to_numpy(dtype=bool)
    return rows[own].assign(**{UNIT: units[own].str.removeprefix(prefix)})


def outcomes(rows: pd.DataFrame) -> pd.Series:
    """Return the outcome of each row: `problem.outcome`, else its label; missing without a label."""
    hook = getattr(problem, "outcome", None)
    labeled = rows[rows[problem.TARGET].notna()]
    values = hook(labeled) if hook else labeled[problem.TARGET]
    try:
        return pd.to_numeric(values).astype(float).reindex(rows.index)
    except (TypeError, ValueError):
        raise DataError(
            f"{problem.TARGET}: not a number; define `outcome(rows)` in src/problem/__init__.py, which returns one"
        ) from None


def evidence_of(current: EnvironmentFile, experiment: Experiment, users: Users, environment: str) -> ExperimentEvidence:
    """Return the evidence without outcomes: the users until the smaller side is complete."""
    frame = _until_complete(users.frame, experiment.plan.users)
    return ExperimentEvidence(
        environment=environment,
        name=experiment.name,
        release=experiment.treatment.release,
        digest=experiment.treatment.digest,
        control=current.release,
        plan=experiment.plan,
        treatment_side=_facts(frame[frame[SIDE] == "treatment"]),
        control_side=_facts(frame[frame[SIDE] == "control"]),
        unidentified_rows=users.unidentified_rows,
        rows=users.rows,
    )


def compared(evidence: ExperimentEvidence, users: Users) -> ExperimentEvidence:
    """Return the evidence with the outcomes of the first users of each side, as many as were stated."""
    plan = evidence.plan
    complete = _complete(users.frame)
    values = {side: complete[complete[SIDE] == side][OUTCOME].head(plan.users) for side in ("treatment", "control")}
    within = all(bool(side.between(plan.low, plan.high).all()) for side in values.values())
    ours, theirs = (side.tolist() for side in values.values())
    better, worse = winnings(ours, theirs, plan) if within else (None, None)
    means = {
        f"{side}_side": getattr(evidence, f"{side}_side").model_copy(update={"mean": float(outcome.mean())})
        for side, outcome in values.items()
    }
    return evidence.model_copy(update={**means, "log_better": better, "log_worse": worse, "within_limits": within})


def _complete(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame[OBSERVED].to_numpy(dtype=bool) & frame[OUTCOME].notna().to_numpy()]


def _until_complete(frame: pd.DataFrame, users: int) -> pd.DataFrame:
    """Return the users who came until each side had `users` with an outcome; all if a side does not have them yet."""
    complete = _complete(frame)
    firsts = [complete[complete[SIDE] == side][FIRST] for side in ("treatment", "control")]
    if min(map(len, firsts)) < users:
        return frame
    last: pd.Timestamp = max(side.iloc[users - 1] for side in firsts)
    return frame[(frame[FIRST] <= last).to_numpy()]


def _facts(side: pd.DataFrame) -> SideFacts:
    observed = side[side[OBSERVED]]
    return SideFacts(
        users=len(side),
        observed=len(observed),
        labeled=int(observed[OUTCOME].notna().sum()),
        crossed=int(observed[CROSSED].sum()),
    )


def _read(environment: Environment, current: EnvironmentFile, experiment: Experiment, source: Path) -> Users:
    """Collect the log, and return the users of the experiment until now."""
    collection, now = collect.of_environment(environment.place, problem.Row), datetime.now(UTC)
    collection.collect(environment.place.predictions)
    start = datetime.fromisoformat(experiment.started)
    label_days = read_settings().monitoring.label_days
    rows = collection.read(start, now)
    return users_of(rows, read_labels(source, start), current, experiment, now - timedelta(days=label_days))
