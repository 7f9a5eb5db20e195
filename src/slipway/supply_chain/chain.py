"""`slipway verify`: the chain from a reviewed commit to a running release, recomputed link by link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.errors import UserError
from slipway.gates import Outcome, Verdict
from slipway.schema.bounds import Evidence
from slipway.supply_chain import links_git, links_image, links_packages, links_release, links_trust
from slipway.supply_chain.trace import NotChecked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slipway.supply_chain.trace import Trace

HOLDS, BROKEN, NOT_CHECKED = "holds", "broken", "not checked"
MALFORMED = (LookupError, OSError, TypeError, ValueError)  # raised by content that is sealed but has another structure

LINKS: dict[str, tuple[str, Callable[[Trace], str]]] = {
    "source": ("the commit against the branch main of origin", links_git.source),
    "record": ("the release commit on deploy against the commit that it was built from", links_git.record),
    "environment": ("the environment's file against the tag of the release", links_git.environment),
    "files": ("SHA-256 of each file against manifest.json", links_release.files),
    "digest": ("SHA-256 of manifest.json, version and commit against the tag", links_release.digest),
    "lock": ("dvc.lock, params.yaml and metrics in the release against git", links_release.lock),
    "data": ("MD5 of the data in the commit against dvc.lock and the manifest", links_release.data),
    "model": ("MD5 of the model's files against dvc.lock and the manifest", links_release.model),
    "code": ("each file of the service against the commit and the model", links_release.code),
    "packages": ("each installable file against uv.lock of the commit", links_packages.packages),
    "manifests": ("the desired Kubernetes manifests against the environment's file", links_git.manifests),
    "image": ("each layer of the container image against the release", links_image.image),
    "signature": ("the signed statement about the digest against the trusted keys", links_trust.signature),
    "attestation": ("GitHub's attestation of the manifest against workflow and commit", links_trust.attestation),
}
"""The comparison and the check of each link by its name, from the source to the running release."""

OF_AN_ENVIRONMENT = {"environment", "manifests"}


class Link(Evidence):
    """The result of checking one link of the chain."""

    name: str
    outcome: str
    """HOLDS, BROKEN or NOT_CHECKED."""
    compared: str
    detail: str
    remedy: str = ""
    required: bool = True

    @property
    def is_sound(self) -> bool:
        """Return whether the link holds, or is optional and was not checked."""
        return self.outcome == HOLDS or (self.outcome == NOT_CHECKED and not self.required)


class ChainReport(Evidence):
    """The results of all links of one release."""

    release: str
    digest: str
    commit: str
    environment: str | None
    """Environment that selected the release, if any."""
    holds: bool
    """Whether every required link holds."""
    links: list[Link]


def walk(trace: Trace) -> list[Link]:
    """Check every link, also after a broken one, and return the results."""
    return [_link(trace, name) for name in LINKS if trace.content or name not in OF_AN_ENVIRONMENT]


def _link(trace: Trace, name: str) -> Link:
    compared, check = LINKS[name]
    try:
        return Link(name=name, outcome=HOLDS, compared=compared, detail=check(trace))
    except NotChecked as reason:
        return Link(
            name=name,
            outcome=NOT_CHECKED,
            compared=compared,
            detail=str(reason),
            remedy=reason.remedy,
            required=reason.required,
        )
    except UserError as error:
        return Link(name=name, outcome=BROKEN, compared=compared, detail=str(error))
    except MALFORMED as error:
        detail = f"cannot be read ({type(error).__name__}: {error})"
        return Link(name=name, outcome=BROKEN, compared=compared, detail=detail)


def holds(links: Sequence[Link]) -> bool:
    """Return whether every required link holds."""
    return all(link.is_sound for link in links)


def summary(links: Sequence[Link]) -> str:
    """Return one line with the number of links that hold and the names of the others."""
    by_outcome = {
        outcome: [link.name for link in links if link.outcome == outcome] for outcome in (BROKEN, NOT_CHECKED)
    }
    others = "".join(f"; {outcome}: {', '.join(names)}" for outcome, names in by_outcome.items() if names)
    return f"{len(links) - sum(map(len, by_outcome.values()))} of {len(links)} links hold{others}"


def verdict(links: Sequence[Link]) -> Verdict:
    """Return the verdict on the chain; a required link that was not checked fails it."""
    unsound = next((link for link in links if not link.is_sound), None)
    outcome, reason = (Outcome.FAIL, f"{unsound.name}: {unsound.detail}") if unsound else (Outcome.PASS, "")
    return Verdict("chain", outcome, "every required link holds", summary(links), reason)


def as_text(trace: Trace, links: Sequence[Link]) -> str:
    """Return the results for the terminal: two lines per link, and a third with its remedy."""
    lines = [f"{trace.published.version}, {trace.published.digest}"]
    for link in links:
        outcome = link.outcome.upper() if not link.is_sound else link.outcome
        lines.append(f"  {outcome:<12} {link.name:<12} {link.compared}")
        lines += [f"{'':<28}{text}" for text in (link.detail, link.remedy) if text]
    return "\n".join([*lines, summary(links)])


def report(trace: Trace, links: Sequence[Link]) -> ChainReport:
    """Return the results for `slipway verify --json`."""
    published = trace.published
    return ChainReport(
        release=published.version,
        digest=published.digest,
        commit=published.built_from,
        environment=trace.environment,
        holds=holds(links),
        links=list(links),
    )
