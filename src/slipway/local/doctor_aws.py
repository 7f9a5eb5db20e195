"""The check of `slipway doctor` on the roles in AWS that the workflows assume: docs/cloud.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.github import api
from slipway.local.finding import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

STORES = ("SLIPWAY_STORE", "SLIPWAY_COLLECTED")
ROLE, PULL_REQUEST_ROLE, REGION = "AWS_ROLE", "AWS_PULL_REQUEST_ROLE", "AWS_REGION"
PAGE = "docs/cloud.md"


def examine(repository: str) -> Iterator[Finding]:
    """Yield the findings on the variables and the identity tokens of `repository`, a path of GitHub's API."""
    variables = {name: _variable(repository, name) for name in (*STORES, ROLE, PULL_REQUEST_ROLE, REGION)}
    buckets = [name for name in STORES if variables[name].startswith("s3://")]
    if not variables[ROLE]:
        if buckets:
            observed = f"none, but {' and '.join(buckets)} in S3; only your own runners can use it"
            yield Finding("AWS role", observed, f"create the stack of {PAGE}", Severity.ADVISED)
            yield from _subject(repository)
        else:
            yield Finding("AWS role", "not set; no workflow uses AWS")
        return
    yield Finding("AWS role", variables[ROLE])
    for name, severity, effect in (
        (REGION, Severity.NEEDED, "no workflow can assume a role"),
        (PULL_REQUEST_ROLE, Severity.ADVISED, "checks of pull requests cannot read the bucket"),
    ):
        if variables[name]:
            yield Finding(name, variables[name])
        else:
            yield Finding(name, f"not set; {effect}", f"set the variable {name}; see {PAGE}", severity)
    yield from _subject(repository)


def _subject(repository: str) -> Iterator[Finding]:
    """Yield the start of `sub` in the repository's identity tokens, which the roles have to trust."""
    template = api.call("GET", f"{repository}/actions/oidc/customization/sub")
    if not template["use_default"]:
        fix = f"`gh api --method PUT {repository}/actions/oidc/customization/sub -F use_default=true`"
        yield Finding("AWS subject", "customized, and the roles trust GitHub's own format", fix, Severity.NEEDED)
    elif prefix := template.get("sub_claim_prefix"):
        yield Finding("AWS subject", f"SubjectPrefix={prefix} in the stack, or no role trusts the repository")
    else:
        yield Finding("AWS subject", "GitHub does not report its prefix", f"see {PAGE}", Severity.ADVISED)


def _variable(repository: str, name: str) -> str:
    variable: dict[str, str] = api.find(f"{repository}/actions/variables/{name}") or {}
    return variable.get("value", "")
