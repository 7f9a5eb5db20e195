"""`environments/<environment>.yaml` on the branch `deploy`: what an environment should run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway import yaml12
from slipway.delivery.versions import VERSION
from slipway.errors import UserError

FOLDER = "environments"
"""Folder of the branch that promotions change."""
HEADER = "# What {environment} should run, by `slipway promote` and `slipway rollback`; `git revert` rolls back too.\n"
SCHEMA = Path(__file__).with_name("environment.schema.json")
"""The same as JSON schema, for editors and for checks outside of Python."""


Version = Annotated[
    str, Field(pattern=f"^{VERSION.pattern}$", description="Version of the release, as in its tag model@…")
]
Digest = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$", description="SHA-256 of the release's manifest")]
Commit = Annotated[str, Field(pattern="^[0-9a-f]{40}$", description="Commit from which the release was built")]
Number = Annotated[int, Field(ge=1, description="Number of this promotion, as in the tag model#ENVIRONMENT#…")]
Percent = Annotated[int, Field(ge=1, le=50)]
IMAGE_BY_DIGEST = "[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}"
Image = Annotated[
    str, Field(pattern=f"^{IMAGE_BY_DIGEST}$", description="The release as an image for Kubernetes, by digest")
]


class Baseline(BaseModel):
    """The release that a canary takes over from: it serves the rest, and a fresh instance of it is compared."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    release: Version
    digest: Digest
    commit: Commit
    promotion: Number


class Canary(BaseModel):
    """How the release takes over, until the promotion has its stage tag: then it serves all."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    steps: Annotated[
        tuple[Percent, ...],
        Field(strict=False, min_length=1, description="Percent of the requests, one after the other; then all"),
    ]
    shadow_percent: Annotated[
        int, Field(ge=0, le=100, description="Of the requests, copied to the canary before the steps; 0: none")
    ] = 0
    baseline: Baseline


class EnvironmentFile(BaseModel):
    """What an environment should run."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    release: Version
    digest: Digest
    commit: Commit
    replicas: Annotated[int, Field(ge=1, le=100, description="Services side by side behind the front door")] = 1
    promotion: Number
    image: Image | None = None
    canary: Canary | None = None

    @property
    def baseline(self) -> EnvironmentFile | None:
        """What served before, in as many services; None without a canary."""
        if self.canary is None:
            return None
        return EnvironmentFile(**self.canary.baseline.model_dump(), replicas=self.replicas)


def path_of(environment: str) -> str:
    """Path of the file on the branch."""
    return f"{FOLDER}/{environment}.yaml"


def parse(text: str, where: str) -> EnvironmentFile:
    """Read the file's text. Raises UserError naming `where`, the field and the rule that it breaks."""
    try:
        content = yaml12.parse(text)
    except yaml12.YamlError as error:
        raise UserError(f"{where}: not YAML ({error}); `git revert` the commit") from None
    if content is None:
        raise UserError(f"{where}: empty; `git revert` the commit")
    try:
        return EnvironmentFile.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{where}: {field}: {first['msg']}; `git revert` the commit") from None


def render(environment: str, content: EnvironmentFile) -> str:
    """Write the file's text."""
    return HEADER.format(environment=environment) + yaml12.dump(content.model_dump(mode="json", exclude_none=True))
