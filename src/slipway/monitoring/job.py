"""The verb `monitor`: collect, look at a window, judge it, and leave results/monitor.json and a page for people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import problem
from slipway import dvc, predictor
from slipway.delivery import evidence
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.home import Place, store_url
from slipway.delivery.load.loadtest import JOB as LOAD_TEST
from slipway.delivery.store import fetch, open_store
from slipway.errors import UserError
from slipway.files import write_text
from slipway.gates import Outcome
from slipway.git import Git
from slipway.monitoring import collect, readings
from slipway.monitoring.assess import assess
from slipway.monitoring.memory import Memory
from slipway.monitoring.reference import PROVED, Promise, Reference
from slipway.monitoring.spans import BEFORE
from slipway.monitoring.window import LiveWindow, Service
from slipway.report import markdown, monitoring_page
from slipway.report import monitoring as report
from slipway.results import RESULTS, recorded
from slipway.settings import read_params, read_unchecked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slipway.delivery.store import Store
    from slipway.monitoring.assess import Assessment
    from slipway.monitoring.collect import Collected, Collection
    from slipway.monitoring.readings import Readings

JOB = "monitor"
DATA = Path("data")
SHELF = Path("build/monitor")
MEMORY, READINGS = "memory.json", "readings.json"


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    days: float | None
    since: str | None
    until: str | None
    labels: Path

    def bounds(self, days: float) -> tuple[datetime, datetime]:
        """Start and end of the window, UTC; `days` is its length where none is asked for."""
        end = moment("--until", self.until) if self.until else datetime.now(UTC)
        start = moment("--since", self.since) if self.since else end - timedelta(days=self.days or days)
        if start >= end:
            raise UserError(f"--since {start:%Y-%m-%dT%H:%M}: not before the end of the window, {end:%Y-%m-%dT%H:%M}")
        return start, end


def main(environment: str, asked: Asked, *, as_json: bool) -> int:
    """What `slipway monitor` does. Returns its exit code: 0 only when every question passed."""
    place, params = Place.of(environment), read_params()
    with recorded(JOB) as result:
        result.evidence = {"environment": environment}
        start, end = asked.bounds(params["monitoring"]["window_days"])
        collection = collect.of_environment(place, problem.Row)
        collected, known = bring(environment, place, collection)
        reference, params = reference_of(environment, params)
        window = seen(collection, start, end, asked.labels, known.between(start, end), params)
        found = assess(window, reference, remembered(collection), params)
        result.verdicts = found.verdicts
        result.evidence |= {"collected": vars(collected), **found.evidence}
        collection.keep(MEMORY, found.memory.model_dump_json() + "\n")
        write_pages(environment, found)
    print(result.model_dump_json(indent=2) if as_json else report.text(found.verdicts, found.retrain))
    return 0 if result.outcome is Outcome.PASS else 1


def only_collect(environment: str) -> str:
    """What `slipway collect` does, on the machine that serves, where others look. Returns what there was, in a line."""
    place = Place.of(environment)
    collected, known = bring(environment, place, collect.of_environment(place, problem.Row))
    told = f"{collected.rows} rows, {collected.own} of our own left out, {collected.unreadable} lines unreadable"
    return f"{environment}: {told}; {len(known.kept)} readings of the counters"


def bring(environment: str, place: Place, collection: Collection) -> tuple[Collected, Readings]:
    """Take in what the log and the counters of the services say by now; on a machine that serves nothing, neither."""
    collected = collection.collect(place.predictions)
    known = readings.parse(collection.text(READINGS)).with_new(readings.read(environment, place, datetime.now(UTC)))
    collection.keep(READINGS, known.model_dump_json() + "\n")
    return collected, known


def seen(
    collection: Collection,
    start: datetime,
    end: datetime,
    source: Path,
    service: Service | None,
    params: Mapping[str, Any],
) -> LiveWindow:
    """The window, with a share of the time before it that is bounded."""
    began = start - BEFORE * (end - start)
    before, share = collection.read_some(began, start, params["monitoring"]["previous_rows"])
    return LiveWindow(
        start,
        end,
        collection.read(start, end),
        before if len(before) else None,
        labels(source, began),
        service,
        before_share=share,
    )


def moment(option: str, text: str) -> datetime:
    """A time of the command line, UTC unless it says otherwise."""
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option} {text}: no time; give one such as 2013-10-01 or 2013-10-01T12:00") from None
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def reference_of(environment: str, params: dict[str, Any]) -> tuple[Reference, dict[str, Any]]:
    """The release in `environment`, and the rows in data/ that it was trained on.

    Data only ever grows, so its rows are those until the end of its test period.
    """
    branch = DeployBranch(Git(Path()))
    branch.fetch()
    desired = branch.read(environment)
    if desired is None:
        raise UserError(f"{environment}: runs nothing yet; `slipway promote --environment {environment}`")
    with TemporaryDirectory() as folder:
        store = open_store(store_url())
        built = fetch(store, desired.release, desired.digest, Path(folder) / desired.release)
        manifest, model = built.manifest, predictor.load(built.folder / "model")
        own = read_unchecked(built.folder / "params.yaml")
        promise = promise_of(manifest, proved(store, desired.release))
    trained = params | {name: own[name] for name in ("split", "seed") if name in own}
    if not DATA.exists():
        dvc.pull()  # a fresh checkout has none
    frame = problem.load(DATA)
    period = manifest["metrics"].get("prepare", {}).get("period")
    if problem.TIME_COLUMN and period:
        frame = frame[frame[problem.TIME_COLUMN] <= datetime.fromisoformat(period["test"][1])]
    return Reference.of(promise, frame, model, trained, SHELF), params


def proved(store: Store, release: str) -> Mapping[str, float] | None:
    """What the newest load test that passed, of those kept beside a release, has shown of it; None without one."""
    passed = (one.evidence for one in evidence.results_of(store, release, LOAD_TEST) if one.outcome is Outcome.PASS)
    return next(({name: one[name] for name in PROVED} for one in passed), None)


def promise_of(manifest: dict[str, Any], load: Mapping[str, float] | None) -> Promise:
    """What a release's manifest says, and its load test."""
    metrics = manifest["metrics"]
    return Promise(
        release=manifest["version"],
        built=datetime.fromisoformat(manifest["built"]),
        metrics=metrics.get("evaluate", {}).get("model", {}),
        importance=metrics.get("importance", {}),
        load=load,
    )


def labels(source: Path, since: datetime) -> Any:
    """What `problem.labels` knows; None for a problem without it."""
    hook = getattr(problem, "labels", None)
    return None if hook is None else hook(source, since)


def remembered(collection: Collection) -> Memory:
    """What the look before left."""
    text = collection.text(MEMORY)
    return Memory.model_validate_json(text) if text else Memory()


def write_pages(environment: str, found: Assessment) -> None:
    """results/monitor/report.md and index.html."""
    folder = RESULTS / JOB
    folder.mkdir(parents=True, exist_ok=True)
    document = report.write(environment, found.verdicts, found.evidence)
    write_text(folder / "report.md", markdown.render(document))
    page = monitoring_page.render(environment, found.verdicts, found.evidence, found.memory.points)
    write_text(folder / "index.html", page)
