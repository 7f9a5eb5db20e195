"""The verbs `verify`, `release sign` and `release key`: whether a release may be trusted, and who vouches for it."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slipway.delivery import promotion
from slipway.delivery.chain import chain
from slipway.delivery.chain.trace import Trace
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.home import Place, store_url
from slipway.delivery.store import open_store
from slipway.delivery.trust import keys, signature
from slipway.errors import UserError
from slipway.git import Git
from slipway.redact import redacted
from slipway.results import recorded

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path()


def make_key(private: Path) -> None:
    """Make a key pair, and say what to do with either half."""
    keyid, public = keys.make(ROOT, private)
    print(f"key {keyid}")
    print(f"{private}: the private key; set {keys.SIGNING_KEY} to it where releases are built, and nowhere else")
    print(f"{public}: the public key; commit it, and from then on a release without its signature is refused")


def sign(version: str) -> None:
    """Sign a release that is published already, for which every link must hold, and keep the signature beside it."""
    signer = keys.signer()
    if signer is None:
        raise UserError(f"{keys.SIGNING_KEY}: not set; `slipway release key FILE` makes a key")
    with _traced(version, None) as trace:
        found = chain.walk(trace)
        if not chain.holds([link for link in found if link.name != "signature"]):
            raise UserError(f"{version}: not signed, {chain.summary(found)}; see `slipway verify {version}`")
        file = signature.write(trace.release, signer)
        trace.store.add_evidence(version, [file])
    print(f"{version}: signed as {file.name}")


def verify(version: str | None, environment: str | None, before: str | None, *, as_json: bool) -> int:
    """Walk the chain of a release and print it; the exit code is 0 when every link holds that must."""
    if environment and (version or before):
        raise UserError("verify: --environment names the release; give neither a version nor --before with it")
    with recorded("verify") as result:
        with _traced(version, environment, before) as trace:
            result.evidence = {"release": trace.published.version, "digest": trace.published.digest}
            result.evidence |= {"environment": before or environment} if before or environment else {}
            found = chain.walk(trace)
            told = chain.as_dict(trace, found)
        result.evidence["links"] = told["links"]
        result.verdicts = [chain.verdict(found)]
    print(json.dumps(told, indent=2) if as_json else chain.as_text(trace, found))
    return 0 if told["holds"] else 1


@contextmanager
def _traced(version: str | None, environment: str | None, before: str | None = None) -> Iterator[Trace]:
    """A release, and what git says of it: the named one, what an environment runs or would get, else the newest."""
    branch = DeployBranch(Git(ROOT))
    branch.fetch()
    if environment:
        version = _desired(branch, environment)
    chosen = version or promotion.default(branch, before or "staging")
    print(f"verify: {chosen}, in {redacted(store_url())}", file=sys.stderr)
    with TemporaryDirectory() as scratch:
        yield Trace.of(ROOT, branch, chosen, open_store(store_url()), Path(scratch), environment)


def _desired(branch: DeployBranch, environment: str) -> str:
    content = branch.read(Place.of(environment).environment)
    if content is None:
        raise UserError(f"{environment}: nothing should run there yet; `slipway promote` first, or name a release")
    return content.release
