"""`environments/<environment>.yaml` on the branch `deploy`: what an environment should run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway.delivery.versions import VERSION
from slipway.errors import UserError

HEADER = "# What {environment} should run, by `slipway promote` and `slipway rollback`; `git revert` rolls back too.\n"
SCHEMA = Path(__file__).with_name("environment.schema.json")
"""The same as JSON schema, for editors and for checks outside of Python."""


IMAGE_BY_DIGEST = "[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}"
Image = Annotated[
    str, Field(pattern=f"^{IMAGE_BY_DIGEST}$", description="The release as an image for Kubernetes, by digest")
]


class EnvironmentFile(BaseModel):
    """What an environment should run."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    release: Annotated[
        str, Field(pattern=f"^{VERSION.pattern}$", description="Version of the release, as in its tag model@…")
    ]
    digest: Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$", description="SHA-256 of the release's manifest")]
    commit: Annotated[str, Field(pattern="^[0-9a-f]{40}$", description="Commit from which the release was built")]
    replicas: Annotated[int, Field(ge=1, le=100, description="Services side by side behind the front door")] = 1
    promotion: Annotated[int, Field(ge=1, description="Number of this promotion, as in the tag model#ENVIRONMENT#…")]
    image: Image | None = None


def path_of(environment: str) -> str:
    """Path of the file on the branch."""
    return f"environments/{environment}.yaml"


def parse(text: str, where: str) -> EnvironmentFile:
    """Read the file's text. Raises UserError naming `where`, the field and the rule that it breaks."""
    try:
        return EnvironmentFile.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not YAML ({str(error).splitlines()[0]}); `git revert` the commit") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(f"{where}: {field}: {first['msg']}; `git revert` the commit") from None


def render(environment: str, content: EnvironmentFile) -> str:
    """Write the file's text."""
    return HEADER.format(environment=environment) + yaml.safe_dump(
        content.model_dump(mode="json", exclude_none=True), sort_keys=False
    )
