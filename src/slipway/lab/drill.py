"""`slipway drill`: repeated promotion, canary and rollback under load, in which no request may fail.

Each run promotes another release through its canary, rolls it back, promotes it again and aborts that canary half way,
while clients send requests to the gateway. At the end the environment serves the release that it had before.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from slipway import output
from slipway.deployment import promotion, rollout, smoke, waiting
from slipway.environment import state
from slipway.environment.environment import Environment
from slipway.errors import NoReleaseError, NotReadyError
from slipway.gates import Outcome, Verdict
from slipway.loadtest import loadtest, traffic
from slipway.release.store import open_store
from slipway.results import Job, JobResult, recorded
from slipway.schema.bounds import Evidence, Maybe
from slipway.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slipway.environment.spec import EnvironmentFile
    from slipway.release.store import Store
    from slipway.settings import Settings

POLL_SECONDS = 0.1  # between two reads of the agent's state


class DrillEvidence(Evidence):
    """Evidence of the job `drill`."""

    environment: str
    release: str
    """The release that each run promotes and rolls back."""
    runs: list[traffic.ResponseCounts]


DRILL: Final = Job("drill", JobResult[Maybe[DrillEvidence]])


class Drill:
    """A drill of one environment, between its running release and another one."""

    def __init__(self, environment: Environment, other: str | None, store: Store, settings: Settings) -> None:
        """Choose the releases and read the rows to send. Raises UserError without two releases or without an agent."""
        self._environment, self._store = environment, store
        without_traffic = settings.canary.model_copy(update={"synthetic_rate": 0})
        self._settings = settings.model_copy(update={"canary": without_traffic})
        self._url = loadtest.address(environment.url, settings.loadtest.hosts)
        environment.fetch()
        current = environment.desired()
        others = [
            name
            for name in environment.branch.versions()
            if current and name != current.release and name in store.versions()
        ]
        if current is None or not (other or others):
            raise NoReleaseError(f"{environment}: a drill needs two releases; promote one and publish another")
        self._current, self.other = current, other or others[-1]
        self.rows = smoke.read_expected(environment, current, store)[1].rows

    def run(self, requests: int, rate: float, seed: int) -> tuple[traffic.Responses, float]:
        """Run the drill once and return the responses and its seconds. Raises UserError when a change fails."""
        self._wait_until_served(self._current)
        start = time.monotonic()
        with traffic.sending(self._url, self.rows, rate, seed) as responses:
            content = self._promote()
            rollout.follow(self._environment, content, self._settings, self._store)
            self._wait_until_served(content)
            self._roll_back()
            promoted = self._promote()
            self._wait_until(
                lambda observed: bool(observed.canary and observed.canary.promotion == promoted.promotion),
                f"the canary of {promoted.release} did not start",
            )
            self._roll_back()
            self._wait_until(
                lambda _: responses.total >= requests, f"fewer than {requests:,} responses", requests / rate
            )
        return responses, time.monotonic() - start

    def _promote(self) -> EnvironmentFile:
        return promotion.promote(self._environment.fetch(), self.other, self._store, canary=self._settings.canary)

    def _roll_back(self) -> None:
        self._wait_until_served(promotion.rollback(self._environment.fetch(), None, self._store))

    def _wait_until_served(self, content: EnvironmentFile) -> None:
        """Wait until the gateway serves only this release and every instance of another one has ended.

        The state file alone is no proof: after a stop it still names the release that was served last.
        """
        waiting.until_served(self._environment, content, self._settings.agent.promote_seconds)

        def is_settled(observed: state.State) -> bool:
            others = [
                instance
                for instance in observed.instances
                if (instance.digest, instance.phase) != (content.digest, "ready")
            ]
            return observed.serving == content and observed.desired == content and not others

        self._wait_until(is_settled, f"{content.release} does not serve alone")

    def _wait_until(self, holds: Callable[[state.State], bool], problem: str, extra_seconds: float = 0.0) -> None:
        """Wait until `holds` is true of the observed state. Raises UserError with `problem` after a timeout."""
        timeout = self._settings.agent.promote_seconds + extra_seconds
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            observed = state.read(self._environment.place)
            if observed and holds(observed):
                return
            time.sleep(POLL_SECONDS)
        raise NotReadyError(f"{self._environment}: {problem} after {timeout:g} s; see `slipway status`")


def drill(
    drilled: Drill, environment: Environment, runs: int, load: tuple[int, float], seed: int
) -> JobResult[DrillEvidence | None]:
    """Run a drill `runs` times and record the result in results/drill.json.

    `load` is the minimum number of requests of a run and their rate per second.
    """
    requests, rate = load
    with recorded(DRILL, environment.root / "results") as result:
        records: list[traffic.ResponseCounts] = []
        for number in range(1, runs + 1):
            responses, seconds = drilled.run(requests, rate, seed + number)
            records.append(responses.counts())
            output.step(f"{environment}: run {number} of {runs}: {responses} ({seconds:.0f} s)")
        result.evidence = DrillEvidence(environment=environment.name, release=drilled.other, runs=records)
        result.verdicts = judge(records, requests)
    return result


def judge(runs: Sequence[traffic.ResponseCounts], requests: int) -> list[Verdict]:
    """Return the verdicts of a drill: every run sent at least `requests`, and no request failed."""
    total, failed = sum(run.requests for run in runs), sum(run.failed for run in runs)
    smallest = min((run.requests for run in runs), default=0)
    enough, right = smallest >= requests > 0, failed == 0 < total
    return [
        Verdict("drill: requests", _outcome(enough), f"at least {requests:,} per run", f"{smallest:,} in the smallest"),
        Verdict("drill: failures", _outcome(right), "none", f"{failed:,} of {total:,} in {len(runs)} runs"),
    ]


def _outcome(passed: bool) -> Outcome:
    return Outcome.PASS if passed else Outcome.FAIL


def run(environment: Environment, version: str | None, runs: int, requests: int, rate: float) -> int:
    """Run a drill of an environment, print its verdicts and return the exit status, 0 when no request failed."""
    settings = read_settings()
    drilled = Drill(environment, version, open_store(), settings)
    result = drill(drilled, environment, runs, (requests, rate), settings.seed)
    for verdict in result.verdicts:
        output.result_line(f"{verdict.gate}: {verdict.outcome}: {verdict.observed} ({verdict.threshold})")
    return 0 if result.outcome is Outcome.PASS else 1
