"""`slipway drill`: promotion, canary and rollback under load, again and again; no request may fail.

Each run lets another release take over through its canary, rolls it back, lets it begin once more and calls it off half
way, while clients keep asking the front door. The environment ends with the release that it had.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.delivery import promotion, rollout, smoke
from slipway.delivery.agent import state
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.home import Place, store_url
from slipway.delivery.load import loadtest, traffic
from slipway.delivery.store import open_store
from slipway.errors import UserError
from slipway.gates import Outcome, Verdict
from slipway.git import Git
from slipway.results import recorded
from slipway.settings import read_params

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slipway.delivery.environment_file import EnvironmentFile
    from slipway.delivery.store import Store
    from slipway.results import JobResult

JOB = "drill"
LOOK_SECONDS = 0.1


class Drill:
    """Of one environment, between what it runs and another release."""

    def __init__(
        self, root: Path, environment: str, other: str | None, store: Store, params: Mapping[str, Any]
    ) -> None:
        """Raises UserError when there is nothing to change between, or nobody to change it."""
        self._root, self._environment, self._store = root, environment, store
        self._params = {**params, "canary": {**params["canary"], "synthetic_rate": 0}}
        self._url = loadtest.address(environment, params["loadtest"]["hosts"])
        branch = DeployBranch(Git(root))
        branch.fetch()
        now = branch.read(environment)
        others = [name for name in branch.versions() if now and name != now.release and name in store.versions()]
        if now is None or not (other or others):
            raise UserError(f"{environment}: a drill changes between two releases; promote one, and publish another")
        self._now, self.other = now, other or others[-1]
        self.rows = smoke.known(environment, now, store)[1]["rows"]

    def run(self, requests: int, rate: float, seed: int) -> tuple[traffic.Answers, float]:
        """One run, and how many seconds it took. Raises UserError when something did not end as it should."""
        self._served(self._now)
        start = time.monotonic()
        with traffic.flowing(self._url, self.rows, rate, seed) as answers:
            content = self._promote()
            rollout.follow(self._root, self._environment, content, self._params, self._store)
            self._served(content)
            self._roll_back()
            promoted = self._promote()
            self._until(lambda known: bool(known.canary and known.canary.promotion == promoted.promotion), "its canary")
            self._roll_back()
            self._until(lambda _: answers.total >= requests, f"{requests:,} answers", requests / rate)
        return answers, time.monotonic() - start

    def _promote(self) -> EnvironmentFile:
        return promotion.promote(self._root, self._environment, self.other, self._store, canary=self._params["canary"])

    def _roll_back(self) -> None:
        self._served(promotion.rollback(self._root, self._environment, None, self._store))

    def _served(self, content: EnvironmentFile) -> None:
        """Wait until the front door serves this and nothing else, and what was there before has ended.

        The agent's word alone is not enough: after a stop it still says what served, and nobody does.
        """
        promotion.wait(self._environment, content, self._params["agent"]["promote_seconds"])

        def settled(known: state.State) -> bool:
            rest = [one for one in known.instances if (one.digest, one.phase) != (content.digest, "ready")]
            return known.serving == content and known.desired == content and not rest

        self._until(settled, content.release)

    def _until(self, true: Callable[[state.State], bool], what: str, longer: float = 0.0) -> None:
        deadline = time.monotonic() + self._params["agent"]["promote_seconds"] + longer
        while time.monotonic() < deadline:
            known = state.read(Place.of(self._environment))
            if known and true(known):
                return
            time.sleep(LOOK_SECONDS)
        raise UserError(f"{self._environment}: {what} did not come; see `slipway status`")


def drill(root: Path, drilled: Drill, environment: str, runs: int, load: tuple[int, float], seed: int) -> JobResult:
    """Run it `runs` times at a `load` of so many requests at so many a second; recorded in results/drill.json."""
    requests, rate = load
    with recorded(JOB, root / "results") as result:
        told = []
        for number in range(1, runs + 1):
            answers, seconds = drilled.run(requests, rate, seed + number)
            told.append({"requests": answers.total, "failed": answers.failed, "failures": answers.failures})
            print(f"{environment}: run {number} of {runs}: {answers} ({seconds:.0f} s)", flush=True)
        result.evidence = {"environment": environment, "release": drilled.other, "runs": told}
        result.verdicts = judge(told, requests)
    return result


def judge(runs: list[dict[str, Any]], requests: int) -> list[Verdict]:
    """Every run must have sent enough, and none of its requests may have failed."""
    total, failed = (sum(run[name] for run in runs) for name in ("requests", "failed"))
    fewest = min((run["requests"] for run in runs), default=0)
    enough, right = fewest >= requests > 0, failed == 0 < total
    return [
        Verdict("drill: requests", _outcome(enough), f"at least {requests:,} a run", f"{fewest:,} in the shortest"),
        Verdict("drill: failures", _outcome(right), "none", f"{failed:,} of {total:,} in {len(runs)} runs"),
    ]


def _outcome(passed: bool) -> Outcome:
    return Outcome.PASS if passed else Outcome.FAIL


def run(environment: str, version: str | None, runs: int, requests: int, rate: float) -> int:
    """Drill an environment, print the verdicts, and return the exit code: 0 when no request failed."""
    params, root = read_params(), Path()
    drilled = Drill(root, environment, version, open_store(store_url()), params)
    result = drill(root, drilled, environment, runs, (requests, rate), params["seed"])
    for verdict in result.verdicts:
        print(f"{verdict.gate}: {verdict.outcome}: {verdict.observed} ({verdict.threshold})")
    return 0 if result.outcome is Outcome.PASS else 1
