"""The command `compare`: the candidate compared with the releases in production and staging, and with the baselines.

All models are scored on the candidate's test rows, so that the comparison is paired. A release reads them as its own
contract has them. Where the data cannot give a column of it, the comparison is inconclusive.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import problem
from slipway import output, predictor
from slipway.dvc.files import blobs
from slipway.environment.environment import Environment
from slipway.environment.place import store_url
from slipway.errors import MissingFileError
from slipway.evaluation import bootstrap, calibration, errors_by_class, metrics
from slipway.evaluation.compared import Confusion
from slipway.evaluation.segments import ALL, segments
from slipway.gates import comparison as gates
from slipway.gates.comparison_evidence import ComparisonEvidence, Decision, Released, Sides, StagingRelease
from slipway.git.redact import redacted
from slipway.github import workflows
from slipway.pipeline.tables import Batches, FeatureBatches, positions, read_places, read_rows
from slipway.pull_request import former_contract
from slipway.pull_request.explained import explained_row
from slipway.pull_request.former_contract import FormerRows, IncomparableError, OtherProblemError
from slipway.release.champion import Champion, fetch_released
from slipway.release.store import open_store
from slipway.results import COMPARE, recorded
from slipway.schema.contract import breaking_changes
from slipway.serving.pages import openapi
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from slipway.evaluation.compared import Comparison, RocPoint
    from slipway.settings import Settings
    from slipway.settings.training import GatesSection

TEST_ROWS = Path("build/prepared/test.parquet")
PREDICTIONS = Path("build/evaluated/predictions.parquet")
MODEL = Path("model")
REASON_LENGTH_MAX = 200  # characters of an error of the champion's model
CURVE_RESAMPLES_MAX = 500  # more do not move the interval by a pixel
CLASSES_MAX = 20  # of a confusion matrix that a comment can show
LATENCY_ROWS_MAX = 50  # rows that the latency is measured on


@dataclass(frozen=True)
class Candidate:
    """Paths of a new model, its test rows, and the predictions of the model and the baselines for these rows."""

    model: Path = MODEL
    test_rows: Path = TEST_ROWS
    predictions: Path = PREDICTIONS


BUILT = Candidate()
"""The candidate that the stages of dvc.yaml write."""


def unreachable_from_fork(environment: Environment) -> Released | None:
    """Return the release in `environment` and why a fork's run cannot fetch it; None if it can, or is not a fork's run.

    GitHub passes no variables to the run of a pull request from a fork, so the run does not know the release store.
    """
    if not workflows.is_fork_run():
        return None
    desired = environment.desired()
    if desired is None or desired.release in open_store().versions():
        return None
    store = redacted(store_url())
    reason = f"{desired.release} is not in the store {store}, and a fork's run has no variable SLIPWAY_STORE"
    return Released(
        version=desired.release,
        digest=desired.digest,
        commit=desired.commit,
        unreachable=f"{reason}; push the branch to this repository to compare",
    )


def compare() -> None:
    """Compare the candidate, judge it, and write results/compare.json. Raises UserError unless every gate passes."""
    settings = read_settings()
    with recorded(COMPARE) as result:
        environments = [Environment(name) for name in ("production", "staging")]
        unreachable = [unreachable_from_fork(environment) for environment in environments]
        with TemporaryDirectory() as folder:
            champion, staging = (
                None if reason else fetch_released(environment, Path(folder))
                for environment, reason in zip(environments, unreachable, strict=True)
            )
            candidate, _ = blobs(MODEL)
            evidence = measure(champion, staging, settings)
        released = unreachable[0] or evidence.champion
        result.evidence = evidence.model_copy(update={"candidate": candidate, "champion": released})
        result.verdicts = [gate(result.evidence, settings.gates) for gate in gates.COMPARISON_GATES]
    result.print_verdicts()
    result.require()


def measure(
    champion: Champion | None, staging: Champion | None, settings: Settings, new: Candidate = BUILT
) -> ComparisonEvidence:
    """Compare the candidate with the releases and the baselines; return the evidence of the gates and the report.

    staging: the desired release of staging, compared on all rows only; no gate reads it.
    Raises UserError if the pipeline has not written the candidate's predictions.
    """
    if not new.predictions.exists():
        raise MissingFileError(f"{new.predictions}: not found; run `slipway train`")
    segment_columns, target = read_rows(new.test_rows, problem.SEGMENTS)
    predictions = pq.read_table(new.predictions)
    candidate, *baselines = predictions.column_names
    scores = {name: _scores(predictions[name]) for name in predictions.column_names}
    y = positions(target, predictor.signature(new.model)["classes"])
    compare_with = _PairedComparison(y, scores[candidate], predictor.signature(new.model), settings)
    every_row, chosen = {ALL: np.arange(len(y))}, segments(segment_columns, problem.SEGMENTS)
    rows = Batches(new.test_rows)
    released = None if champion is None else _release_comparison(champion, rows, chosen, compare_with)
    models = {"candidate": new.model}
    if champion is not None and released is not None and released.is_same_problem:
        models["champion"] = champion.model
    staged = None
    if staging is not None:
        same = champion is not None and champion.digest == staging.digest
        staged = released if same else _release_comparison(staging, rows, every_row, compare_with)
    compared = {name: compare_with(name, every_row, scores[name]) for name in baselines}
    is_first = baselines and not (released and released.groups)
    by_segment = compare_with(baselines[0], chosen, scores[baselines[0]]) if is_first else {}
    return ComparisonEvidence(
        rows=len(y),
        champion=released and released.release,
        production=released.groups if released else {},
        baselines=compared,
        segments={name: groups for name, groups in by_segment.items() if name != ALL},
        calibration=calibration.deciles(y, scores[candidate], settings.gates.confidence),
        **_errors(compare_with, released, scores[baselines[0]] if baselines else None),
        bytes=Sides.model_validate({side: _bytes(model) for side, model in models.items()}),
        explained=explained_row(
            new.model,
            lambda row: read_places(new.test_rows, np.array([row]))[0],
            scores[candidate],
            released.predictions if released else None,
            settings,
        ),
        milliseconds=_latency(new, champion, released, settings.gates),
        staging=staged and StagingRelease(**dict(staged.release), all=staged.groups.get(ALL, [])),
        contract_changes=[] if champion is None else _contract_changes(champion, settings),
    )


def _errors(
    compare_with: _PairedComparison, released: _ReleaseComparison | None, baseline: np.ndarray | None
) -> dict[str, Any]:
    """Return the evidence on the errors of the candidate, and of the release if it can predict: curves and counts.

    Their cost is compared with that of the release, or else of the baseline.
    """
    y, scores, settings = compare_with.y, compare_with.candidate, compare_with.settings
    champion = released.predictions if released else None
    if problem.TASK == "regression":
        return {"residuals": calibration.residuals(y, scores)}
    point, classes = settings.operating_point, [_label(name) for name in compare_with.signature["classes"]]
    roc = _roc(compare_with, champion) if problem.TASK == "binary" else []
    if (problem.TASK == "binary" and point.threshold is None) or len(classes) > CLASSES_MAX:
        return {"roc": roc}
    by_class = _by_class(compare_with, champion, classes) if problem.TASK == "multiclass" else {}
    matrices = [
        errors_by_class.counts(y, _classes(side, point.threshold), len(classes))
        for side in (scores, champion)
        if side is not None
    ]
    return {
        "roc": roc,
        **by_class,
        "confusion": Confusion(
            classes=classes,
            candidate=matrices[0],
            champion=matrices[1] if len(matrices) > 1 else None,
            threshold=point.threshold if problem.TASK == "binary" else None,
            cost=_cost(compare_with, champion if champion is not None else baseline),
            cost_unit=point.cost_unit,
        ),
    }


def _label(name: Any) -> str:
    """Return a class as text; a label that pandas read as a float is a whole number, `1`."""
    return f"{name:g}" if isinstance(name, float) else str(name)


def _by_class(compare_with: _PairedComparison, champion: np.ndarray | None, classes: list[str]) -> dict[str, Any]:
    """Return the ROC curve and the calibration of each class against the rest.

    A class that all or no test rows have is left out.
    """
    sides = {
        name: replace(compare_with, y=(compare_with.y == place) * 1, candidate=compare_with.candidate[:, place])
        for place, name in enumerate(classes)
    }
    sides = {name: side for name, side in sides.items() if 0 < side.y.mean() < 1}
    confidence = compare_with.settings.gates.confidence
    return {
        "roc_by_class": {
            name: _roc(side, None if champion is None else champion[:, classes.index(name)])
            for name, side in sides.items()
        },
        "calibration_by_class": {
            name: calibration.deciles(side.y, side.candidate, confidence) for name, side in sides.items()
        },
    }


def _roc(compare_with: _PairedComparison, champion: np.ndarray | None) -> list[RocPoint]:
    gates_settings = compare_with.settings.gates
    return errors_by_class.roc(
        compare_with.y,
        compare_with.candidate,
        champion,
        resamples=min(gates_settings.resamples, CURVE_RESAMPLES_MAX),
        confidence=gates_settings.confidence,
        seed=compare_with.settings.seed,
    )


def _classes(scores: np.ndarray, threshold: float | None) -> np.ndarray:
    """Return the predicted class of each row as a position."""
    return scores.argmax(axis=1) if scores.ndim > 1 else scores >= (threshold or 0)


def _cost(compare_with: _PairedComparison, other: np.ndarray | None) -> Comparison | None:
    """Return the comparison of the mean cost of a row; None where params.yaml states no costs."""
    point = compare_with.settings.operating_point
    if problem.TASK != "binary" or other is None or point.threshold is None or point.false_positive_cost is None:
        return None
    cost = metrics.cost(point.threshold, point.false_positive_cost, point.false_negative_cost or 0.0, point.cost_unit)
    return compare_with("costs", {ALL: np.arange(len(compare_with.y))}, other, [cost])[ALL][0]


def _contract_changes(champion: Champion, settings: Settings) -> list[str]:
    """Return what clients of the champion must do to use the service of the candidate."""
    document = openapi(problem.Row, problem.TASK, problem.TARGET, "candidate", settings.serving.max_rows)
    before = champion.contract or former_contract.document(predictor.signature(champion.model), document)
    return breaking_changes(before, document)


@dataclass(frozen=True)
class _ReleaseComparison:
    """A release with its comparisons by group, none where the release has an error."""

    release: Released
    groups: dict[str, list[Comparison]]
    rows: FormerRows | None = None
    """The test rows as the release reads them; None where it cannot."""
    predictions: np.ndarray | None = None
    is_same_problem: bool = True
    """Whether its model is for the candidate's problem, so that their sizes can be compared, too."""


@dataclass(frozen=True)
class _PairedComparison:
    """Compares the candidate's predictions with others for the same rows."""

    y: np.ndarray
    candidate: np.ndarray
    signature: Mapping[str, Any]
    """Signature of the candidate."""
    settings: Settings

    def __call__(
        self,
        name: str,
        groups: Mapping[str, np.ndarray],
        other: np.ndarray,
        measured: Sequence[metrics.Metric] | None = None,
    ) -> dict[str, list[Comparison]]:
        """Return the comparisons of each group by the metrics `measured`, by default those of the task."""
        output.progress(f"compare: with {name}")
        gates_settings, segment_count = self.settings.gates, len(groups) - 1
        alpha = 1 - gates_settings.confidence
        return bootstrap.compare(
            self.y,
            self.candidate,
            other,
            list(metrics.for_task(problem.TASK).values()) if measured is None else measured,
            groups,
            resamples=gates_settings.resamples,
            confidence={name: 1 - (alpha if name == ALL else alpha / segment_count) for name in groups},
            seed=self.settings.seed,
        )


def _release_comparison(
    champion: Champion, rows: Batches, groups: Mapping[str, np.ndarray], compare_with: _PairedComparison
) -> _ReleaseComparison:
    """Return the comparison with a release, or the reason why its model cannot score these rows."""
    release = Released(version=champion.version, digest=champion.digest, commit=champion.commit)
    try:
        former = _rows_of(champion, rows, compare_with.signature)
        prediction = _predictions(champion, former)
    except IncomparableError as error:
        reason = {"error": f"{champion.version} {error}", "decision": _decision(champion, compare_with.settings.gates)}
        is_same_problem = not isinstance(error, OtherProblemError)
        return _ReleaseComparison(release.model_copy(update=reason), {}, is_same_problem=is_same_problem)
    return _ReleaseComparison(release, compare_with(champion.version, groups, prediction), former, prediction)


def _predictions(champion: Champion, rows: FormerRows) -> np.ndarray:
    """Return the champion's predictions. Raises IncomparableError where its classes or packages are gone."""
    try:
        scorer = predictor.load(champion.model)
        return np.concatenate([scorer.predict(_arrays(batch)) for batch in rows])
    except Exception as error:  # noqa: BLE001  its classes are code of an earlier commit
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:REASON_LENGTH_MAX]
        raise IncomparableError(
            f"cannot predict here ({reason}); keep the classes and packages of its model until it is replaced"
        ) from None


def _decision(champion: Champion, limits: GatesSection) -> Decision | None:
    """Return what params.yaml decides about a champion that cannot be compared, in force or expired."""
    decision = limits.uncompared_releases.get(champion.version)
    return None if decision is None else Decision(**dict(decision), compared=datetime.now(UTC).date())


def _rows_of(champion: Champion, rows: Batches, candidate: Mapping[str, Any]) -> FormerRows:
    """Return the test rows as the champion reads them. Raises OtherProblemError if it predicts another thing."""
    signature = predictor.signature(champion.model)
    for key in ("task", "target", "classes"):
        if signature[key] != candidate[key]:
            raise OtherProblemError(f"has {key} {signature[key]}, the candidate {candidate[key]}")
    return former_contract.rows(signature, rows)


def _scores(column: pa.ChunkedArray) -> np.ndarray:
    """Return the predictions in a column of numbers, shape (n,), or of lists, shape (n, classes)."""
    is_list = pa.types.is_list(column.type)
    values = [(chunk.flatten() if is_list else chunk).to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(values).reshape((len(column), -1) if is_list else len(column))


def _arrays(features: pd.DataFrame) -> dict[str, np.ndarray]:
    return {str(name): values.to_numpy() for name, values in features.items()}


def _latency(
    new: Candidate, champion: Champion | None, released: _ReleaseComparison | None, limits: GatesSection
) -> Sides | None:
    """Return the latency of both models, each on rows of its own contract; None where there is no second one."""
    if champion is None or released is None or released.rows is None:
        return None
    sides: dict[str, tuple[Path, Iterable[pd.DataFrame]]] = {
        "candidate": (new.model, FeatureBatches(new.test_rows)),
        "champion": (champion.model, released.rows),
    }
    return latency(sides, limits)


def latency(models: Mapping[str, tuple[Path, Iterable[pd.DataFrame]]], limits: GatesSection) -> Sides:
    """Return the median milliseconds in which each model scores one of the first rows of its batches.

    The calls are interleaved, so noise hits all models.
    """
    scorers = {
        name: (predictor.load(model), _single_rows(_arrays(next(iter(batches)).head(LATENCY_ROWS_MAX))))
        for name, (model, batches) in models.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in scorers}
    for call in range(limits.latency_calls):
        for name, (scorer, rows) in scorers.items():
            start = time.perf_counter()
            scorer.predict(rows[call % len(rows)])
            seconds[name].append(time.perf_counter() - start)
    return Sides.model_validate({name: float(np.median(durations) * 1000) for name, durations in seconds.items()})


def _single_rows(columns: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    count = min(map(len, columns.values()))
    return [{name: values[[row]] for name, values in columns.items()} for row in range(count)]


def _bytes(model: Path) -> int:
    return sum(file.stat().st_size for file in model.rglob("*") if file.is_file() and file.name != "release.json")
