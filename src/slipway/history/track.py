"""`slipway track`: the newest run as a run of MLflow, for teams that compare experiments there. Git stays the truth.

A run is mirrored once: its tag `slipway.run` names commit, model and start.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import problem
from slipway import figures, output, results
from slipway.dvc.files import DvcFiles, blobs
from slipway.errors import MissingFileError, MissingToolError, ToolError
from slipway.evaluation.segments import ALL
from slipway.git.redact import redacted
from slipway.report.release import leaves
from slipway.settings import PARAMS, read_unchecked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

    from slipway.gates.training_evidence import TrainEvidence
    from slipway.results import JobResult

URI, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
DEFAULTS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Settings of MLflow that are not set already: by default it tries for several minutes."""
BATCH_ITEMS_MAX = 100  # parameters or tags that MLflow takes in a request; it takes 1,000 metrics
VALUE_CHARACTERS_MAX = 500  # of a parameter; the smallest limit of a store of MLflow
REASON_CHARACTERS_MAX = 300
RUN = "slipway.run"


def track(root: Path = Path()) -> str:
    """Mirror the newest run in `root`, and return a sentence on what was done. Raises UserError."""
    uri = os.environ.get(URI, "").strip()
    if not uri:
        return f"{URI} is not set, so no run is mirrored; git has it"
    trained = results.find(results.TRAIN, root / results.RESULTS)
    if trained is None or trained.evidence is None:
        raise MissingFileError(f"{results.RESULTS}/train.json: no run; run `slipway train` first")
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
    except ImportError:
        raise MissingToolError("mlflow: not installed; run `uv sync --group mlflow`") from None
    try:
        return _mirror(MlflowClient(uri), root, trained, trained.evidence)
    except MlflowException as error:
        reason = figures.shorten(redacted(str(error).splitlines()[0]), REASON_CHARACTERS_MAX)
        raise ToolError(f"{URI}: {reason}; check that the server runs and accepts you") from None


def _mirror(client: MlflowClient, root: Path, trained: JobResult[Any], evidence: TrainEvidence) -> str:
    model = DvcFiles.read(root).model
    digest, _ = blobs(root / model)
    tags = _tags(trained, evidence, digest, root)
    name = os.environ.get(EXPERIMENT) or problem.TARGET
    existing = client.get_experiment_by_name(name)
    experiment = existing.experiment_id if existing else client.create_experiment(name)
    if same := client.search_runs([experiment], f"tags.`{RUN}` = '{tags[RUN]}'", max_results=1):
        return f"already mirrored as run {same[0].info.run_id} of {name}"
    start = int(trained.started.timestamp() * 1000)
    run = client.create_run(experiment, start_time=start, tags=tags, run_name=evidence.commit[:12]).info.run_id
    _log(client, run, _parameters(read_unchecked(root / PARAMS)), [*_metrics(root, evidence, digest, start)])
    client.log_artifacts(run, str(root / model), "model")
    client.set_terminated(run, end_time=start + int(trained.seconds * 1000))
    return f"mirrored as run {run} of {name}"


def _log(client: MlflowClient, run: str, parameters: Mapping[str, str], metrics: list[Metric]) -> None:
    """Log in batches of the sizes that MLflow accepts."""
    from mlflow.entities import Param

    for batch in _batches(Param(name, value) for name, value in parameters.items()):
        client.log_batch(run, params=batch)
    for batch in _batches(metrics):
        client.log_batch(run, metrics=batch)


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, BATCH_ITEMS_MAX)):
        yield batch


def _tags(trained: JobResult[Any], evidence: TrainEvidence, digest: str, root: Path) -> dict[str, str]:
    compared = results.comparison_of(digest, root)
    champion = compared[1].champion if compared else None
    return {
        RUN: f"{evidence.commit} {digest} {trained.started.isoformat()}",
        "mlflow.source.git.commit": evidence.commit,
        "mlflow.user": evidence.by,
        "slipway.data": DvcFiles.read(root).data_version,
        "slipway.model": digest,
        "slipway.train": trained.outcome,
        **({"slipway.compare": compared[0].outcome} if compared else {}),
        **({"slipway.champion": champion.version} if champion else {}),
        **({"slipway.changed_files": str(len(evidence.changed_files))} if evidence.changed_files else {}),
    }


def _parameters(values: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Return parameters by dotted path, as text."""
    values_by_path: dict[str, str] = {}
    for key, value in values.items():
        name = f"{above}{key}"
        values_by_path |= (
            _parameters(value, f"{name}.") if isinstance(value, dict) else {name: str(value)[:VALUE_CHARACTERS_MAX]}
        )
    return values_by_path


def _metrics(root: Path, evidence: TrainEvidence, digest: str, time: int) -> Iterator[Metric]:
    """Yield the metrics of the pipeline, the loss curve, and the gains of this model over production."""
    from mlflow.entities import Metric

    measured = evidence.metrics
    for name, value in leaves({"evaluate": measured.evaluate, "importance": measured.importance}):
        yield Metric(_key(name), value, time, 0)
    for point in evidence.loss:
        yield Metric(f"loss.{point.rows}", point.loss, time, point.iteration)
    compared = results.comparison_of(digest, root)
    for row in compared[1].production.get(ALL, []) if compared else []:
        yield Metric(f"gain.{row.metric}", row.gain.value, time, 0)


def _key(name: str) -> str:
    """Return a name with the characters that MLflow allows in a metric."""
    return "".join(character if character.isalnum() or character in "_-. /" else "_" for character in name)


def main() -> None:
    """Run the command, and print what was done."""
    output.message("track", track())
