"""The report: the verdict comes first, the text is readable, and input from outside cannot inject markup."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from slipway import figures
from slipway.gates import Outcome, Verdict
from slipway.git.changes import Changes
from slipway.pull_request import jobs
from slipway.report import bars, content, explanation, html, judgment, markdown, submitted
from slipway.report import evidence as inputs
from slipway.report.document import (
    Bar,
    BarChart,
    Chart,
    Code,
    Commands,
    Details,
    Estimate,
    Forest,
    Heading,
    Series,
    Strong,
    Table,
    paragraph,
)
from slipway.report.evidence import ReportEvidence
from slipway.report.svg import axis_label, round_ends
from slipway.results import DOCUMENTATION_ONLY, JobResult
from slipway.results import JOBS as TYPED_JOBS

GOLDEN = Path(__file__).parent / "golden"
START = datetime(2026, 1, 1, tzinfo=UTC)
GAIN = {"value": 0.01, "low": 0.005, "high": 0.015}
SIDE = {"value": 0.71, "low": 0.7, "high": 0.72}
ROW = {"metric": "roc_auc", "rows": 100, "candidate": SIDE, "champion": SIDE, "gain": GAIN}
COMPARED = {
    "rows": 100,
    "champion": {"version": "v1"},
    "production": {"all": [ROW], "city=a": [ROW]},
    "baselines": {"linear": {"all": [ROW]}},
    "calibration": [{"predicted": 0.1, "observed": 0.2}, {"predicted": 0.3, "observed": 0.4}],
}
CARD = inputs.Card(
    purpose="Predict delays.\n\nData: one year.",
    target="late",
    columns=[inputs.Column(name="a", description="An a", unit="mile")],
)
MARGINS = inputs.Margins(all=0.002, segment=0.02)
RUN = {"commit": "c" * 40, "by": "ada"}
LOSS = [{"iteration": i, "rows": side, "loss": 1 / i} for side in ("train", "test") for i in (1, 2, 3)]


def _result(job: str, outcome: str = "pass", evidence: dict | None = None, error: str | None = None) -> JobResult:
    verdicts = [] if error else [Verdict(f"{job} gate", Outcome(outcome), "below 1", "0.5", "a reason")]
    kind = TYPED_JOBS[job].result
    return kind(job=job, started=START, verdicts=verdicts, evidence=evidence or {}, error=error)


RUNNING_TEST = dict.fromkeys(inputs.JOBS, "success") | {"test": inputs.RUNNING}


def _evidence(changes: Changes | None = None, statuses: dict | None = None, **jobs: JobResult | None) -> ReportEvidence:
    results = {job: _result(job) for job in inputs.JOBS}
    results["compare"] = _result("compare", evidence=COMPARED)
    results["train"] = _result("train", evidence=RUN | {"loss": LOSS})
    results |= jobs
    kept = {job: result for job, result in results.items() if result is not None}
    return ReportEvidence(
        results=inputs.JobResults.model_validate(kept, from_attributes=True),
        changes=changes or Changes(base="b" * 40, head="a" * 40),
        task="binary",
        primary="roc_auc",
        card=CARD,
        statuses=statuses or {},
        margins=MARGINS,
    )


def _text(evidence: ReportEvidence, logs: dict[str, str] | None = None) -> str:
    return markdown.render(content.write(evidence, logs or {}))


def _with(result: JobResult, *verdicts: Verdict) -> JobResult:
    """Return a copy of `result` with other verdicts."""
    return type(result).model_validate(dict(result) | {"verdicts": verdicts})


TUNED = {
    "metric": "roc_auc",
    "trials": {"tried": 30, "failed": 2, "killed": 1, "resumed": 12},
    "ranges": {"model.rate": {"low": 0.01, "high": 0.3, "log": True}, "model.loss": {"choices": ["a", "b"]}},
    "rows": {"searched": 800, "apart": 200, "folds": 3},
    "best": {"model.rate": 0.05, "model.loss": "b"},
    "current": {"model.rate": 0.06, "model.loss": "a"},
    "value": 0.71,
    "judged": ROW,
}


@pytest.mark.parametrize("files", [["params.yaml", "metrics/tune.json"], ["params.yaml"]])
def test_the_report_describes_the_search_that_selected_the_parameters(files):
    changes = Changes(base="b" * 40, head="a" * 40, files=files)
    text = _text(_evidence(changes, train=_result("train", evidence=RUN | {"metrics": {"tune": TUNED}})))
    facts = ["30 trials (2 failed, 1 killed and repeated)", "0.01 to 0.3, log scale", "a, b"]
    assert all((fact in text) == (content.TUNE_METRICS in files) for fact in facts)


def test_the_first_line_reports_that_all_gates_pass():
    assert "<summary>✅ 5 of 5 gates pass: data 1, model 2, code 2</summary>" in _text(_evidence())


@pytest.mark.parametrize(
    ("compared", "decides"),
    [
        (COMPARED, "roc_auc +0.0100 [+0.0050, +0.0150] against v1"),
        (
            COMPARED | {"champion": None, "production": {}},
            "roc_auc 0.7100 [0.7000, 0.7200], no release in production yet",
        ),
        (None, "all 5 gates pass"),
    ],
)
def test_the_first_line_of_a_pass_has_the_number_that_decides(compared, decides):
    assert (
        f"# ✅ Ready to merge: {decides}"
        == _text(_evidence(compare=_result("compare", evidence=compared))).splitlines()[0]
    )


def test_the_first_line_of_a_blocked_model_has_the_number_and_not_its_description():
    verdict = Verdict("champion", Outcome.FAIL, "loss < 0.005", "-0.0312 [-0.0410, -0.0213]", "worse")
    blocked = _result("compare", evidence=COMPARED)
    blocked = type(blocked).model_validate(dict(blocked) | {"verdicts": [verdict]})
    assert "# ❌ Blocked: champion: -0.0312 [-0.0410, -0.0213]" == _text(_evidence(compare=blocked)).splitlines()[0]


@pytest.mark.parametrize(
    ("observed", "reason", "title", "line"),
    [
        ("3 failed", "test_x", "tests: test_x", "**tests**: 3 failed; required: 0 failures"),
        ("300 failed", "test_x, " * 300, "tests: 300 failed", f"**tests**: required: 0 failures. {'test_x, ' * 300}"),
        ("o" * 200, "r" * 200, "tests", f"**tests**: {'o' * 200}; required: 0 failures. {'r' * 200}"),
        ("3 failed", "", "tests: 3 failed", "**tests**: required: 0 failures"),
    ],
)
def test_the_first_line_is_whole_and_not_repeated(observed, reason, title, line):
    failed = _with(_result("test"), Verdict("tests", Outcome.FAIL, "0 failures", observed, reason))
    lines = _text(_evidence(test=failed, lint=_result("lint", "fail"))).splitlines()
    assert f"# ❌ Blocked: {title}; 1 more" == lines[0]
    assert f"❌ {line}" in lines


EXPLAINED = {
    "row": 1234,
    "prediction": 0.62,
    "base": 0.18,
    "champion": 0.31,
    "contributions": [
        {"column": "wind", "value": 0.5, "standard_error": 0.01},
        {"column": "a|b", "value": -0.06, "standard_error": 0.002},
    ],
}


def test_the_contributions_to_one_prediction_are_bars_collapsed():
    text = _text(_evidence(compare=_result("compare", evidence=COMPARED | {"explained": EXPLAINED})))
    start = text.index("<details><summary>Explanation of one prediction</summary>")
    block = text[start : text.index("</details>", start)]
    assert "For test row 1,234, counted from 0, the prediction changes most: 0.6200, in production 0.3100." in block
    lines = [line for line in block.splitlines() if "±" in line and "│" in line]
    assert ["wind      │" + "█" * 35 + "   +0.5000 ± 0.0100", "a|b   ████│" + " " * 36 + "  -0.0600 ± 0.0020"] == lines


def test_the_probability_of_a_class_that_no_production_predicts_differs_from_its_mean():
    explained = {key: value for key, value in EXPLAINED.items() if key != "champion"} | {"category": "late"}
    text = _text(_evidence(compare=_result("compare", evidence=COMPARED | {"explained": explained})))
    assert "the probability of late differs most from its mean: 0.6200." in text


@pytest.mark.parametrize("changes", [{"prediction": float("nan")}, {"contributions": []}])
def test_an_explanation_without_numbers_is_left_out(changes):
    compared = COMPARED | {"explained": EXPLAINED | changes}
    assert "Explanation" not in _text(_evidence(compare=_result("compare", evidence=compared)))


def test_the_smallest_contributions_of_many_are_summed_up():
    parts = [{"column": f"c{place}", "value": 1 / (place + 1), "standard_error": 0.01} for place in range(23)]
    compared = COMPARED | {"explained": EXPLAINED | {"contributions": parts}}
    text = _text(_evidence(compare=_result("compare", evidence=compared)))
    rest = sum(1 / (place + 1) for place in range(explanation.BARS_MAX, 23))
    assert re.search(rf"3 other columns .*\+{rest:.4f} ± 0\.0300", text)


def test_bars_of_values_above_zero_start_at_zero():
    lines = bars.as_text(BarChart("t", [Bar("a", 1.0, 0.0), Bar("b", 0.5, 0.0)]))
    assert [40, 20] == [line.count("█") for line in lines[2:]]


def test_bars_of_the_page_start_at_zero_and_their_errors_are_centered_on_their_ends():
    svg = bars.as_svg(BarChart("t", [Bar("up", 2.0, 0.5), Bar("<down>", -1.0, 0.25)]))
    (up, up_width), (down, down_width) = (
        map(float, bar) for bar in re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg)
    )
    assert up == pytest.approx(down + down_width, abs=0.11)
    assert up_width == pytest.approx(2 * down_width, abs=0.11)
    whisker = re.search(r'<line x1="([\d.]+)" x2="([\d.]+)" [^>]*stroke-width="3"', svg)
    assert up + up_width == pytest.approx((float(whisker[1]) + float(whisker[2])) / 2, abs=0.11)
    assert "&lt;down&gt;" in svg
    assert "<down>" not in svg


def test_linters_of_github_files_form_a_group():
    reading_github = {gate for gate, command in jobs.LINTERS.items() if any(".github" in part for part in command)}
    assert reading_github == judgment.WORKFLOW_GATES


@pytest.mark.parametrize(("until", "is_in_force"), [("2026-02-01", True), ("2026-01-30", False)])
def test_a_decision_not_to_compare_is_shown_above_the_gates(until, is_in_force):
    decision = {"by": "Ada", "reason": "table is gone", "until": until, "compared": "2026-01-31"}
    champion = {"version": "v1", "error": "v1 needs the column table", "decision": decision}
    compared = COMPARED | {"champion": champion, "production": {}}
    evidence = _evidence(compare=_result("compare", evidence=compared))
    title, above = (
        _text(submitted.accept(submitted.submit(evidence).encode())).split("<details><summary>✅")[0].split("\n", 1)
    )
    assert is_in_force == title.endswith(", by a decision not to compare with production")
    assert f"** by Ada, {'until' if is_in_force else 'expired on'} {until}: table is gone. No comparison" in above


@pytest.mark.parametrize("count", [0, 1, 21])
def test_a_breaking_change_of_the_contract_is_named_above_the_gates(count):
    changes = [f"send x{number}" for number in range(count)]
    evidence = _evidence(compare=_result("compare", evidence=COMPARED | {"contract_changes": changes}))
    above = _text(submitted.accept(submitted.submit(evidence).encode())).split("<details><summary>✅")[0]
    assert (count > 0) == ("**Breaking change** since v1: clients must send x0" in above)
    assert (count > 20) == ("send x19; 1 more." in above)


def test_equal_predictions_are_reported_as_no_change():
    same = ROW | {"gain": {"value": 0.0, "low": 0.0, "high": 0.0}}
    compared = COMPARED | {"production": {"all": [same]}}
    assert (
        "# ✅ Ready to merge: roc_auc no change against v1"
        == _text(_evidence(compare=_result("compare", evidence=compared))).splitlines()[0]
    )


@pytest.mark.parametrize(
    ("jobs", "step"),
    [
        (
            {"data": _result("data", "fail")},
            "correct the rows, or the contract in `src/problem` if it is wrong, and push.",
        ),
        ({"compare": _result("compare", "fail")}, "change the model or its parameters, and push."),
        ({"compare": _result("compare", "inconclusive")}, "the evidence does not suffice; add rows or make a larger"),
        ({"lint": _result("lint", "fail")}, "correct the code, and push."),
        ({"test": None, "lint": None}, "run `slipway test && slipway lint && slipway report`."),
        ({"train": _result("train", error="MemoryError")}, "see in the job's log what stopped it, repair that, and"),
        (
            {"compare": _with(_result("compare"), Verdict("champion", Outcome.INCONCLUSIVE, "", "not compared"))},
            "ask a maintainer to push the branch to this repository",
        ),
        (
            {"compare": _with(_result("compare"), Verdict("champion", Outcome.INCONCLUSIVE, "", "not comparable"))},
            "return what the model in production reads from `load`, or decide in `gates.uncompared_releases`",
        ),
        ({}, "merge. `deploy.yaml` then builds the release"),
    ],
)
def test_a_report_states_the_next_step(jobs, step):
    assert _text(_evidence(**jobs)).splitlines()[2].startswith(f"**Next**: {step}")


UNRELEASED = COMPARED | {"champion": None, "production": {}}
DECIDED = {"until": "2026-02-01", "compared": "2026-01-31", "by": "Ada", "reason": "table is gone"}
SKIPPED = {
    job: _with(
        _result(job),
        Verdict(job, Outcome.PASS, "runs unless only documentation changes", DOCUMENTATION_ONLY),
    ).model_copy(update={"evidence": None})
    for job in ("data", "train", "compare")
}


@pytest.mark.parametrize(
    ("statuses", "jobs", "title"),
    [
        ({}, {}, "✅ Ready"),
        ({}, {"compare": _result("compare", evidence=UNRELEASED)}, "✅ Ready"),
        ({}, SKIPPED, "✅ Ready"),
        ({"lint": "success", "test": "success"}, {"data": None, "train": None, "compare": None}, "✅ Ready"),
        ({}, {job: _result(job, "fail") for job in inputs.JOBS}, "❌ Blocked"),
        ({}, {job: _result(job, error="x" * 999) for job in inputs.JOBS}, "❌ Blocked"),
        ({}, {"data": _result("data", "fail"), "train": None, "compare": None}, "❌ Blocked"),
        ({}, dict.fromkeys(inputs.JOBS), "❌ Blocked"),
        (dict.fromkeys(inputs.JOBS, "cancelled"), dict.fromkeys(inputs.JOBS), "❌ Blocked"),
        ({}, {"compare": _result("compare", "inconclusive", evidence=COMPARED)}, "⚠️ Not proven"),
        (
            {},
            {
                "compare": _result(
                    "compare", "inconclusive", evidence=UNRELEASED | {"champion": {"version": "v1", "error": "gone"}}
                )
            },
            "⚠️ Not proven",
        ),
        (
            {},
            {
                "compare": _result(
                    "compare",
                    evidence=UNRELEASED | {"champion": {"version": "v1", "error": "gone", "decision": DECIDED}},
                )
            },
            "✅ Ready",
        ),
        (RUNNING_TEST, {"test": None}, "⏳ Still running"),
        (RUNNING_TEST, {"test": None, "data": _result("data", "fail"), "train": None}, "❌ Blocked"),
        (dict.fromkeys(inputs.JOBS, inputs.RUNNING), dict.fromkeys(inputs.JOBS), "⏳ Still running"),
    ],
)
def test_the_first_five_lines_state_what_decides_what_to_do_and_what_got_worse(statuses, jobs, title):
    first, _, step, _, worse, *_ = _text(_evidence(statuses=statuses, **jobs)).splitlines()
    assert first.startswith(f"# {title}")
    assert step.startswith("**Next**: ")
    assert worse.startswith("**Worse than ")


def test_gates_without_a_release_to_compare_with_are_counted_apart():
    verdicts = [
        Verdict("champion", Outcome.PASS, "t", "no release in production yet"),
        Verdict("segments", Outcome.PASS, "t", "not comparable, accepted until 2026-02-01"),
        Verdict("baselines", Outcome.PASS, "t", "0.5"),
    ]
    text = _text(_evidence(compare=_with(_result("compare", evidence=UNRELEASED), *verdicts)))
    assert "<summary>✅ 5 of 7 gates pass: data 1, model 2, code 2; 2 not tested</summary>" in text
    assert "| **champion** | ⚪ not tested |" in text
    named = "champion (no release in production yet); segments (not comparable, accepted until 2026-02-01)"
    assert f"**Worse than production**: not tested by the gates {named}." in text


def test_documentation_only_is_not_tested():
    text = _text(_evidence(**SKIPPED))
    assert "<summary>✅ 2 of 5 gates pass: code 2; 3 not tested</summary>" in text
    assert "**Worse than production**: not tested by the gates data, train, compare (only documentation)." in text


@pytest.mark.parametrize(
    ("statuses", "missing", "reason"),
    [
        ({"data": "failure", "train": "skipped"}, ["data", "train", "compare"], "the job data did not succeed"),
        ({"data": "success", "train": "failure"}, ["train", "compare"], "the job train did not succeed"),
        ({"data": "success", "train": "failure"}, ["train", "compare"], "the job ended before it wrote a result"),
        ({}, ["train"], "there is no result; run"),
    ],
)
def test_a_job_that_did_not_run_names_the_job_that_failed_before(statuses, missing, reason):
    assert reason in _text(_evidence(statuses=statuses, **dict.fromkeys(missing)))


def test_the_line_on_production_names_the_job_without_which_there_is_no_comparison():
    broken = {"data": _result("data", "fail"), "train": None, "compare": None}
    text = _text(_evidence(statuses={"data": "failure", "train": "skipped"}, **broken))
    assert "**Worse than production**: unknown, because the job data did not succeed." in text


def test_logs_are_linked_from_the_next_step_and_the_jobs():
    logs = {"data": "https://github.example/run/1"}
    broken = {"data": _result("data", "fail"), "train": None, "compare": None}
    text = _text(_evidence(statuses=dict.fromkeys(inputs.JOBS, "failure"), **broken), logs)
    assert "and push. [Log of data](https://github.example/run/1)\n" in text
    assert "| train | did not run (failure) | [the job data did not succeed](https://github.example/run/1) |" in text
    assert "| [data](https://github.example/run/1) | ❌ fail |" in text


def test_jobs_need_each_other_as_in_the_workflow():
    """The comparison is a step of the job `train`."""
    jobs = yaml.safe_load(Path(".github/workflows/pull-request.yaml").read_text(encoding="utf-8"))["jobs"]
    needed = {name: job["needs"][0] for name, job in jobs.items() if name in inputs.JOBS and "needs" in job}
    assert judgment.NEEDED == needed | {"compare": "train"}


def test_the_report_is_reproduced_by_the_commands_of_all_its_jobs():
    text = _text(_evidence())
    commands = text[text.index("<summary>Reproduce") :].split("```")[1]
    assert [*inputs.JOBS, "report"] == re.findall(r"^uv run slipway (?!pull)(\w+)$", commands, re.MULTILINE)


@pytest.mark.parametrize(
    ("sides", "stated"),
    [
        ({"bytes": {"candidate": 2_000, "champion": 1_000}}, "model size 2 kB, 2.00 times 1 kB."),
        ({"milliseconds": {"candidate": 0.13, "champion": 0.1}}, "one-row latency 0.130 ms, 1.30 times 0.100 ms."),
        (
            {"bytes": {"candidate": 1_004, "champion": 1_000}, "milliseconds": {"candidate": 0.12, "champion": 0.1}},
            "nothing beyond noise in 1 figure on all rows, model size, one-row latency and 1 segment.",
        ),
    ],
)
def test_size_and_latency_beyond_noise_are_worse(sides, stated):
    evidence = _evidence(compare=_result("compare", evidence=COMPARED | sides))
    text = _text(evidence.model_copy(update={"margins": MARGINS.model_copy(update={"latency_noise": 1.2})}))
    assert f"**Worse than v1**: {stated}" in text


def test_size_and_latency_are_below_the_metrics():
    sides = {"bytes": {"candidate": 2_000, "champion": 1_000}, "milliseconds": {"candidate": 0.1, "champion": 0.2}}
    text = _text(_evidence(compare=_result("compare", evidence=COMPARED | sides)))
    assert "| model size ↓ | 2 kB | 1 kB | 2.00 times | ▼ worse |" in text
    assert "| one-row latency ↓ | 0.100 ms | 0.200 ms | 0.50 times | ▲ better |" in text


def test_segments_with_too_few_rows_are_not_judged():
    small = {"city=b": [ROW | {"rows": 99, "gain": {"value": -0.1, "low": -0.2, "high": -0.05}}]}
    undefined = {"city=c": [ROW | {"gain": dict.fromkeys(("value", "low", "high"))}]}
    evidence = _evidence(
        compare=_result("compare", evidence=COMPARED | {"production": COMPARED["production"] | small | undefined})
    )
    text = _text(evidence.model_copy(update={"margins": MARGINS.model_copy(update={"segment_rows": 100})}))
    above, folded = text.split("<summary>All segments (3)")
    assert "nothing beyond noise in 1 figure on all rows and 1 of 3 segments." in above
    assert "`city=b`" not in above
    assert "-0.0500] | too few rows |" in folded


def test_the_value_axis_of_a_rate_starts_at_zero():
    rates = Chart("ROC curve", "x", "y", [Series("candidate", [(0, 0.0), (1, 1.0)])])
    assert 'y-axis "y" 0 --> 1.05' in markdown.render([rates])
    gains = Chart("Gain", "x", "y", [Series("candidate", [(0, -1.0), (1, 0.0)])])
    assert 'y-axis "y" -1.05 --> 0.05' in markdown.render([gains])


def _gain(value: float, noise: float) -> dict[str, object]:
    return ROW | {"gain": {"value": value, "low": value - noise, "high": value + noise}}


@pytest.mark.parametrize(
    ("production", "stated"),
    [
        (
            {"all": [_gain(-0.01, 0.02)], "city=a": [_gain(-0.01, 0.02)]},
            "nothing beyond noise in 1 figure on all rows and 1 segment.",
        ),
        ({"all": [_gain(-0.01, 0.002)]}, "roc_auc -0.0100."),
        (
            {"all": [_gain(0.01, 0.002)]}
            | {f"city={name}": [_gain(-loss, 0.001)] for name, loss in {"a": 0.1, "b": 0.2}.items()},
            "2 of 2 judged segments, most in city=b -0.2000.",
        ),
    ],
)
def test_a_report_states_above_the_gates_what_got_worse(production, stated):
    compared = COMPARED | {"production": production}
    above = _text(_evidence(compare=_result("compare", evidence=compared))).split("gates pass:")[0]
    assert f"**Worse than v1**: {stated}" in above


def test_the_first_line_names_what_blocks():
    assert "# ❌ Blocked: data gate: a reason" == _text(_evidence(data=_result("data", "fail"))).splitlines()[0]


def test_the_first_line_reports_an_inconclusive_gate():
    assert (
        "# ⚠️ Not proven: data gate: a reason" == _text(_evidence(data=_result("data", "inconclusive"))).splitlines()[0]
    )


def test_a_segment_that_the_loss_decides_reports_the_loss():
    nan = dict.fromkeys(("value", "low", "high"), None)  # as NaN comes back from JSON
    loss = {**ROW, "metric": "log_loss", "gain": {"value": -3.0, "low": -3.1, "high": -2.9}}
    compared = COMPARED | {"production": {"all": [ROW], "city=a": [{**ROW, "gain": nan}, loss]}}
    text = _text(_evidence(compare=_result("compare", evidence=compared)))
    assert "| `city=a` | 100 | log_loss 0.7100 [0.7000, 0.7200] | -3.0000 [-3.1000, -2.9000] | ▼ worse |" in text


@pytest.mark.parametrize("job", inputs.JOBS)
def test_a_job_without_a_result_blocks_and_is_named_with_its_status(job):
    text = _text(_evidence(statuses={job: "cancelled"}, **{job: None}))
    assert f"# ❌ Blocked: {job}" == text.splitlines()[0]
    assert "did not run (cancelled)" in text


@pytest.mark.parametrize("job", inputs.JOBS)
def test_a_job_that_crashed_blocks_with_its_error(job):
    text = _text(_evidence(**{job: _result(job, error="MemoryError")}))
    assert f"# ❌ Blocked: {job}: MemoryError" == text.splitlines()[0]


@pytest.mark.parametrize("job", inputs.JOBS)
def test_a_result_of_other_files_does_not_count_and_its_reason_is_shown(job):
    evidence = _evidence(**{job: None}).model_copy(update={"outdated": {job: "results are about commit abc"}})
    lines = _text(evidence).splitlines()
    assert f"# ❌ Blocked: {job}" == lines[0]
    assert f"❌ **{job}**: did not run (result of other files). results are about commit abc" in lines
    assert any(line.startswith(f"| {job} | ❌ result of other files") for line in lines)


def test_a_result_of_other_files_survives_the_submission():
    evidence = _evidence(test=None).model_copy(update={"outdated": {"test": "a reason"}})
    assert {"test": "a reason"} == submitted.accept(submitted.submit(evidence).encode()).outdated
    assert "outdated" not in submitted.submit(_evidence())


def test_jobs_that_did_not_run_follow_the_failed_gate_and_are_not_in_the_title():
    evidence = _evidence(train=None, compare=None, data=_result("data", "fail"))
    text = _text(evidence)
    assert "# ❌ Blocked: data gate: a reason" == text.splitlines()[0]
    assert ["data gate"] == re.findall(r"^❌ \*\*(.+?)\*\*: ", text.split("<details><summary>✅")[0], re.MULTILINE)
    assert "<summary>Not run: train, compare</summary>" in text.split("<details><summary>✅")[0]


@pytest.mark.parametrize(("outcome", "title"), [("pass", "⏳ Still running: test"), ("fail", "❌ Blocked: data gate")])
def test_running_job_never_passes_and_never_hides_a_failure(outcome, title):
    evidence = _evidence(test=None, data=_result("data", outcome)).model_copy(update={"statuses": RUNNING_TEST})
    assert _text(evidence).startswith(f"# {title}")
    line = "**Next**: wait for test; this report" if outcome == "pass" else "Still running: test. This report"
    assert f"{line} is updated when they end." in _text(evidence)
    assert judgment.outcome(evidence) is not Outcome.PASS


def test_report_of_a_workflow_expects_the_jobs_of_that_workflow():
    evidence = _evidence(test=None, lint=None).model_copy(update={"statuses": {"data": "success", "train": "success"}})
    assert "# ✅ Ready to merge" in _text(evidence)
    assert "# ❌ Blocked: compare" in _text(
        evidence.model_copy(update={"results": evidence.results.model_copy(update={"compare": None})})
    )


def test_a_report_without_results_names_the_missing_jobs():
    evidence = _evidence(**dict.fromkeys(inputs.JOBS))
    assert "# ❌ Blocked: data, train, compare; 2 more" == _text(evidence).splitlines()[0]


def test_a_metric_is_reported_with_its_interval_and_its_difference():
    assert "| **roc_auc ↑** | 0.7100 [0.7000, 0.7200] |" in _text(_evidence())
    assert "+0.0100 [+0.0050, +0.0150] | ▲ better |" in _text(_evidence())


def test_a_gain_that_is_not_a_number_is_undefined_and_not_better():
    row = ROW | {"gain": dict.fromkeys(("value", "low", "high"))}
    compared = COMPARED | {"production": {"all": [row]}}
    assert "| undefined | ? undefined |" in _text(_evidence(compare=_result("compare", evidence=compared)))


PREPARED = {"rows": {"train": 800, "test": 100}, "period": {"train": ["2025-01-01 00:00:00", "2025-06-30 23:59:00"]}}


def test_the_model_card_states_data_quality_and_validity():
    weak = [{**ROW, "rows": 40, "candidate": {"value": 0.5, "low": 0.4, "high": 0.6}}]
    compared = COMPARED | {"production": {"all": [ROW], "city=a": [ROW], "city=b": weak}}
    train = _result("train", evidence=RUN | {"metrics": {"prepare": PREPARED}})
    text = _text(_evidence(train=train, compare=_result("compare", evidence=compared)))
    card = text[text.index("Model card") : text.index("<summary>Jobs")]
    rows = [
        "| Training data | 800 rows, 2025-01-01 00:00 to 2025-06-30 23:59 UTC |",
        "| Quality, roc\\_auc | 0.7100 [0.7000, 0.7200] |",
        "| Quality, weakest segment | city=b: roc_auc 0.5000 [0.4000, 0.6000], 40 rows |",
    ]
    assert [] == [row for row in rows if row.replace("\\", "") not in card]
    assert "Predict delays.\n\nData: one year.\n" in card
    assert "**Validity**: the quality above was measured on the test data" in card


def test_a_run_without_a_model_has_no_model_card():
    assert "Predict delays." not in _text(_evidence(**dict.fromkeys(inputs.JOBS)))


def test_the_first_line_names_a_change_of_documentation_only():
    first = _text(_evidence(**SKIPPED)).splitlines()[0]
    assert "# ✅ Ready to merge: documentation only, 2 gates pass, 3 not tested" == first


ERRORS = COMPARED | {
    "calibration": [{"predicted": 0.1, "observed": 0.2, "low": 0.15, "high": 0.25}] * 2,
    "roc": [
        {"false_positives": rate, "true_positives": rate, "low": rate, "high": rate, "champion": rate}
        for rate in (0.0, 0.5, 1.0)
    ],
    "confusion": {
        "classes": ["0", "1"],
        "candidate": [[80, 10], [4, 6]],
        "champion": [[70, 20], [5, 5]],
        "threshold": 0.2,
        "cost": ROW | {"metric": "cost"},
        "cost_unit": "euros",
    },
}


def test_errors_are_pictures_and_a_table_under_one_line_and_their_cost_is_a_metric():
    given = _evidence(compare=_result("compare", evidence=ERRORS))
    text = _text(submitted.accept(submitted.submit(given).encode()))
    above, pictures = text.split("<details><summary>ROC curve, calibration, errors by class, training loss</summary>")
    assert 'title "ROC curve (blue candidate, orange production, gray interval)"' in pictures
    assert "| `1` | 4 (5) | 6 (5) | 60.0% (50.0%) |" in pictures
    assert "cost of errors per row ↓ (euros) | 0.7100 [0.7000, 0.7200] |" in above
    assert "mermaid" not in above


def test_each_class_has_a_curve_and_a_calibration_against_the_rest():
    curves, deciles = (dict.fromkeys(("low", "a|b"), ERRORS[name]) for name in ("roc", "calibration"))
    by_class = {"roc_by_class": curves, "calibration_by_class": deciles}
    compared = _result("compare", evidence=COMPARED | by_class)
    text = _text(submitted.accept(submitted.submit(_evidence(compare=compared)).encode()))
    assert "<summary>ROC curve of each class, calibration, calibration of each class, training loss</summary>" in text
    assert all(f'title "ROC curve, {name} against the rest (' in text for name in curves)
    assert all(f'title "Calibration, {name} against the rest (' in text for name in curves)


def test_the_residuals_of_a_regression_are_drawn_with_their_quantiles():
    residuals = [{"predicted": 1.0, "low": -0.2, "median": 0.0, "high": 0.3}] * 3
    text = _text(_evidence(compare=_result("compare", evidence=COMPARED | {"residuals": residuals})))
    assert 'title "Residuals (blue median, gray 80% of the rows)"'.replace("%", " ") in text


def test_calibration_that_fails_is_above_the_collapsed_pictures():
    verdict = Verdict("calibration", Outcome.FAIL, "mean gap ≤ 0.1", "mean gap 0.2")
    compared = _result("compare", evidence=COMPARED)
    compared = type(compared).model_validate(dict(compared) | {"verdicts": [verdict]})
    text = _text(_evidence(compare=compared))
    assert text.index('title "Calibration') < text.index("<summary>Training loss</summary>")


def test_a_confusion_matrix_without_a_row_for_each_class_is_rejected():
    broken = ERRORS | {"confusion": ERRORS["confusion"] | {"candidate": [[80, 10]]}}
    with pytest.raises(ValueError, match="does not have a row and a column for each class"):
        _evidence(compare=_result("compare", evidence=broken))


def test_changed_parameters_are_listed_with_both_values():
    changes = Changes(base="b" * 40, head="a" * 40, parameters={"model.max_iter": (200, 300)})
    assert "| parameter | `model.max_iter` | `200` | `300` |" in _text(_evidence(changes))


def test_a_stale_lock_file_is_reported_with_its_fix():
    train = _result("train", evidence=RUN | {"stale": ["train"]})
    assert "uv run dvc repro" in _text(_evidence(train=train))


def test_a_training_that_continued_from_a_checkpoint_is_reported():
    train = _result("train", evidence=RUN | {"resumed": 2})
    assert "continued from its checkpoint 2 times" in _text(_evidence(train=train))


@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_the_same_evidence_gives_the_golden_report(name):
    """Run `python -m tests.unit.test_report` to rewrite both files after an intended change."""
    assert (GOLDEN / name).read_text() == _rendered()[name]


def _rendered() -> dict[str, str]:
    evidence = _evidence(
        Changes(
            base="b" * 40,
            head="a" * 40,
            parameters={"model.max_iter": (200, 300)},
            files=["docs/old.md", "params.yaml", "src/problem/features.py", "src/problem/suites.py"],
            kinds=dict(zip(["docs/old.md", "params.yaml"], ["deleted", "modified"], strict=True))
            | dict.fromkeys(["src/problem/features.py", "src/problem/suites.py"], "renamed"),
            renamed={"src/problem/features.py": "src/problem/suites.py"},
        ),
        data=_result("data", "fail"),
    )
    document = content.write(evidence)
    return {"report.md": markdown.render(document), "report.html": html.render(document, judgment.title(evidence))}


@pytest.mark.parametrize(
    ("text", "harm"),
    [
        ("<script>alert(1)</script>", "<script>"),
        ("[click](https://example.com)", "click]("),
        ("![x](https://example.com/p.png)", "x]("),
        ("@everyone hello", "@everyone"),
        ("see #12", "#12"),
        ("https://example.com", "https://"),
        ("www.example.com", "www."),
        ("see GH-12", "GH-12"),
        ("see gh-12", "gh-12"),
        ("\u202egnp.exe", "\u202e"),
        ("\x1b[2Jgone", "\x1b"),
        ("@\u200beveryone", "@everyone"),
        ("a | b", "a | b"),
        ("**bold**", "**bold**"),
        ("line\n# heading", "\n# heading"),
        ("`code`", " `code`"),
    ],
)
def test_text_from_outside_cannot_inject_markdown(text, harm):
    verdict = Verdict("gate", Outcome.FAIL, "t", text, text)
    result = JobResult(job="data", started=START, verdicts=[verdict])
    assert harm not in _text(_evidence(data=result))


@pytest.mark.parametrize("text", ["a`b", "``", "`", "a | b", "x\ny", "<b>", "@me"])
def test_a_code_span_holds_whatever_is_in_it(text):
    rendered = markdown.render([paragraph(Code(text))]).strip()
    fence = rendered[: len(rendered) - len(rendered.lstrip("`"))]
    assert rendered.endswith(fence)
    assert fence not in rendered[len(fence) : -len(fence)]
    assert "\n" not in rendered


def test_html_escapes_input_from_outside():
    bad = '<img src=x onerror="alert(1)">'
    page = html.render(
        [
            Heading(bad),
            paragraph(bad, Code(bad), Strong(bad)),
            Details(bad, (Commands((bad,)),)),
            Table((bad,), [(bad,)]),
        ],
        bad,
    )
    assert "<img" not in page


FOREST = Forest(
    "Gain",
    [Estimate("all rows", 0.01, 0.005, 0.015, "better"), Estimate("city=`a`\n```", -0.03, -0.05, -0.01)],
    {"no change": 0.0, "margin": -0.002},
)


def test_a_forest_plot_is_text_on_one_axis_that_cannot_leave_its_block():
    lines = markdown.render([FOREST]).splitlines()
    assert ["```text", "Gain", "", "```"] == [*lines[:3], lines[-1]]
    assert "```" not in "".join(lines[1:-1])
    better, worse = lines[3:5]
    assert better.endswith("+0.0100 [+0.0050, +0.0150]  better")
    assert worse.endswith("-0.0300 [-0.0500, -0.0100]")
    zero = better.index("┊", better.index("┊") + 1)  # after that of the margin
    assert zero < better.index("├") < better.index("●") < better.index("┤")
    assert worse.index("├") < worse.index("●") < worse.index("┤") < zero
    assert "┊ marks, from left to right: margin -0.002, no change 0" in lines


@given(
    st.lists(st.tuples(*3 * [st.floats(-1e12, 1e12)]).map(sorted), min_size=1, max_size=5),
    st.floats(-1e12, 1e12),
)
def test_a_forest_plot_has_every_interval_and_mark_on_its_axis(intervals, mark):
    estimates = [Estimate(f"row {number}", mid, low, high) for number, (low, mid, high) in enumerate(intervals)]
    forest = Forest("Gain", estimates, {"mark": mark})
    lines = markdown.render([forest]).splitlines()[3 : 3 + len(estimates)]
    for line in lines:
        plotted = line[len("row 0  ") :][:41]
        assert 1 == plotted.count("●")
        assert set(plotted) <= set(" ┊├─●┤")
    places = [float(x) for x in re.findall(r'(?:x1|x2|cx)="([^"]+)"', html.render([forest], "Report"))]
    assert all(0 <= place <= 640 for place in places)


def test_a_forest_plot_is_a_picture_in_html_with_escaped_labels():
    text = html.render([Forest("Gain", [Estimate("<b>", 0.1, 0.05, 0.2)], {"no change": 0.0})], "Report")
    assert 'aria-label="Gain: &lt;b&gt; +0.1000 [+0.0500, +0.2000]"' in text
    assert "<b>" not in text


def test_gains_are_plotted_with_the_margins_of_the_gates():
    text = _text(_evidence())
    assert "Gain in roc_auc over production v1" in text
    assert "margin of a segment -0.02, margin -0.002, no change 0" in text
    assert "Gain in roc_auc" not in _text(_evidence(compare=_result("compare", evidence=COMPARED | {"production": {}})))


@given(st.floats(-1e9, 1e9), st.floats(1e-8, 1e6))
def test_figures_never_hide_a_difference(value, extent):
    assume(value + extent - value >= 1e-8 and extent > abs(value) * 1e-9)
    low, high = figures.as_text(value, value + extent)
    assert low != high


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0.71, 0.7, 0.72), ["0.7100", "0.7000", "0.7200"]),
        ((0.00002, -0.00008, 0.00004), ["0.00002", "-0.00008", "0.00004"]),
        ((0.0, 0.0, 0.0), ["0.0000", "0.0000", "0.0000"]),
        ((1e-17, 0.0, 2e-17), ["0.0000", "0.0000", "0.0000"]),
        ((153.2, 150.0, 156.3), ["153.20", "150.00", "156.30"]),
        ((0.002, 0.00004, 0.004), ["0.00200", "0.00004", "0.00400"]),
        ((0.002, 1e-9, 0.004), ["0.0020", "0.0000", "0.0040"]),
    ],
)
def test_figures_have_four_decimals_unless_they_hide_a_difference(values, expected):
    assert expected == figures.as_text(*values)


def test_a_report_that_is_too_long_drops_its_last_details_first_with_a_notice():
    first, last = (Details(name, (Commands(("x" * 400,)),)) for name in ("first", "last"))
    text = markdown.render([Heading("Verdict", 1), first, last], length_max=800)
    assert ("first" in text, "last" in text, "dropped" in text) == (True, False, True)


def test_a_report_is_never_over_the_limit():
    assert len(markdown.render([paragraph("x" * 5000)], length_max=1000)) <= 1000


def test_a_chart_is_mermaid_in_markdown_and_names_its_lines():
    chart = Chart(
        "Loss", "iteration", "loss", [Series("train", [(1, 0.5), (2, 0.4)]), Series("test", [(1, 0.6), (2, 0.5)])]
    )
    text = markdown.render([chart])
    assert 'title "Loss (blue train, orange test)"' in text
    assert "line [0.5, 0.4]" in text


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (3768.2, "3.77k"),
        (999.7, "1k"),
        (0, "0"),
        (-1_234_567, "-1.23M"),
        (1.5e15, "1.5e+15"),
        (2e-7, "2e-07"),
        (0.5, "0.5"),
    ],
)
def test_a_label_of_an_axis_is_short(value, label):
    assert label == axis_label(value)


def test_a_mermaid_chart_shows_small_differences_of_large_values():
    lines = markdown.render([Chart("Loss", "iteration", "loss", [Series("train", [(1, 1_000_000.5), (2, 1_000_001)])])])
    assert "line [1000000.5, 1000001]" in lines


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_an_axis_with_round_steps_holds_all_values(low, extent):
    assume(extent > abs(low) * 1e-9)  # a smaller range has few floating-point numbers
    start, end = round_ends(low, low + extent, 4)
    assert start <= low + extent * 1e-6
    assert end >= low + extent * (1 - 1e-6)
    assert end - start <= 4 * extent


@pytest.mark.parametrize("size", [1e-30, 1e-7, 1, 3768, -987_654, 1e12, -1.11e300])
def test_labels_of_an_axis_fit_left_of_the_plot(size):
    page = html.render([Chart("Loss", "iteration", "loss", [Series("train", [(1, size), (2, 1.117 * size)])])], "t")
    labels = re.findall(r'<text x="(\d+)" y="[\d.]+" text-anchor="end">([^<]+)</text>', page)
    assert len(labels) >= 5
    for x, label in labels[:5]:
        assert int(x) - 7 * len(label) >= 20


def test_a_chart_is_a_picture_in_html():
    chart = Chart("Loss", "iteration", "loss", [Series("train", [(1, 0.5), (2, 0.4)])])
    assert "<polyline" in html.render([chart], "t")


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, text in _rendered().items():
        (GOLDEN / name).write_text(text)
