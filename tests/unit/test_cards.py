"""The cards of a release: Hugging Face reads the model card's header, mlcroissant the data card and its rows."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml
from pydantic import BaseModel, Field

from slipway.gates import Outcome, Verdict
from slipway.report import croissant, release_card
from slipway.schema.fields import fields
from slipway.settings.training import CardSection
from tests.unit import test_report

STATED = CardSection(
    intended_use="Warn passengers",
    license="apache-2.0",
    data_license="https://creativecommons.org/publicdomain/zero/1.0/",
    data_source="https://example.com/data",
    contact="Ada",
)
WORSE = test_report.ROW | {"rows": 40, "gain": {"value": -0.2, "low": -0.3, "high": -0.1}}
COMPARED = test_report.COMPARED | {"production": {"all": [test_report.ROW], "city=a": [WORSE]}}


def _model(**changes: object) -> release_card.ReleasedModel:
    compared = test_report._result("compare", evidence=COMPARED)
    verdict = Verdict("champion", Outcome.INCONCLUSIVE, "loss < 1", "not comparable", "another target")
    compared = type(compared).model_validate(dict(compared) | {"verdicts": [verdict]})
    model = release_card.ReleasedModel(
        version="v1.2.0",
        commit="c" * 40,
        format="onnx",
        metrics={"roc_auc": 0.71, "brier": math.nan},
        evidence=test_report._evidence(compare=compared),
        stated=STATED,
        minimum_segment_rows=50,
    )
    return replace(model, **changes)


def _header(text: str) -> dict:
    return yaml.safe_load(text.split("---\n")[1])


def test_header_names_license_library_task_and_metrics():
    header = _header(release_card.render(_model()))
    assert ("apache-2.0", "onnx", "tabular-classification") == (
        header["license"],
        header["library_name"],
        header["pipeline_tag"],
    )
    (index,) = header["model-index"]
    assert [{"type": "roc_auc", "value": 0.71}] == index["results"][0]["metrics"]


def test_what_is_not_stated_has_no_key_in_the_header_and_is_marked_in_the_card():
    text = release_card.render(_model(stated=CardSection()))
    assert "license" not in _header(text)
    assert "| Intended use | Not stated |" in text


def test_card_lists_use_quality_by_segment_and_known_failures():
    text = release_card.render(_model())
    assert "| Intended use | Warn passengers |" in text
    assert "| `city=a` | 40 | roc_auc | 0.7100 [0.7000, 0.7200] |" in text
    failures = text.split("## Known failures")[1]
    assert "**champion**: inconclusive: not comparable. another target." in failures
    assert "**Worse than the previous release**: city=a." in failures
    assert "**Segments that were not judged**: city=a (40); fewer than 50 rows." in failures
    assert "**Calibration**: the mean prediction is 0.2000, the mean outcome 0.3000, off in every decile." in failures


def test_card_of_a_first_release_has_the_quality_by_segment_that_was_compared_with_a_baseline():
    first = {"champion": None, "production": {}, "segments": {"city=a": [WORSE]}}
    compared = test_report._result("compare", evidence=test_report.COMPARED | first)
    text = release_card.render(_model(evidence=test_report._evidence(compare=compared)))
    assert "| `city=a` | 40 | roc_auc | 0.7100 [0.7000, 0.7200] |" in text
    assert "| Quality, weakest segment | city=a: roc_auc 0.7100 [0.7000, 0.7200], 40 rows |" in text
    assert "**Worse than the baseline**: city=a." in text


def test_card_of_a_build_without_a_comparison_has_its_metrics():
    text = release_card.render(_model(evidence=test_report._evidence(compare=None)))
    assert "| roc_auc | 0.7100 |" in text


class Flight(BaseModel):
    """A row of three types."""

    origin: str = Field(description="Airport")
    distance: float = Field(description="Distance", json_schema_extra={"unit": "mile"})
    seats: int | None = Field(description="Seats")


@pytest.fixture(scope="module")
def card(tmp_path_factory) -> Path:
    """Return the path of a data card next to the table that it describes."""
    folder = tmp_path_factory.mktemp("card")
    frame = pd.DataFrame({"origin": ["JFK", "LGA"], "distance": [100.5, 20.0], "seats": [1.0, 2.0], "late": [0.0, 1.0]})
    frame.to_parquet(folder / "test.parquet")
    digest = hashlib.sha256((folder / "test.parquet").read_bytes()).hexdigest()
    data = croissant.DataSet(
        name="late",
        description="Predict delays.",
        version="v1.2.0",
        published="2026-01-01T00:00:00+00:00",
        files=[croissant.DataFile("2026-01.csv", "0" * 64, "31 rows", "text/csv")],
        tables=[croissant.DataFile("test.parquet", digest, "Test rows")],
        fields=fields(Flight),
        target="late",
        is_number=True,
        stated=STATED,
    )
    path = folder / "croissant.json"
    path.write_text(json.dumps(croissant.render(data)))
    return path


def test_mlcroissant_accepts_the_data_card_and_reads_its_rows(card):
    import mlcroissant  # takes half a second, and every worker imports this file

    dataset = mlcroissant.Dataset(jsonld=str(card))
    assert [] == [*dataset.metadata.ctx.issues.errors]
    rows = [*dataset.records(record_set="test")]
    assert {"test/origin": b"LGA", "test/distance": 20.0, "test/seats": 2, "test/late": 1.0} == rows[1]


def test_mlcroissant_rejects_a_data_card_without_its_files(card, tmp_path):
    document = json.loads(card.read_text())
    del document["distribution"]
    (tmp_path / "broken.json").write_text(json.dumps(document))
    import mlcroissant

    with pytest.raises(mlcroissant.ValidationError):
        mlcroissant.Dataset(jsonld=str(tmp_path / "broken.json"))


def test_a_column_is_described_with_its_unit(card):
    (records,) = json.loads(card.read_text())["recordSet"]
    assert "Distance, in mile" in [field["description"] for field in records["field"]]
