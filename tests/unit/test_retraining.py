"""The decision to retrain, and the text of the pull request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from slipway.gates import Outcome, Verdict
from slipway.report import markdown, retraining
from slipway.results import JobResult
from slipway.retraining import trigger
from slipway.retraining.retrain_evidence import RetrainEvidence
from slipway.settings import read_settings
from slipway.settings.operation import RetrainingSection
from tests.markdown import outside

NOW = datetime(2026, 3, 31, tzinfo=UTC)
LIMITS = RetrainingSection(
    triggers=["schedule", "new data", "drift", "decay"],
    every_days=30,
    cooldown_days=7,
    max_retrainings=2,
    window_days=28,
    batches=1,
)
EVIDENCE = {
    "trigger": "decay",
    "because": "roc_auc 0.61 [0.60, 0.62], expected 0.66",
    "files": ["flights-2013-10.parquet"],
    "base": "a" * 40,
}


def before(*days: float) -> list[datetime]:
    return [NOW - timedelta(days=ago) for ago in days]


@pytest.mark.parametrize(
    ("fired", "ago", "go", "reason"),
    [
        ("decay", [], True, "requested by decay"),
        ("decay", [8], True, "requested by decay"),
        ("decay", [6.9], False, "6.9 days ago; retraining.cooldown_days in params.yaml is 7"),
        ("decay", [8, 27], False, "2 retrainings in the last 28 days; retraining.max_retrainings in params.yaml is 2"),
        ("decay", [8, 29], True, "requested by decay"),
        ("staleness", [], False, "staleness is not among retraining.triggers in params.yaml"),
        ("schedule", [29], False, "29.0 days ago; retraining.every_days in params.yaml is 30"),
        ("schedule", [30], True, "requested by schedule"),
        ("new data", [8], True, "requested by new data"),
        ("demand", [0.1, 1, 2, 3], True, "requested by a user"),
    ],
)
def test_a_trigger_starts_a_retraining_within_the_cooldown_and_the_maximum(fired, ago, go, reason):
    decision = trigger.decide(fired, before(*ago), NOW, LIMITS)
    assert go == decision.go
    assert reason in decision.reason


@pytest.mark.parametrize(("every", "cooldown", "named"), [(7, 14, "cooldown_days"), (14, 7, "every_days")])
def test_the_longer_of_two_pauses_is_named(every, cooldown, named):
    limits = LIMITS.model_copy(update={"every_days": every, "cooldown_days": cooldown})
    decision = trigger.decide("schedule", before(10), NOW, limits)
    assert (False, f"the last retraining was 10.0 days ago; retraining.{named} in params.yaml is 14") == (
        decision.go,
        decision.reason,
    )


def test_a_storm_of_triggers_starts_no_more_than_the_maximum():
    started: list[datetime] = []
    for hour in range(24 * 28):
        now = NOW + timedelta(hours=hour)
        if trigger.decide("drift", started, now, LIMITS).go:
            started.append(now)
    assert LIMITS.max_retrainings == len(started)


@pytest.mark.parametrize(("triggers", "expected"), [(["schedule", "new data"], "new data"), (["schedule"], "schedule")])
def test_a_scheduled_run_has_the_trigger_new_data_if_that_is_enabled(triggers, expected):
    assert expected == trigger.scheduled(LIMITS.model_copy(update={"triggers": triggers}))


def test_the_triggers_in_params_yaml_exist():
    assert set(read_settings().retraining.triggers) <= set(trigger.TRIGGERS)


def evidence(**changes: object) -> RetrainEvidence:
    return RetrainEvidence.model_validate(EVIDENCE | changes)


def _body(**changes: object) -> str:
    verdicts = [Verdict("champion", Outcome.PASS, "roc_auc loss < 0.01", "+0.0170 [+0.0110, +0.0231]")]
    job_results = {"compare": JobResult(job="compare", started=NOW, verdicts=verdicts)}
    return markdown.render(retraining.write(evidence(**changes), job_results, "https://github.example/run/1"))


def test_the_pull_request_has_the_trigger_its_evidence_and_the_verdicts():
    body = _body()
    for text in ("Trigger: **decay**", EVIDENCE["because"], "flights-2013-10.parquet", "+0.0170", "a" * 12):
        assert text in body


HARM = "@everyone #1 [x](https://evil.example) <img src=x> ```\n\n# Ready\n![](https://evil.example) </details>"


def test_evidence_cannot_mention_link_or_draw():
    body = _body(because=HARM, files=[HARM, "b"], trigger=HARM)
    assert ({"https://github.example/run/1"}, set()) == outside(body)


def test_evidence_of_any_length_leaves_the_rest_complete():
    assert "+0.0170" in _body(because="x" * 1_000_000)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["flights-2013-10.parquet"], "Retrain on flights-2013-10.parquet (decay)"),
        (["a", "b"], "Retrain on 2 new files (decay)"),
        (["a\n\u202eb"], "Retrain on a b (decay)"),
    ],
)
def test_the_title_is_one_line(files, expected):
    assert expected == retraining.title(evidence(files=files))


def test_a_title_of_any_length_is_cut():
    assert retraining.TITLE_LENGTH_MAX == len(retraining.title(evidence(files=["x" * 500])))
