"""The document for the comment job: `accept` takes what `submit` writes, and rejects any other structure or size."""

from __future__ import annotations

import copy
import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from pydantic import ValidationError

from slipway.errors import RejectedError, UserError
from slipway.git.changes import Changes
from slipway.github.checked_run import Run
from slipway.pull_request import comment
from slipway.report import content, markdown, submitted
from slipway.report import evidence as inputs
from slipway.schema import bounds
from tests.unit import test_report

RUN = Run(
    "team/flights",
    "a" * 40,
    "team",
    "change",
    "success",
    "https://github.example/run/1",
    "1",
    "pull_request",
    ".github/workflows/pull-request.yaml",
)
COMPARED = test_report.COMPARED | {
    "explained": test_report.EXPLAINED | {"category": "late"},
    "champion": {"version": "v1", "digest": "sha256:1", "commit": "c" * 40},
    "staging": {"version": "v2", "digest": "sha256:2", "commit": "d" * 40, "all": [test_report.ROW]},
    "bytes": {"candidate": 2, "champion": 1},
    "milliseconds": {"candidate": 0.1, "champion": 0.1},
}
TRAINED = test_report.RUN | {
    "stages": {"train": 1.0},
    "stale": ["train"],
    "loss": test_report.LOSS,
    "resumed": 1,
    "metrics": {
        "prepare": {"rows": {"train": 90, "test": 10}, "period": {"train": ["2013-01-01", "2013-02-01"]}},
        "importance": {"a": 0.1},
        "tune": test_report.TUNED,
        "data": {"files": []},
    },
}


def evidence() -> inputs.ReportEvidence:
    """Return evidence with every part that the report reads."""
    changes = Changes(
        base="b" * 40,
        head="a" * 40,
        parameters={"model.rate": (0.06, 0.05), "model.hidden": ([1, 2], None)},
        data={"version": ("x", "y")},
        files=["params.yaml", "metrics/tune.json"],
        kinds={"params.yaml": "modified", "metrics/tune.json": "renamed"},
        renamed={"metrics/tune.json": "metrics/old.json"},
        problems=["dvc.yaml cannot be read"],
        base_rows={"train": 80},
    )
    compared = test_report._result("compare", "fail", COMPARED)
    trained, linted = test_report._result("train", evidence=TRAINED), test_report._result("lint", evidence={"ruff": []})
    crashed = test_report._result("data", error="it crashed")
    return test_report._evidence(
        changes, {"lint": "success"}, compare=compared, train=trained, lint=linted, data=crashed
    )


WHOLE = json.loads(submitted.submit(evidence()))


def _changed(path: tuple[str | int, ...], value: Any) -> bytes:
    document = copy.deepcopy(WHOLE)
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(document).encode()


def test_document_and_evidence_give_the_same_report():
    accepted = submitted.accept(submitted.submit(evidence()).encode())
    assert markdown.render(content.write(evidence())) == markdown.render(content.write(accepted))


def test_document_holds_only_what_the_report_reads():
    assert {} == WHOLE["results"]["lint"]["evidence"]
    assert {"stale", "loss", "resumed", "metrics"} == WHOLE["results"]["train"]["evidence"].keys()
    assert {"prepare", "importance", "tune"} == WHOLE["results"]["train"]["evidence"]["metrics"].keys()


def test_long_strings_are_cut_and_accepted():
    long = evidence().model_copy(update={"primary": "roc_auc"})
    long.results.data.error = "x" * 100_000
    error = submitted.accept(submitted.submit(long).encode()).results.data.error
    assert (bounds.TEXT_CHARACTERS_MAX, "…") == (len(error), error[-1])


def test_undefined_numbers_are_accepted():
    undefined = {"value": float("nan"), "low": float("nan"), "high": float("nan")}
    compared = COMPARED | {"production": {"all": [test_report.ROW | {"gain": undefined}]}}
    given = test_report._evidence(compare=test_report._result("compare", evidence=compared))
    assert "undefined" in markdown.render(content.write(submitted.accept(submitted.submit(given).encode())))


def test_training_that_diverged_is_accepted_and_rendered():
    losses = [{"iteration": at, "rows": rows, "loss": loss} for rows in ("train", "test") for at, loss in DIVERGING]
    trained = test_report._result("train", evidence=TRAINED | {"loss": losses})
    accepted = submitted.accept(submitted.submit(test_report._evidence(train=trained)).encode())
    loss = [point.loss for point in accepted.trained.loss[: len(DIVERGING)]]
    assert [0.5, bounds.NUMBER_MAX, "nan"] == [*loss[:2], str(loss[2])]
    assert "Training loss" in markdown.render(content.write(accepted))


@pytest.mark.parametrize("missing", [*inputs.JOBS, None])
def test_document_without_some_results_is_accepted(missing):
    given = evidence()
    removed = {job: None for job in inputs.JOBS if missing in (job, None)}
    less = given.model_copy(update={"results": given.results.model_copy(update=removed)})
    document = submitted.submit(less)
    assert {*inputs.JOBS} - removed.keys() == json.loads(document)["results"].keys()
    assert less.results.model_dump() == submitted.accept(document.encode()).results.model_dump()


DIVERGING = [(1, 0.5), (2, 1e300), (3, float("nan"))]
COMPARE, TRAIN = ("results", "compare", "evidence"), ("results", "train", "evidence")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("extra",), 1),
        (("results", "deploy"), WHOLE["results"]["lint"]),
        (("results", "lint", "evidence", "ruff"), []),
        (("results", "lint", "evidence"), None),
        (("results", "lint", "verdicts", 0, "extra"), 1),
        (("results", "lint", "error"), "x" * (bounds.TEXT_CHARACTERS_MAX + 1)),
        (("results", "lint", "seconds"), -1),
        (("results", "lint", "verdicts"), WHOLE["results"]["lint"]["verdicts"] * (bounds.ITEMS_MAX + 1)),
        (("results", "lint", "verdicts", 0, "gate"), "x" * (bounds.NAME_CHARACTERS_MAX + 1)),
        (("results", "lint", "verdicts", 0, "outcome"), "passed"),
        ((*COMPARE, "rows"), -1),
        ((*COMPARE, "rows"), 10**400),
        ((*COMPARE, "rows"), "many"),
        ((*COMPARE, "bytes", "candidate"), 10**400),
        ((*COMPARE, "champion"), None),
        ((*COMPARE, "champion", "version"), ["v1"]),
        ((*COMPARE, "production"), {"city=a": [test_report.ROW]}),
        ((*COMPARE, "production", "all"), []),
        ((*COMPARE, "production", "all", 0, "metric"), "harm"),
        ((*COMPARE, "production", "all", 0, "gain", "low"), 1e300),
        ((*COMPARE, "production", "all"), [test_report.ROW, test_report.ROW]),
        ((*COMPARE, "baselines", "linear"), {}),
        ((*COMPARE, "calibration", 0, "predicted"), "](x)"),
        ((*COMPARE, "calibration"), COMPARED["calibration"] * bounds.ITEMS_MAX),
        ((*TRAIN, "loss", 0, "rows"), "all"),
        ((*TRAIN, "loss"), [WHOLE["results"]["train"]["evidence"]["loss"][0]] * (bounds.POINTS_MAX + 1)),
        ((*TRAIN, "metrics", "prepare"), None),
        ((*TRAIN, "metrics", "tune", "ranges", "model.rate"), {"low": 1}),
        (("changes", "head"), "main; touch canary"),
        (("changes", "parameters", "model.rate"), [1, "x" * (bounds.NAME_CHARACTERS_MAX + 1)]),
        (("changes", "parameters", "model.rate"), [1, [[[[1]]]]]),
        (("changes", "parameters"), {str(number): [1, 2] for number in range(bounds.GROUPS_MAX + 1)}),
        (("card", "columns", 0, "unit"), None),
        (("primary",), "harm"),
        (("task",), "regression"),
    ],
)
def test_document_with_another_structure_or_size_is_rejected_in_one_line(path, value):
    with pytest.raises(RejectedError, match="not the evidence of a report; rejected") as rejected:
        comment.parse(_changed(path, value), RUN)
    assert 1 == len(str(rejected.value).splitlines())


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every part of a document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([path] if path else []), *(child for key, part in parts for child in _paths(part, (*path, key)))]


NUMBERS = st.sampled_from([0, -1, 1e18, -1e18, 5e-324, 1e17, 2**63, 10**30, 1e300, 0.1])
STRINGS = st.sampled_from(
    ["", "x", "all", "train", "roc_auc", "log_loss", "pass", "a" * 40, "2026-01-01T00:00:00Z", "\u202e|`\n#"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | STRINGS,
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(STRINGS, parts, max_size=3),
    max_leaves=6,
)


@hypothesis.settings(max_examples=150)
@hypothesis.given(st.data())
def test_mutated_document_is_rejected_or_rendered(data):
    document = WHOLE
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_paths(document)))
        donor = data.draw(st.sampled_from(_paths(document)))
        value = data.draw(VALUES | st.just(_at(document, donor)))
        document = _replaced(document, path, value, delete=data.draw(st.booleans()))
    _rejected_or_rendered(document)


@pytest.mark.parametrize("delete", [True, False])
def test_document_without_a_part_is_rejected_or_rendered(delete):
    for path in _paths(WHOLE):
        _rejected_or_rendered(_replaced(WHOLE, path, None, delete=delete))


def _rejected_or_rendered(document: Any) -> None:
    """Require that a document is rejected, or renders without an error."""
    sent = json.dumps(document).encode()
    try:
        accepted = comment.parse(sent, RUN)
    except UserError:
        with pytest.raises(ValidationError):
            submitted.accept(sent)
    else:
        assert markdown.LENGTH_MAX > len(comment.render(accepted, {RUN.checks: RUN.url}))


def _at(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


def _replaced(document: Any, path: tuple[str | int, ...], value: Any, *, delete: bool) -> Any:
    """Return a copy of the document with another value at `path`, or without it."""
    made = copy.deepcopy(document)
    place = _at(made, path[:-1])
    if delete:
        del place[path[-1]]
    else:
        place[path[-1]] = copy.deepcopy(value)
    return made
