"""Users and outcomes of an experiment from the prediction log, and commands that show and decide it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

import problem
from slipway.environment.assignment import ABSENT, logged, side_of, unit_of
from slipway.environment.spec import EnvironmentFile, Experiment, Treatment
from slipway.errors import DataError
from slipway.gates import Outcome, overall
from slipway.gates.user_experiment import ExperimentPlan, judge
from slipway.monitoring import user_experiment as job
from slipway.monitoring.log_columns import KEY, PREDICTION, RELEASE, TIME, UNIT
from slipway.report import markdown
from slipway.report import user_experiment as report

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=30)
USERS = 500
SALT = "0123456789abcdef"
CURRENT = EnvironmentFile(release="v0.1.0", digest=f"sha256:{1:064x}", commit="c" * 40, promotion=1)
PLAN = ExperimentPlan(baseline=0.3, deviation=0.46, effect=0.1, alpha=0.05, power=0.8, users=USERS)
EXPERIMENT = Experiment(
    name="prices",
    salt=SALT,
    header="X-User-ID",
    percent=50,
    started=START.isoformat(),
    days=2,
    treatment=Treatment(release="v0.2.0", digest=f"sha256:{2:064x}", commit="d" * 40),
    plan=PLAN,
)
RELEASES = {"treatment": "v0.2.0", "control": "v0.1.0"}


def _log(count=1300, rate=0.3, gain=0.15) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a log with two rows of each user, and the labels; the treatment's are higher by `gain`."""
    random = np.random.default_rng(3)
    units = [unit_of(SALT, f"user {number}") for number in range(count)]
    sides = [side_of(unit, 50) for unit in units]
    rows = pd.DataFrame(
        {
            RELEASE: [RELEASES[side] for side in sides for _ in range(2)],
            TIME: [START + timedelta(minutes=10 * number + hour) for number in range(count) for hour in (0, 60)],
            KEY[0]: [f"{number}-{row}" for number in range(count) for row in range(2)],
            KEY[1]: 0,
            PREDICTION: 0.5,
            UNIT: [logged("prices", unit) for unit in units for _ in range(2)],
        }
    )
    chances = [rate + gain * (side == "treatment") for side in sides for _ in range(2)]
    return rows, pd.DataFrame({"request_id": rows[KEY[0]], problem.TARGET: (random.random(2 * count) < chances) * 1.0})


ROWS, LABELS = _log()


def _decided(rows=ROWS, labels=LABELS, experiment=EXPERIMENT, end=END):
    users = job.users_of(rows, labels, CURRENT, experiment, end)
    evidence = job.compared(job.evidence_of(CURRENT, experiment, users, "production"), users)
    return evidence, judge(evidence, 0.8)


def test_a_better_release_is_decided_by_the_first_users_of_each_side():
    evidence, verdicts = _decided()
    assert Outcome.PASS is overall(verdicts), verdicts
    assert abs(evidence.treatment_side.mean - 0.45) <= 0.05
    assert (0, 0) == (evidence.treatment_side.crossed, evidence.control_side.crossed)
    more = pd.concat([ROWS, ROWS.assign(**{TIME: ROWS[TIME] + timedelta(days=11), UNIT: logged("prices", ABSENT)})])
    later, _ = _decided(more, end=END + timedelta(days=30))
    assert evidence.treatment_side == later.treatment_side
    assert (len(ROWS), 2 * len(ROWS)) == (later.unidentified_rows, later.rows)


def test_it_is_incomplete_until_each_side_has_its_users_and_they_were_observed():
    assert not _is_complete(ROWS.head(1200), END)
    assert not _is_complete(ROWS, START + timedelta(days=8))
    assert _is_complete(ROWS, END)


def _is_complete(rows, end):
    users = job.users_of(rows, LABELS, CURRENT, EXPERIMENT, end)
    return job.evidence_of(CURRENT, EXPERIMENT, users, "production").is_complete


def test_the_progress_shows_no_outcome():
    users = job.users_of(ROWS, LABELS, CURRENT, EXPERIMENT, END)
    evidence = job.evidence_of(CURRENT, EXPERIMENT, users, "production")
    assert evidence.treatment_side.mean is evidence.control_side.mean is evidence.log_better is None
    sides = evidence.treatment_side, evidence.control_side
    assert (
        f"experiment prices, v0.2.0 against v0.1.0: {sides[0].labeled:,} and {sides[1].labeled:,} of 500 users have an"
        f" outcome, {sides[0].users:,} and {sides[1].users:,} came; 0 of 2,600 rows name no user"
    ) == report.progress(evidence)


@pytest.mark.parametrize(
    ("faulty", "gate"),
    [
        (lambda rows: rows[(rows[RELEASE] == "v0.1.0") | (np.arange(len(rows)) % 10 < 8)], "ratio"),
        (lambda rows: rows.assign(**{RELEASE: rows[RELEASE].where(np.arange(len(rows)) % 40 > 0, "v0.3.0")}), "sides"),
    ],
    ids=["a fifth of one side is lost", "users change sides"],
)
def test_a_fault_of_the_traffic_is_found(faulty, gate):
    _, verdicts = _decided(faulty(ROWS))
    assert [f"experiment: {gate}"] == [verdict.gate for verdict in verdicts[:-1] if verdict.outcome != "pass"]
    assert Outcome.INCONCLUSIVE is overall(verdicts)


def test_outcomes_that_are_missing_on_one_side_are_found():
    lost = (ROWS[RELEASE] == "v0.2.0").to_numpy() & (np.arange(len(ROWS)) % 16 < 2)
    _, verdicts = _decided(labels=LABELS[~lost])
    assert [("experiment: outcomes", "inconclusive")] == [
        (verdict.gate, verdict.outcome) for verdict in verdicts[:-1] if verdict.outcome != "pass"
    ]


def test_a_user_who_came_often_counts_once_and_rows_after_the_first_days_do_not_count():
    late = ROWS.assign(**{TIME: ROWS[TIME] + timedelta(days=3), KEY[0]: ROWS[KEY[0]] + "-late"})
    again = pd.concat([LABELS, LABELS.assign(request_id=LABELS["request_id"] + "-late", **{problem.TARGET: 1.0})])
    assert _decided()[0].treatment_side == _decided(pd.concat([ROWS, late]), again)[0].treatment_side


def test_rows_of_another_experiment_and_rows_without_a_user_are_on_no_side():
    others = [ROWS.assign(**{UNIT: unit}) for unit in (None, logged("other", "0" * 16), logged("prices", ABSENT))]
    users = job.users_of(pd.concat(others), LABELS, CURRENT, EXPERIMENT, END)
    assert (0, len(ROWS), 3 * len(ROWS)) == (len(users.frame), users.unidentified_rows, users.rows)
    assert 0 == len(job.users_of(ROWS.drop(columns=UNIT), LABELS, CURRENT, EXPERIMENT, END).frame)


def test_the_problem_may_define_the_outcome(monkeypatch):
    monkeypatch.setattr(problem, "outcome", lambda rows: 1 - rows[problem.TARGET], raising=False)
    assert Outcome.FAIL is overall(_decided()[1])


def test_a_label_that_is_no_number_needs_an_outcome():
    with pytest.raises(DataError, match=f"{problem.TARGET}: not a number; define `outcome\\(rows\\)` in src/problem"):
        _decided(labels=LABELS.assign(**{problem.TARGET: "sold"}))


def test_the_report_names_decision_size_and_next_step():
    evidence, verdicts = _decided()
    text = markdown.render(report.write(evidence, verdicts))
    assert "# production, experiment prices: ✅ Better: v0.2.0 than v0.1.0" in text
    assert "500 users with an outcome on each side, fixed at the start" in text
    assert "slipway promote --environment production --release v0.2.0" in report.text(evidence, verdicts)
