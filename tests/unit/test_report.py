"""The report: verdict first, whatever happened; readable as text; harmless whatever a stranger wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from slipway.changes import Changes
from slipway.gates import Outcome, Verdict
from slipway.report import content, html, markdown
from slipway.report.content import Evidence
from slipway.report.document import Chart, Code, Commands, Details, Heading, Series, Strong, Table, paragraph
from slipway.results import JobResult

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
CARD = content.Card(
    purpose="Tells whether.", target="late", columns=[content.Column(name="a", description="An a", unit="mile")]
)
LOSS = [{"iteration": i, "rows": side, "loss": 1 / i} for side in ("train", "test") for i in (1, 2, 3)]


def _result(job: str, outcome: str = "pass", evidence: dict | None = None, error: str | None = None) -> JobResult:
    verdicts = [] if error else [Verdict(f"{job} gate", Outcome(outcome), "below 1", "0.5", "a reason")]
    return JobResult(job=job, started=START, verdicts=verdicts, evidence=evidence or {}, error=error)


def _evidence(changes: Changes | None = None, statuses: dict | None = None, **jobs: JobResult | None) -> Evidence:
    results = {job: _result(job) for job in content.JOBS}
    results["compare"] = _result("compare", evidence=COMPARED)
    results["train"] = _result("train", evidence={"loss": LOSS})
    results |= jobs
    kept = {job: result for job, result in results.items() if result is not None}
    return Evidence(
        results=kept,
        changes=changes or Changes(base="b" * 40, head="a" * 40),
        task="binary",
        primary="roc_auc",
        card=CARD,
        statuses=statuses or {},
    )


def _text(evidence: Evidence) -> str:
    return markdown.render(content.write(evidence))


TUNED = {
    "metric": "roc_auc",
    "trials": {"tried": 30, "failed": 2, "killed": 1, "resumed": 12},
    "ranges": {"model.rate": {"low": 0.01, "high": 0.3, "log": True}, "model.loss": {"choices": ["a", "b"]}},
    "rows": {"searched": 800, "apart": 200, "folds": 3},
    "best": {"model.rate": 0.05, "model.loss": "b"},
    "current": {"model.rate": 0.06, "model.loss": "a"},
    "judged": ROW,
}


@pytest.mark.parametrize("files", [["params.yaml", "metrics/tune.json"], ["params.yaml"]])
def test_how_much_was_searched_is_told_where_a_search_found_the_parameters(files):
    changes = Changes(base="b" * 40, head="a" * 40, files=files)
    text = _text(_evidence(changes, train=_result("train", evidence={"metrics": {"tune": TUNED}})))
    told = ["30 tried (2 failed, 1 killed and done again)", "0.01 to 0.3, in equal factors", "a, b"]
    assert all((words in text) == (content.SEARCH in files) for words in told)


def test_the_first_line_says_that_all_gates_pass():
    assert "# ✅ Ready to merge: all 5 gates pass" == _text(_evidence()).splitlines()[0]


def test_the_first_line_names_what_blocks():
    assert "# ❌ Blocked: data gate" == _text(_evidence(data=_result("data", "fail"))).splitlines()[0]


def test_the_first_line_says_when_something_is_not_proven():
    assert "# ⚠️ Not proven: data gate" == _text(_evidence(data=_result("data", "inconclusive"))).splitlines()[0]


@pytest.mark.parametrize("outcome", Outcome)
def test_the_page_about_the_comment_names_the_titles_as_the_report_writes_them(outcome):
    title = content.title(_evidence(data=_result("data", outcome)))
    word = title.split(" ", 1)[1].split(":")[0]
    assert f"*{word}*: " in (Path(__file__).parents[2] / "docs/comment.md").read_text(encoding="utf-8")


def test_a_segment_that_the_loss_decided_shows_the_loss():
    nan = dict.fromkeys(("value", "low", "high"), None)  # as NaN comes back from JSON
    loss = {**ROW, "metric": "log_loss", "gain": {"value": -3.0, "low": -3.1, "high": -2.9}}
    compared = COMPARED | {"production": {"all": [ROW], "city=a": [{**ROW, "gain": nan}, loss]}}
    text = _text(_evidence(compare=_result("compare", evidence=compared)))
    assert "| `city=a` | 100 | log_loss 0.7100 [0.7000, 0.7200] | -3.0000 [-3.1000, -2.9000] | ▼ worse |" in text


@pytest.mark.parametrize("job", content.JOBS)
def test_a_job_that_left_nothing_blocks_and_is_named_with_how_it_ended(job):
    text = _text(_evidence(statuses={job: "cancelled"}, **{job: None}))
    assert f"# ❌ Blocked: {job}" == text.splitlines()[0]
    assert "did not run (cancelled)" in text


@pytest.mark.parametrize("job", content.JOBS)
def test_a_job_that_crashed_blocks_and_says_why(job):
    text = _text(_evidence(**{job: _result(job, error="MemoryError")}))
    assert f"# ❌ Blocked: {job}" == text.splitlines()[0]
    assert "MemoryError" in text


def test_what_failed_comes_before_what_did_not_run_because_of_it():
    evidence = _evidence(train=None, compare=None, data=_result("data", "fail"))
    assert "# ❌ Blocked: data gate, train, compare" == _text(evidence).splitlines()[0]


def test_the_report_without_any_result_still_says_what_is_missing():
    evidence = _evidence(**dict.fromkeys(content.JOBS))
    assert "# ❌ Blocked: data, train, compare and 2 more" == _text(evidence).splitlines()[0]


def test_a_metric_is_shown_with_its_interval_and_a_word():
    assert "| **roc_auc ↑** | 0.7100 [0.7000, 0.7200] |" in _text(_evidence())
    assert "+0.0100 [+0.0050, +0.0150] | ▲ better |" in _text(_evidence())


def test_a_gain_that_is_not_a_number_is_undefined_and_not_better():
    row = ROW | {"gain": dict.fromkeys(("value", "low", "high"))}
    compared = COMPARED | {"production": {"all": [row]}}
    assert "| undefined | ? undefined |" in _text(_evidence(compare=_result("compare", evidence=compared)))


def test_changed_parameters_are_listed_with_both_values():
    changes = Changes(base="b" * 40, head="a" * 40, parameters={"model.max_iter": (200, 300)})
    assert "| parameter | `model.max_iter` | `200` | `300` |" in _text(_evidence(changes))


def test_a_stale_lock_file_is_explained_with_its_mend():
    train = _result("train", evidence={"stale": ["train"]})
    assert "uv run dvc repro" in _text(_evidence(train=train))


@pytest.mark.parametrize("name", ["report.md", "report.html"])
def test_the_same_evidence_gives_the_report_that_was_accepted(name):
    """After a change that is meant, `python -m tests.unit.test_report` writes both anew."""
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
    return {"report.md": markdown.render(document), "report.html": html.render(document, content.title(evidence))}


@pytest.mark.parametrize(
    ("text", "harm"),
    [
        ("<script>alert(1)</script>", "<script>"),
        ("[click](https://example.com)", "click]("),
        ("![x](https://example.com/p.png)", "x]("),
        ("@everyone look", "@everyone"),
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


def test_html_escapes_what_a_stranger_wrote():
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


def test_a_report_that_is_too_long_loses_its_last_details_first_and_says_so():
    first, last = (Details(name, (Commands(("x" * 400,)),)) for name in ("first", "last"))
    text = markdown.render([Heading("Verdict", 1), first, last], limit=800)
    assert ("first" in text, "last" in text, "left out" in text) == (True, False, True)


def test_a_report_is_never_over_the_limit():
    assert 1000 >= len(markdown.render([paragraph("x" * 5000)], limit=1000))


def test_a_chart_is_mermaid_in_markdown_and_names_its_lines():
    chart = Chart(
        "Loss", "iteration", "loss", [Series("train", [(1, 0.5), (2, 0.4)]), Series("test", [(1, 0.6), (2, 0.5)])]
    )
    text = markdown.render([chart])
    assert 'title "Loss (blue train, orange test)"' in text
    assert "line [0.5, 0.4]" in text


def test_a_chart_is_a_picture_in_html():
    chart = Chart("Loss", "iteration", "loss", [Series("train", [(1, 0.5), (2, 0.4)])])
    assert "<polyline" in html.render([chart], "t")


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, text in _rendered().items():
        (GOLDEN / name).write_text(text)
