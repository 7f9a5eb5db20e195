"""Tests of params.yaml: it is read as DVC reads it, and an unknown, missing or mistyped key is one line."""

from __future__ import annotations

import pickle
from datetime import date
from pathlib import Path

import pytest

from slipway.errors import MissingFileError, SettingError, UnreadableFileError
from slipway.settings import Settings, read_section, read_settings
from tests.params import VALID

TEXT = VALID.read_text(encoding="utf-8")

REFUSED = [
    ("  floor: 0.62", "  florr: 0.62", "gates.florr: no such key; did you mean gates.floor?"),
    (
        "    - sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor\n",
        "",
        "export.trusted_types: null; allowed: a list of strings",
    ),
    ("  floor: 0.62 ", "  # ", "gates.floor: missing; add a number (Absolute limit of the primary metric"),
    ("  floor: 0.62", "  floor: 62%", 'gates.floor: "62%" (a string); allowed: a number (Absolute'),
    ("  floor: 0.62", "  floor: .nan", "gates.floor: NaN; allowed: a number"),
    ("  floor: 0.62", "  floor: true", "gates.floor: true (a boolean); allowed: a number"),
    ("\ngates:", "\ngatez:", "gatez: no such key; did you mean gates?"),
    ("seed: 20130101", "seed: -1", "seed: -1; allowed: a whole number ≥ 0"),
    ("seed: 20130101", "seed: 1\nseed: 2", 'not YAML (line 4: found duplicate key "seed"'),
    ("confidence: 0.97", "confidence: 97", "gates.confidence: 97; allowed: a number > 0 and < 1"),
    ("workers: 1 ", "workers: 1.0 ", "serving.workers: 1.0; allowed: a whole number ≥ 1 (Processes)"),
    ("workers: 1 ", "workers: 1:30 ", 'serving.workers: "1:30" (a string); allowed: a whole number ≥ 1'),
    ("workers: 1 ", "workers: ", "serving.workers: null; allowed: a whole number ≥ 1"),
    ("steps: [10, 50]", "steps: [10, 60]", "canary.steps.1: 60; allowed: a whole number ≥ 1 and ≤ 50"),
    ("[schedule,", "[shedule,", 'retraining.triggers.0: "shedule" (a string); allowed: one of demand, schedule'),
    ("  against:", "  agianst:", "loadtest.agianst: no such key; did you mean loadtest.against?"),
    (
        "    margin: 0.05 ",
        "    margins: 0.05 ",
        "loadtest.against.margins: no such key; did you mean loadtest.against.margin?",
    ),
    ("hosts: []", "hosts: example.org", 'loadtest.hosts: "example.org" (a string); allowed: a list of strings'),
    ("prediction_edges: []", "prediction_edges: [2, 1]", "serving.prediction_edges: the numbers must increase"),
    ("max_iter: 200", "max_iter: 2024-01-01", "model.max_iter: 2024-01-01 is a date; quote it to make it a string"),
    ("max_iter: 200", "max_iter: .inf", "model.max_iter: inf is not finite"),
    ("numeric_drift: 0.25", "numeric_drift: .nan", "data.suites.numeric_drift: nan is not finite"),
    ("may_not_run: {}", "may_not_run: [PSI]", 'data.suites.may_not_run: ["PSI"] (a list); allowed: a mapping'),
    *(
        ("uncompared_releases: {}", f"uncompared_releases: {{{entry}}}", f"gates.uncompared_releases{message}")
        for entry, message in (
            ("0.1.0: {}", ": '0.1.0' is not a version; write it as v0.1.0"),
            ("v0.1.0: true", ".v0.1.0: true (a boolean); allowed: a section with by, reason, until"),
            ("v0.1.0: {by: a, reason: b}", ".v0.1.0.until: missing; add a date as '2026-01-31' (Last day of the"),
            ("v0.1.0: {by: a, reason: b, until: soon}", ".v0.1.0.until: 'soon' is not a day; write it as '2026-01-31'"),
            ("v0.1.0: {by: a, reason: b, until: 20260131}", ".v0.1.0.until: '20260131' is not a day; write"),
            (
                "v0.1.0: {by: a, reason: b, until: 2026-01-31T10:00:00}",
                ".v0.1.0.until: '2026-01-31 10:00:00' is not a day; write it as '2026-01-31'",
            ),
            (
                "v0.1.0: {by: a, reason: b, until: 2026-01-31}",
                ".v0.1.0.until: 2026-01-31 is a date, which DVC does not read; quote it: '2026-01-31'",
            ),
            ("v0.1.0: {by: ' ', reason: b, until: '2026-01-31'}", ".v0.1.0.by: is empty; write at least a word"),
            ("v0.1.0: {by: a, reason: 3, until: '2026-01-31'}", ".v0.1.0.reason: 3; allowed: a string (Why no"),
            (
                "v0.1.0: {by: a, reason: b, untl: '2026-01-31'}",
                ".v0.1.0.untl: no such key; did you mean gates.uncompared_releases.v0.1.0.until?",
            ),
        )
    ),
    ("learning_rate: 0.06", "learning_rate: [0.06", "not YAML (line "),
    ("seed:", "<<<<<<< HEAD\nseed:", "in conflict; keep one side of each `<<<<<<<`, then `git add"),
    (
        "volume_ratio: 3",
        "volum_ratio: -1\n  lag: 2",
        "monitoring.volum_ratio: no such key; did you mean monitoring.volume_ratio? (and 1 more)",
    ),
]
"""Text in the file, an invalid replacement, and the message."""


def written(folder: Path, before: str, after: str) -> Path:
    assert before in TEXT
    path = folder / "params.yaml"
    path.write_text(TEXT.replace(before, after, 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(("before", "after", "message"), REFUSED)
def test_an_invalid_key_or_value_is_one_line_with_the_allowed_values(tmp_path, before, after, message):
    path = written(tmp_path, before, after)
    with pytest.raises((SettingError, UnreadableFileError)) as refused:
        read_settings(path)
    assert str(refused.value).startswith(f"{path}: {message}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("before", "after", "value"),
    [
        ("learning_rate: 0.06", "learning_rate: 1e-05", 1e-05),
        ("learning_rate: 0.06", "learning_rate: 6e-2", 0.06),
        ("learning_rate: 0.06", "learning_rate: 010", 10),
        ("learning_rate: 0.06", "learning_rate: no", "no"),
        ("learning_rate: 0.06", "learning_rate: 12:30:00", "12:30:00"),
        ("learning_rate: 0.06", "learning_rate: {0: 1, b: [true, null]}", {0: 1, "b": [True, None]}),
    ],
)
def test_a_hyperparameter_has_the_value_that_dvc_reads(tmp_path, before, after, value):
    parsed = read_settings(written(tmp_path, before, after)).for_problem()["model"]["learning_rate"]
    assert value == parsed
    assert type(value) is type(parsed)


@pytest.mark.parametrize("text", ["", "just words", "a: [1", "- 1\n- 2", "a: 1"])
def test_a_broken_file_is_named(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises((SettingError, UnreadableFileError), match=r"params\.yaml"):
        read_settings(path)


def test_a_file_in_another_encoding_is_named(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_bytes("seed: ü".encode("latin-1"))
    with pytest.raises(UnreadableFileError, match=r"params\.yaml: not UTF-8"):
        read_settings(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"params\.yaml: not found"):
        read_settings(tmp_path / "params.yaml")


def test_a_missing_key_that_the_problem_reads_is_named(tmp_path):
    params = read_settings(written(tmp_path, "test_days:", "test_day:")).for_problem()
    for copied in (params, pickle.loads(pickle.dumps(params))):  # noqa: S301  as a worker process gets them
        with pytest.raises(SettingError, match=r"split\.test_days: missing; rename split\.test_day$"):
            copied["split"]["test_days"]
        with pytest.raises(SettingError, match=r"data\.suites\.color: missing"):
            copied["data"]["suites"]["color"]


def test_every_parameter_has_a_description():
    def undescribed(section):
        for name, field in section.model_fields.items():
            if hasattr(field.annotation, "model_fields"):
                yield from undescribed(field.annotation)
            elif not field.description:
                yield name

    assert {"split", "model"} == set(undescribed(Settings))  # the problem's own


def test_a_service_validates_only_its_own_section(tmp_path):
    path = written(tmp_path, "  floor: 0.62", "  florr: 0.62")
    assert read_section("serving", path)["workers"] == 1
    path = written(tmp_path, "workers: 1 ", "worker: 1 ")
    with pytest.raises(SettingError, match=r"serving\.worker: no such key; did you mean serving\.workers\?"):
        read_section("serving", path)


def test_the_last_day_of_a_decision_is_a_date(tmp_path):
    entry = "uncompared_releases: {v0.1.0: {by: Ada, reason: moved, until: '2026-01-31'}}"
    settings = read_settings(written(tmp_path, "uncompared_releases: {}", entry))
    assert date(2026, 1, 31) == settings.gates.uncompared_releases["v0.1.0"].until
    assert "'2026-01-31'" in str(settings.for_problem()["gates"]["uncompared_releases"])  # JSON has no dates


def test_a_key_without_a_value_has_no_decisions(tmp_path):
    settings = read_settings(written(tmp_path, "uncompared_releases: {}", "uncompared_releases:"))
    assert {} == settings.gates.uncompared_releases


def test_settings_are_typed():
    settings = read_settings(VALID)
    assert 200.0 == settings.loadtest.rate
    assert "roc_auc" == settings.gates.primary
