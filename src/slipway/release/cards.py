"""The cards of a release: the model card and the data card, written from the evidence of its build."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import problem
from slipway import predictor, results
from slipway.files import sha256, write_text
from slipway.gates.data_evidence import DataEvidence
from slipway.gates.training_evidence import ReportedMetrics, ReportedTraining
from slipway.git.changes import Changes
from slipway.release import manifest
from slipway.report import croissant, release_card
from slipway.report.evidence import Card, JobResults, ReportEvidence
from slipway.schema.bounds import Maybe
from slipway.schema.fields import fields
from slipway.settings import read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from slipway.release.manifest import Manifest
    from slipway.settings import Settings

MODEL_CARD = "model_card.md"
DATA_CARD = "croissant.json"
TABLES = {"train": "Rows that the model was trained on", "test": "Rows that the model was evaluated on"}
ENCODINGS = {".parquet": croissant.PARQUET, ".csv": "text/csv", ".json": "application/json"}


def write(root: Path, prepared: Path, folder: Path, facts: Manifest) -> None:
    """Write both cards to the release in `folder`.

    root: the repository. prepared: the folder of the prepared tables in it.
    """
    settings = read_settings(root / "params.yaml")
    write_text(folder / MODEL_CARD, release_card.render(_model(root, folder, facts, settings)))
    manifest.write(folder / DATA_CARD, croissant.render(_data(root, prepared, folder, facts, settings)))


def _model(root: Path, folder: Path, facts: Manifest, settings: Settings) -> release_card.ReleasedModel:
    compared = results.comparison_of(facts.inputs.model, root)
    metrics = ReportedMetrics.model_validate({name: facts.metrics.get(name, {}) for name in ("prepare", "importance")})
    started = datetime.fromisoformat(facts.built)
    training = results.JobResult[Maybe[ReportedTraining]](
        job="train", started=started, evidence=ReportedTraining(metrics=metrics)
    )
    jobs = {"train": training, **({"compare": compared[0]} if compared else {})}
    evidence = ReportEvidence(
        results=JobResults.model_validate(jobs, from_attributes=True),
        changes=Changes(base=None, head=facts.commit),
        task=problem.TASK,
        primary=settings.gates.primary,
        card=Card.of(problem.__doc__ or "", problem.TARGET, problem.Row),
        statuses={},
    )
    return release_card.ReleasedModel(
        version=facts.version,
        commit=facts.commit,
        format=predictor.signature(folder / "model")["format"],
        metrics=facts.metrics.get("evaluate", {}).get("model", {}),
        evidence=evidence,
        stated=settings.card,
        minimum_segment_rows=settings.gates.minimum_segment_rows,
    )


def _data(root: Path, prepared: Path, folder: Path, facts: Manifest, settings: Settings) -> croissant.DataSet:
    classes = predictor.signature(folder / "model")["classes"] or []
    arrived = DataEvidence.model_validate(facts.metrics["data"]).files if "data" in facts.metrics else []
    files = [
        croissant.DataFile(f"data/{file.file}", file.sha256, f"{file.rows:,} rows", _encoding(file.file))
        for file in arrived
    ]
    paths = {root / prepared / f"{name}.parquet": text for name, text in TABLES.items()}
    tables = [
        croissant.DataFile(path.relative_to(root).as_posix(), sha256(path), text)
        for path, text in paths.items()
        if path.is_file()
    ]
    return croissant.DataSet(
        name=problem.TARGET,
        description=Card.of(problem.__doc__ or "", problem.TARGET, problem.Row).purpose,
        version=facts.version,
        published=facts.built,
        files=files,
        tables=tables,
        fields=fields(problem.Row),
        target=problem.TARGET,
        is_number=all(isinstance(name, int | float) for name in classes),
        stated=settings.card,
    )


def _encoding(file: str) -> str:
    return next((kind for suffix, kind in ENCODINGS.items() if file.endswith(suffix)), "application/octet-stream")
