"""`slipway smoke`: does the front door serve the desired release, and does it still answer as when it was built?"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import httpx

from slipway.delivery import clients, release
from slipway.delivery.agent import installation
from slipway.delivery.desired_state import BRANCH, DeployBranch
from slipway.delivery.environment_file import path_of
from slipway.delivery.home import Place, gateway_url
from slipway.delivery.load.traffic import SYNTHETIC_ID_PREFIX
from slipway.delivery.store import fetch
from slipway.errors import UserError
from slipway.gates import Outcome, Verdict, overall
from slipway.git import Git
from slipway.results import recorded

if TYPE_CHECKING:
    from slipway.delivery.environment_file import EnvironmentFile
    from slipway.delivery.store import Store


def smoke(root: Path, environment: str, store: Store) -> int:
    """Judge `environment` and record it in results/smoke.json. Returns the exit code: 0 only for a pass."""
    with recorded("smoke", root / "results") as result:
        result.evidence = {"environment": environment}
        branch = DeployBranch(Git(root))
        branch.fetch()
        desired = branch.read(environment)
        if desired is None:
            raise UserError(
                f"{BRANCH}:{path_of(environment)}: not there; run `slipway promote --environment {environment}`"
            )
        result.evidence |= {"release": desired.release, "digest": desired.digest}
        url = gateway_url(environment)
        shown, rows = known(environment, desired, store)
        result.verdicts = [
            judge_release(shown, clients.get_release(url)),
            judge_answers(rows, _predictions(url, rows)),
        ]
    for verdict in result.verdicts:
        observed = f"{verdict.observed} ({verdict.threshold}) {verdict.reason}".rstrip()
        print(f"{environment}: {verdict.gate}: {verdict.outcome}: {observed}")
    return 0 if overall(result.verdicts) is Outcome.PASS else 1


def judge_release(expected: dict[str, Any], shown: dict[str, Any] | None) -> Verdict:
    """The front door must show the very release: version, commit, and the SHA-256 of each file of the model."""
    observed = shown.get("version", "no version") if shown else "no answer"
    same = shown == expected
    reason = "" if same or observed != expected["version"] else "same version, but another commit or other files"
    return Verdict("release", Outcome.PASS if same else Outcome.FAIL, expected["version"], str(observed), reason)


def judge_answers(known: dict[str, Any], answers: list[Any] | None) -> Verdict:
    """Each known row must be answered as when the release was built, within its tolerance."""
    threshold = f"difference at most {known['tolerance']:g}"
    if answers is None or len(answers) != len(known["rows"]):
        return Verdict(
            "answers", Outcome.FAIL, threshold, "no answer" if answers is None else f"{len(answers)} answers"
        )
    largest = max(map(_difference, known["predictions"], answers))
    passed = largest <= known["tolerance"]  # NaN is not
    observed = f"{largest:.1e} on {len(answers)} rows"
    return Verdict("answers", Outcome.PASS if passed else Outcome.FAIL, threshold, observed)


def _difference(expected: Any, answer: Any) -> float:
    """Largest difference of a prediction, relative where that is larger than one, as float32 keeps seven digits of it.

    Infinite when it is not of the same kind.
    """
    if isinstance(expected, dict):
        if not isinstance(answer, dict) or expected.keys() != answer.keys():
            return float("inf")
        return max(_difference(expected[name], answer[name]) for name in expected)
    return abs(expected - answer) / max(1, abs(expected)) if isinstance(answer, int | float) else float("inf")


def known(environment: str, desired: EnvironmentFile, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the release shows, and its known rows: from the copy that an agent installed here, else from the store."""
    installed = installation.folder(Place.of(environment), desired.digest)
    with TemporaryDirectory() as scratch:
        if installed.exists():
            folder = release.verify(installed, desired.digest).folder
        else:
            folder = fetch(store, desired.release, desired.digest, Path(scratch) / "release").folder
        return _json(folder / "model" / release.RELEASE), _json(folder / release.SMOKE)


def _predictions(url: str, known: dict[str, Any]) -> list[Any] | None:
    try:
        answer = clients.client().post(
            f"{url}/predict", json=known["rows"], headers={"X-Request-ID": f"{SYNTHETIC_ID_PREFIX}smoke"}
        )
        return answer.json()["predictions"] if answer.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, ValueError, KeyError):
        return None


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))
