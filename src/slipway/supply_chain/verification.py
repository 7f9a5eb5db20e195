"""The commands `verify`, `release sign` and `release key`: the trust in a release and its signatures."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from slipway import output
from slipway.deployment import promotion
from slipway.environment.environment import Environment
from slipway.environment.place import store_url
from slipway.errors import ArgumentError, RejectedError, SettingError
from slipway.git.redact import redacted
from slipway.release.signing import keys, signature
from slipway.release.store import open_store
from slipway.results import Job, JobResult, recorded
from slipway.schema.bounds import Absent, Evidence, Maybe
from slipway.supply_chain import chain
from slipway.supply_chain.trace import Trace

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path()


class VerifyEvidence(Evidence):
    """Evidence of the job `verify`."""

    release: str
    digest: str
    environment: Absent[str] = None
    """Environment that selected the release, or for which it was verified."""
    links: tuple[chain.Link, ...] = ()


VERIFY: Final = Job("verify", JobResult[Maybe[VerifyEvidence]])


def make_key(private: Path) -> None:
    """Create a key pair and print the next step for each half."""
    keyid, public = keys.make(ROOT, private)
    lines = (
        f"key {keyid}",
        f"{private}: the private key; set {keys.SIGNING_KEY} to it only where releases are built",
        f"{public}: the public key; commit it, and releases without its signature are refused from then on",
    )
    output.result({"key": keyid, "private": str(private), "public": str(public)}, "\n".join(lines))


def sign(version: str) -> None:
    """Sign a published release whose chain holds, and store the signature with its evidence."""
    signer = keys.signer()
    if signer is None:
        raise SettingError(f"{keys.SIGNING_KEY}: not set; `slipway release key FILE` makes a key")
    with _traced(version, None) as trace:
        links = chain.walk(trace)
        if not chain.holds([link for link in links if link.name != "signature"]):
            raise RejectedError(f"{version}: not signed, {chain.summary(links)}; see `slipway verify {version}`")
        file = signature.write_signed(trace.release, signer)
        trace.store.add_evidence(version, [file])
    output.result({"release": version, "signature": file.name}, f"{version}: signed as {file.name}")


def verify(version: str | None, environment: str | None, before: str | None) -> int:
    """Verify the chain of a release, print it and return the exit status, 0 when every required link holds."""
    if environment and (version or before):
        raise ArgumentError("verify: --environment selects the release; omit the version and --before")
    with recorded(VERIFY) as result:
        with _traced(version, environment, before) as trace:
            published, of = trace.published, before or environment
            about = VerifyEvidence(release=published.version, digest=published.digest, environment=of)
            result.evidence = about
            links = chain.walk(trace)
            report = chain.report(trace, links)
        result.evidence = about.model_copy(update={"links": tuple(links)})
        result.verdicts = [chain.verdict(links)]
    output.result(report, lambda: chain.as_text(trace, links))
    return 0 if report.holds else 1


@contextmanager
def _traced(version: str | None, environment: str | None, before: str | None = None) -> Iterator[Trace]:
    """Yield the trace of a release: `version`, the desired one of `environment`, or the next one for `before`."""
    target = Environment(environment or before or "staging", ROOT)
    if environment:
        version = target.require_desired().release
    chosen = target.branch.named(version or promotion.default_version(target.desired_state)).version
    output.progress(f"verify: {chosen}, in {redacted(store_url())}")
    with TemporaryDirectory() as scratch:
        yield Trace.of(ROOT, target.branch, chosen, open_store(), Path(scratch), environment)
