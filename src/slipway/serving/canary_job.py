"""The canary's judgment in a cluster: `python -m slipway.serving.canary_job`, in the image of the release.

A job of Argo Rollouts runs it in each step, against one ReplicaSet of the canary and one of the baseline of the same
age. It reads the counts of their pods from Prometheus and judges them as the agent does, by `advance`. Exit status: 0
if the canary passed, 1 if it must be rolled back.

The evidence is computed from all samples of the step at each evaluation; nothing is stored.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import httpx
from prometheus_client.samples import Sample

from slipway.errors import ArgumentError, UserError
from slipway.gates.canary_progress import SIDES, Progress, advance, begin, failure_reason
from slipway.serving import model_folder
from slipway.serving.canary_counts import (
    LATENCY_METRIC,
    PREDICTIONS_METRIC,
    REQUESTS_METRIC,
    count_service,
)
from slipway.settings import read_section
from slipway.settings.operation import CanarySection

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from slipway.gates.canary import Counts

    Scrapes = dict[str, dict[float, Counts | None]]
    """Counts of each pod of a side, by the time of the scrape in seconds since 1970."""
    Round = tuple[float, dict[str, dict[str, Counts] | None]]
    """Time, and the newest counts by side and pod; None for a side with a pod that exports no metrics."""

METRICS = (REQUESTS_METRIC, LATENCY_METRIC, f"{PREDICTIONS_METRIC}_bucket", f"{PREDICTIONS_METRIC}_count")
LABELS = frozenset({"status", "class", "le"})  # of the service; Prometheus adds others
NAME = re.compile("[a-z0-9]([a-z0-9-]*[a-z0-9])?")  # of a ReplicaSet or a namespace
START_SECONDS = 300  # maximum age of the pods when the job starts: progressDeadlineSeconds of the Rollout
STALE_SECONDS = 60  # without a scrape, after which a pod is gone; scrapes are 15 to 30 s apart
TIMEOUT_SECONDS = 10  # of a query


def main(arguments: Sequence[str] | None = None) -> int:
    """Wait until the canary ends, print its verdicts and return the exit status: 0 only if it passed."""
    options = _parser().parse_args(arguments)
    try:
        path = model_folder.root() / "params.yaml"
        limits = CanarySection.model_validate(read_section("canary", path)).of_cluster_step()
        progress = follow(options.prometheus, options.namespace, options.canary, options.baseline, limits)
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    for verdict in progress.verdicts:
        print(f"{verdict.gate}: {verdict.outcome}: {verdict.reason or verdict.observed}")
    print(progress.outcome if progress.outcome == "passed" else f"{progress.outcome}: {failure_reason(progress)}")
    return 0 if progress.outcome == "passed" else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Judge one step of a canary by its metrics in Prometheus.")
    parser.add_argument("--prometheus", required=True, help="address, such as http://prometheus.monitoring.svc:9090")
    parser.add_argument("--namespace", required=True, help="namespace of the pods")
    parser.add_argument("--canary", required=True, help="ReplicaSet of the new release")
    parser.add_argument("--baseline", required=True, help="ReplicaSet of the stable release, of the same age")
    return parser


def follow(prometheus: str, namespace: str, canary: str, baseline: str, limits: CanarySection) -> Progress:
    """Judge the pods of two ReplicaSets every `interval_seconds` and return the ended canary. Raises UserError."""
    replica_sets = dict(zip(SIDES, (canary, baseline), strict=True))
    for name in (namespace, *replica_sets.values()):
        if not NAME.fullmatch(name):
            raise ArgumentError(f"{name}: not a name in Kubernetes; give the name of a ReplicaSet or a namespace")
    query = _query(namespace, replica_sets, limits.step_seconds + limits.hold_seconds + START_SECONDS)
    started, problem = time.time(), ""
    while True:
        now = time.time()
        try:
            sides = scrapes(_ask(prometheus, query, now), replica_sets)
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            problem, before = f"{prometheus}: {type(error).__name__}: {error}".splitlines()[0], problem
            if problem != before:
                print(problem, file=sys.stderr, flush=True)
            sides = {side: {} for side in SIDES}
        progress = replay(sides, started, now, limits)
        if progress.outcome:
            return progress
        time.sleep(limits.interval_seconds)


def _query(namespace: str, replica_sets: Mapping[str, str], seconds: float) -> str:
    """Return the query for the raw samples of the last `seconds`, each with the time of its scrape."""
    metrics, pods = "|".join(METRICS), "|".join(replica_sets.values())
    selector = f'{{__name__=~"{metrics}", namespace="{namespace}", pod=~"({pods})-[a-z0-9]+"}}'
    return f"{selector}[{math.ceil(seconds)}s]"


def _ask(prometheus: str, query: str, now: float) -> list[dict[str, Any]]:
    """Return the series of a range vector. Raises httpx.HTTPError, ValueError, KeyError or TypeError."""
    url = f"{prometheus.rstrip('/')}/api/v1/query"
    answer = httpx.post(url, data={"query": query, "time": f"{now:.3f}"}, timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
    series: list[dict[str, Any]] = answer.json()["data"]["result"]
    return series


def scrapes(series: Sequence[Mapping[str, Any]], replica_sets: Mapping[str, str]) -> dict[str, Scrapes]:
    """Return the counts of each side's pods; all samples of a scrape have its time."""
    samples: dict[str, dict[float, list[Sample]]] = defaultdict(lambda: defaultdict(list))
    for timeline in series:
        metric = timeline["metric"]
        labels = {name: value for name, value in metric.items() if name in LABELS}
        for scraped, value in timeline["values"]:
            samples[metric["pod"]][float(scraped)].append(Sample(metric["__name__"], labels, float(value)))
    return {
        side: {
            pod: {scraped: count_service(page, favored=side == SIDES[0]) for scraped, page in pages.items()}
            for pod, pages in samples.items()
            if pod.rpartition("-")[0] == name
        }
        for side, name in replica_sets.items()
    }


def rounds(sides: Mapping[str, Scrapes], now: float) -> Iterator[Round]:
    """Yield whenever every pod has been scraped since the previous round, so that both sides cover as many scrapes.

    A pod without a scrape for STALE_SECONDS before `now` is gone: no round waits for it after its last scrape.
    """
    pages = {pod: page for pods in sides.values() for pod, page in pods.items()}
    gone = {pod for pod, page in pages.items() if max(page) < now - STALE_SECONDS}
    newest: dict[str, dict[str, Counts | None]] = {side: {} for side in sides}
    pending: set[str] = set()
    events = [(scraped, side, pod) for side, pods in sides.items() for pod, page in pods.items() for scraped in page]
    for scraped, side, pod in sorted(events):
        newest[side][pod] = pages[pod][scraped]
        pending.discard(pod)
        if not pending and all(newest.values()):
            yield scraped, {side: _complete(counts) for side, counts in newest.items()}
            pending = {pod for pod in pages if min(pages[pod]) <= scraped < (max(pages[pod]) if pod in gone else now)}


def _complete(counts: Mapping[str, Counts | None]) -> dict[str, Counts] | None:
    present = {pod: count for pod, count in counts.items() if count is not None}
    return present if len(present) == len(counts) else None


def replay(sides: Mapping[str, Scrapes], started: float, now: float, limits: CanarySection) -> Progress:
    """Return the progress of a canary of one step that `started` then, after all rounds until `now`."""
    progress, last = begin(1, started), -math.inf
    sources: dict[str, dict[str, Counts] | None] = dict.fromkeys(SIDES)
    for last, sources in rounds(sides, now):
        progress = advance(progress, 1, sources, last, limits, gap_max_seconds=math.inf)
        if progress.outcome:
            return progress
    if now - last > STALE_SECONDS:
        sources = dict.fromkeys(SIDES)
    return advance(progress, 1, sources, now, limits, gap_max_seconds=math.inf)


if __name__ == "__main__":
    sys.exit(main())
