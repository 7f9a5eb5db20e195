"""`slipway smoke`: a test that the gateway serves the desired release and its predictions match those of the build."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway import output
from slipway.agent import installation
from slipway.environment import client
from slipway.gates import Outcome, Verdict, overall
from slipway.release import manifest, smoke_rows
from slipway.release.champion import fetch_desired
from slipway.results import Subject, recorded

if TYPE_CHECKING:
    from slipway.environment.environment import Environment
    from slipway.environment.release_facts import ReleaseFacts
    from slipway.environment.spec import EnvironmentFile
    from slipway.release.manifest import SmokeTest
    from slipway.release.store import Store


def smoke(environment: Environment, store: Store) -> int:
    """Test `environment`, record results/smoke.json and return the exit status: 0 only when both gates pass."""
    with recorded("smoke", environment.root / "results") as result:
        result.evidence = Subject(environment=environment.name)
        environment.fetch()
        desired = environment.require_desired()
        result.evidence = Subject(environment=environment.name, release=desired.release, digest=desired.digest)
        url = environment.url
        facts, expected = read_expected(environment, desired, store)
        result.verdicts = [
            judge_release(facts, client.get_release(url)),
            smoke_rows.judge_predictions(expected, smoke_rows.request_predictions(url, expected)),
        ]
    for verdict in result.verdicts:
        observed = f"{verdict.observed} ({verdict.threshold}) {verdict.reason}".rstrip()
        output.result_line(f"{environment}: {verdict.gate}: {verdict.outcome}: {observed}")
    return 0 if overall(result.verdicts) is Outcome.PASS else 1


def judge_release(expected: ReleaseFacts, served: ReleaseFacts | None) -> Verdict:
    """Return the verdict on the served release: its version, commit and SHA-256 of each model file must match."""
    observed = served.version if served else "no release at /release"
    same = served == expected
    reason = "" if same or observed != expected.version else "same version, but another commit or other files"
    return Verdict("release", Outcome.PASS if same else Outcome.FAIL, expected.version, observed, reason)


def read_expected(environment: Environment, desired: EnvironmentFile, store: Store) -> tuple[ReleaseFacts, SmokeTest]:
    """Return the facts that the desired release serves at /release, and its smoke test. Raises UserError.

    They come from the copy that an agent installed on this machine, or else from the store.
    """
    installed = installation.folder(environment.place, desired.digest)
    with TemporaryDirectory() as scratch:
        if installed.exists():
            release = manifest.verify(installed, desired.digest)
        else:
            release = fetch_desired(desired, Path(scratch), store)
        return release.facts(), release.smoke_test()
