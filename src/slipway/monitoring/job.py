"""The commands `monitor` and `collect`: store the prediction log, assess a window, and write results and pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pandas as pd

import problem
from slipway import figures, output, predictor
from slipway.batch.spans import PREVIOUS_WINDOWS
from slipway.dvc import client
from slipway.errors import ArgumentError
from slipway.files import write_text
from slipway.gates import Outcome
from slipway.gates.monitoring_evidence import MonitorEvidence
from slipway.gates.training_evidence import Metrics
from slipway.loadtest.loadtest import JOB as LOAD_TEST
from slipway.monitoring import collect, snapshots, training_rows
from slipway.monitoring.alarm_state import MonitorState, Point
from slipway.monitoring.assess import assess
from slipway.monitoring.reference import LoadTestBaseline, Reference, ReleaseBaseline
from slipway.monitoring.window import LiveWindow, ServiceCounts
from slipway.release import evidence
from slipway.release.champion import fetch_desired
from slipway.release.manifest import MANIFEST
from slipway.release.store import open_store
from slipway.report import markdown, monitoring_page
from slipway.report import monitoring as report
from slipway.report.monitoring_page import WindowSummary
from slipway.results import MONITOR, RESULTS, read_evidence, recorded
from slipway.serving import prediction_log
from slipway.settings import read_settings, read_unchecked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.environment.environment import Environment
    from slipway.gates.monitoring_evidence import Collected
    from slipway.monitoring.assess import Assessment
    from slipway.monitoring.collect import Collection
    from slipway.monitoring.snapshots import CounterHistory
    from slipway.release.manifest import Manifest
    from slipway.release.store import Store
    from slipway.settings.operation import MonitoringSection

DATA = Path("data")
STATE_FILE, COUNTERS_FILE = "memory.json", "readings.json"


@dataclass(frozen=True)
class WindowOptions:
    """The window that the command line selects."""

    days: float | None
    since: str | None
    until: str | None
    labels: Path

    def bounds(self, days: float) -> tuple[datetime, datetime]:
        """Return start and end of the window, UTC; `days` is the default length. Raises UserError if empty."""
        end = parse_time("--until", self.until) if self.until else datetime.now(UTC)
        start = parse_time("--since", self.since) if self.since else end - timedelta(days=self.days or days)
        if start >= end:
            raise ArgumentError(
                f"--since {start:%Y-%m-%dT%H:%M}: not before the end of the window, {end:%Y-%m-%dT%H:%M}"
            )
        return start, end


def main(environment: Environment, options: WindowOptions) -> int:
    """Run `slipway monitor`, and return its exit code: 0 only if every check passed."""
    settings = read_settings()
    with recorded(MONITOR) as result:
        result.evidence = MonitorEvidence(environment=environment.name)
        start, end = options.bounds(settings.monitoring.window_days)
        collection = collect.of_environment(environment.place, problem.Row)
        collected, counters = update(environment, collection, settings.serving.prediction_log.retention_days)
        limits = settings.monitoring
        reference = reference_of(environment, settings.for_problem(), limits.training_rows)
        window = read_window(collection, start, end, options.labels, counters.between(start, end), limits)
        assessment = assess(window, reference, read_state(collection), settings)
        result.verdicts = assessment.verdicts
        about = {"environment": environment.name, "collected": collected}
        result.evidence = assessment.evidence.model_copy(update=about)
        collection.write_text(STATE_FILE, assessment.state.model_dump_json() + "\n")
        write_pages(environment.name, assessment)
    output.result(result, lambda: report.text(assessment.verdicts, assessment.retrain))
    return 0 if result.outcome is Outcome.PASS else 1


def only_collect(environment: Environment) -> str:
    """Run `slipway collect` on the serving machine, for assessments elsewhere; return a one-line summary."""
    retention_days = read_settings().serving.prediction_log.retention_days
    collection = collect.of_environment(environment.place, problem.Row)
    collected, counters = update(environment, collection, retention_days)
    rows = f"{collected.rows} rows, {collected.own} of Slipway's own skipped, {collected.unreadable} lines unreadable"
    return f"{environment}: {rows}; {len(counters.kept)} counter snapshots"


def update(
    environment: Environment, collection: Collection, retention_days: float | None
) -> tuple[Collected, CounterHistory]:
    """Store the new lines of the log and a snapshot of the counters; a machine without services adds neither.

    With `retention_days`, delete what is older, and print it in one line.
    """
    collected = collection.collect(environment.place.predictions)
    if retention_days is not None:
        delete_expired(environment, collection, retention_days)
    history = snapshots.parse(collection.read_text(COUNTERS_FILE))
    history = history.with_new(snapshots.read(environment, datetime.now(UTC)))
    collection.write_text(COUNTERS_FILE, history.model_dump_json() + "\n")
    return collected, history


def delete_expired(environment: Environment, collection: Collection, retention_days: float) -> None:
    """Delete collected days and log files that are older than `retention_days`, and print their numbers."""
    days = collection.remove_before(datetime.now(UTC) - timedelta(days=retention_days))
    files = prediction_log.delete_expired(environment.place.predictions, retention_days)
    if days or files:
        deleted = f"{figures.count(days, 'collected day')} and {figures.count(files, 'log file')}"
        output.step(f"{environment.name}: deleted {deleted} older than {retention_days:g} days")


def read_window(
    collection: Collection,
    start: datetime,
    end: datetime,
    source: Path,
    service: ServiceCounts | None,
    limits: MonitoringSection,
) -> LiveWindow:
    """Read the window and the previous windows, or samples of more rows than `limits` allows."""
    previous_start = start - PREVIOUS_WINDOWS * (end - start)
    previous, previous_fraction = collection.read_sample(previous_start, start, limits.previous_rows)
    rows, fraction = collection.read_sample(start, end, limits.window_rows)
    return LiveWindow(
        start,
        end,
        rows,
        previous if len(previous) else None,
        labels(source, previous_start),
        service,
        fraction=fraction,
        previous_fraction=previous_fraction,
    )


def parse_time(option: str, text: str) -> datetime:
    """Parse a time of the command line; UTC unless it has an offset. Raises UserError."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentError(f"{option} {text}: not a time; use the form 2013-10-01 or 2013-10-01T12:00") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def reference_of(environment: Environment, params: Mapping[str, Any], rows_max: int) -> Reference:
    """Return the reference of the release in `environment`, whose split and seed replace those of `params`.

    Data only grows, so the rows of the release are those in data/ up to the end of its test period, or a sample of
    `rows_max` of them. Raises UserError if nothing is deployed.
    """
    desired, store = environment.require_desired(), open_store()
    with TemporaryDirectory() as folder:
        release = fetch_desired(desired, Path(folder), store)
        manifest, model = release.manifest, predictor.load(release.folder / "model")
        release_params = read_unchecked(release.folder / "params.yaml")
        metrics = read_evidence(Metrics, manifest.metrics, f"{desired.release}: metrics in {MANIFEST}")
        baseline = baseline_of(manifest, metrics, load_test_result(store, desired.release))
    training_params = {**params} | {name: release_params[name] for name in ("split", "seed") if name in release_params}
    if not DATA.exists():
        client.pull()  # a fresh checkout has none
    period = metrics.prepare.period
    end = datetime.fromisoformat(period["test"][1]) if problem.TIME_COLUMN and period else None
    frame, fraction = training_rows.read(DATA, end, rows_max, training_params["seed"])
    return Reference.of(baseline, frame, model, training_params, fraction)


def load_test_result(store: Store, release: str) -> LoadTestBaseline | None:
    """Return the newest passed load test that the store holds for a release; None without one. Raises UserError."""
    results = evidence.results_of(store, release, LOAD_TEST)
    passed = (result.evidence for result in results if result.outcome is Outcome.PASS)
    where = f"{release}: its newest passed load test"
    return next((read_evidence(LoadTestBaseline, measured.model_dump(), where) for measured in passed), None)


def baseline_of(manifest: Manifest, metrics: Metrics, load: LoadTestBaseline | None) -> ReleaseBaseline:
    """Return the baseline from the manifest of a release, its metrics, and the result of its load test."""
    return ReleaseBaseline(
        release=manifest.version,
        built=datetime.fromisoformat(manifest.built),
        metrics=metrics.evaluate.get("model", {}),
        importance=metrics.importance,
        load=load,
    )


def labels(source: Path, since: datetime) -> pd.DataFrame | None:
    """Return the labels from `problem.labels`; None if the problem does not define it."""
    hook = getattr(problem, "labels", None)
    return None if hook is None else hook(source, since)


def read_state(collection: Collection) -> MonitorState:
    """Return the state that the previous assessment stored; an empty one on the first run."""
    text = collection.read_text(STATE_FILE)
    return MonitorState.model_validate_json(text) if text else MonitorState()


def write_pages(environment: str, assessment: Assessment) -> None:
    """Write results/monitor/report.md and index.html."""
    folder = RESULTS / MONITOR.name
    folder.mkdir(parents=True, exist_ok=True)
    document = report.write(environment, assessment.verdicts, assessment.evidence)
    write_text(folder / "report.md", markdown.render(document))
    windows = list(map(_summary, assessment.state.points))
    page = monitoring_page.render(environment, assessment.verdicts, assessment.evidence, windows)
    write_text(folder / "index.html", page)


def _summary(point: Point) -> WindowSummary:
    """Return a window of the monitoring state as the page shows it; older states may lack facts."""
    facts = point.facts
    return WindowSummary(
        point.end,
        point.release,
        rows=facts.rows,
        metric=facts.metric,
        performance=facts.performance,
        baseline=facts.baseline,
        columns=facts.columns,
        p50_milliseconds=facts.p50,
        p99_milliseconds=facts.p99,
    )
