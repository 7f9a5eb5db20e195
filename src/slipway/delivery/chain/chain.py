"""`slipway verify`: the chain from a reviewed commit to what runs. Each link is computed again from what is there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from slipway.delivery.chain import links_git, links_packages, links_release, links_trust
from slipway.delivery.chain.trace import NotChecked
from slipway.errors import UserError
from slipway.gates import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slipway.delivery.chain.trace import Trace

HOLDS, BROKEN, NOT_CHECKED = "holds", "broken", "not checked"
UNREADABLE = (LookupError, OSError, TypeError, ValueError)  # of a manifest that is sealed, and not what one should be

LINKS: dict[str, tuple[str, Callable[[Trace], str]]] = {
    "source": ("the commit, with the branch main of origin", links_git.source),
    "record": ("the release commit on deploy, with the commit that it was built from", links_git.record),
    "environment": ("the environment's file, with the tag of the release", links_git.environment),
    "files": ("SHA-256 of each file, with manifest.json", links_release.files),
    "digest": ("SHA-256 of manifest.json, version and commit, with the tag", links_release.digest),
    "lock": ("dvc.lock, params.yaml and metrics in the release, with those in git", links_release.lock),
    "data": ("MD5 of the data in the commit, with dvc.lock and the manifest", links_release.data),
    "model": ("MD5 of the model's files, with dvc.lock and the manifest", links_release.model),
    "code": ("each file of the service, with the commit and the model", links_release.code),
    "packages": ("each file that may be installed, with uv.lock of the commit", links_packages.packages),
    "manifests": ("what Kubernetes should run, with the environment's file", links_git.manifests),
    "image": ("the image for Kubernetes, with the release", links_git.image),
    "signature": ("the signed statement about the digest, with the trusted keys", links_trust.signature),
    "attestation": ("what GitHub attests of the manifest, with workflow and commit", links_trust.attestation),
}
"""What is compared with what, and how, by the name of the link; from the source to what runs."""

OF_AN_ENVIRONMENT = {"environment", "manifests", "image"}


@dataclass(frozen=True)
class Link:
    """How one link was found."""

    name: str
    outcome: str
    """HOLDS, BROKEN or NOT_CHECKED."""
    compared: str
    found: str
    mend: str = ""
    required: bool = True

    @property
    def is_sound(self) -> bool:
        """Whether it holds, or was not checked and need not be."""
        return self.outcome == HOLDS or (self.outcome == NOT_CHECKED and not self.required)


def walk(trace: Trace) -> list[Link]:
    """Check every link; one that is broken does not keep the others from being checked."""
    return [_link(trace, name) for name in LINKS if trace.content or name not in OF_AN_ENVIRONMENT]


def _link(trace: Trace, name: str) -> Link:
    compared, check = LINKS[name]
    try:
        return Link(name, HOLDS, compared, check(trace))
    except NotChecked as reason:
        return Link(name, NOT_CHECKED, compared, str(reason), reason.mend, reason.required)
    except UserError as error:
        return Link(name, BROKEN, compared, str(error))
    except UNREADABLE as error:
        return Link(name, BROKEN, compared, f"cannot be read ({type(error).__name__}: {error})")


def holds(found: Sequence[Link]) -> bool:
    """Whether every link that must hold does."""
    return all(link.is_sound for link in found)


def summary(found: Sequence[Link]) -> str:
    """In one line."""
    names = {outcome: [link.name for link in found if link.outcome == outcome] for outcome in (BROKEN, NOT_CHECKED)}
    others = "".join(f"; {outcome}: {', '.join(named)}" for outcome, named in names.items() if named)
    return f"{len(found) - sum(map(len, names.values()))} of {len(found)} links hold{others}"


def verdict(found: Sequence[Link]) -> Verdict:
    """As a gate; a link that must hold and was not checked has failed."""
    wrong = next((link for link in found if not link.is_sound), None)
    outcome, reason = (Outcome.FAIL, f"{wrong.name}: {wrong.found}") if wrong else (Outcome.PASS, "")
    return Verdict("chain", outcome, "every link that must hold does", summary(found), reason)


def as_text(trace: Trace, found: Sequence[Link]) -> str:
    """For a person: a link on two lines, and on a third what to do."""
    lines = [f"{trace.published.version}, {trace.published.digest}"]
    for link in found:
        outcome = link.outcome.upper() if not link.is_sound else link.outcome
        lines.append(f"  {outcome:<12} {link.name:<12} {link.compared}")
        lines += [f"{'':<28}{text}" for text in (link.found, link.mend) if text]
    return "\n".join([*lines, summary(found)])


def as_dict(trace: Trace, found: Sequence[Link]) -> dict[str, Any]:
    """For a program."""
    known = trace.published
    return {
        "release": known.version,
        "digest": known.digest,
        "commit": known.built_from,
        "environment": trace.environment,
        "holds": holds(found),
        "links": [asdict(link) for link in found],
    }
