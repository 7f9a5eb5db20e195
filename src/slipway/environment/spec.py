"""`environments/<environment>.yaml` on the branch `deploy`: the desired state of an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from slipway import yaml12
from slipway.environment.versions import VERSION
from slipway.errors import UnreadableFileError
from slipway.gates.user_experiment import ExperimentPlan

FOLDER = "environments"
"""Folder on the branch `deploy` that promotions change."""
HEADER = "# Desired state of {environment}; change it with `slipway promote` or `slipway rollback` (or `git revert`).\n"
SCHEMA = Path(__file__).with_name("environment.schema.json")
"""JSON schema of the file, for editors and for checks outside of Python."""


Version = Annotated[
    str, Field(pattern=f"^{VERSION.pattern}$", description="Version of the release, as in its tag model@…")
]
Digest = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$", description="SHA-256 of the release's manifest")]
Commit = Annotated[str, Field(pattern="^[0-9a-f]{40}$", description="Commit from which the release was built")]
Number = Annotated[int, Field(ge=1, description="Number of this promotion, as in the tag model#ENVIRONMENT#…")]
Percent = Annotated[int, Field(ge=1, le=50)]
IMAGE_BY_DIGEST = "[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}"
Image = Annotated[str, Field(pattern=f"^{IMAGE_BY_DIGEST}$", description="Container image of the release, by digest")]


class Baseline(BaseModel):
    """The release that a canary replaces; it serves the other requests, and a new instance of it is the control."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    release: Version
    digest: Digest
    commit: Commit
    promotion: Number


class Canary(BaseModel):
    """The canary of a promotion, in effect until the promotion has its stage tag."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    steps: Annotated[
        tuple[Percent, ...],
        Field(strict=False, min_length=1, description="Percent of the requests in each step; after the last step, all"),
    ]
    shadow_percent: Annotated[
        int, Field(ge=0, le=100, description="Percent of the requests mirrored to the canary before the steps; 0: none")
    ] = 0
    baseline: Baseline

    @property
    def step_count(self) -> int:
        """Return the number of steps, with the one in which the canary receives copies only."""
        return len(self.steps) + bool(self.shadow_percent)

    def weight_percent(self, step: int) -> int:
        """Return the percentage of requests that the canary gets in `step`; the baseline gets as many.

        It is 0 while the canary receives copies only.
        """
        weights = [0, *self.steps] if self.shadow_percent else self.steps
        return weights[step]


class Policy(BaseModel):
    """What a promotion to an environment needs; a rollback needs neither."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    approval: Annotated[bool, Field(description="Whether `slipway approve` must name the release first")] = False
    soak_hours: Annotated[
        float, Field(ge=0, le=10_000, description="Hours for which the release must have been desired in staging")
    ] = 0


class Treatment(BaseModel):
    """The release that the users of one side of an experiment get."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    release: Version
    digest: Digest
    commit: Commit
    image: Image | None = None


class Experiment(BaseModel):
    """An experiment by user: `treatment` against the release of the environment, until `slipway experiment decide`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    name: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9-]{0,39}$", description="Name, also in the prediction log")]
    salt: Annotated[str, Field(pattern="^[0-9a-f]{16,64}$", description="Salt of the hash of users; new in each one")]
    header: Annotated[
        str | None, Field(pattern="^[A-Za-z0-9-]{1,64}$", description="Request header that names the user")
    ] = None
    column: Annotated[
        str | None, Field(min_length=1, max_length=200, description="Column of `Row` that names the user")
    ] = None
    percent: Annotated[Percent, Field(description="Percent of the users on each side; the others get the release")]
    started: Annotated[str, Field(description="Time from which rows count, ISO 8601 in UTC")]
    days: Annotated[float, Field(gt=0, le=1000, description="Days after a user's first row in which rows count")]
    treatment: Treatment
    plan: ExperimentPlan

    @model_validator(mode="after")
    def _names_the_user_in_one_way(self) -> Self:
        if (self.header is None) == (self.column is None):
            raise ValueError("set either `header` or `column`, which names the user")
        return self


class EnvironmentFile(BaseModel):
    """The desired state of an environment."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    release: Version
    digest: Digest
    commit: Commit
    replicas: Annotated[int, Field(ge=1, le=100, description="Number of services behind the gateway")] = 1
    promotion: Number
    image: Image | None = None
    canary: Canary | None = None
    policy: Policy | None = None
    experiment: Experiment | None = None

    @property
    def release_state(self) -> EnvironmentFile:
        """Return the desired state without policy and experiment, neither of which is a promotion."""
        extras = {"policy": None, "experiment": None}
        return self.model_copy(update=extras) if self.policy or self.experiment else self

    @property
    def treatment(self) -> EnvironmentFile | None:
        """Return the treatment of the experiment as a desired state with the same replicas; None without one."""
        if self.experiment is None:
            return None
        facts = self.experiment.treatment.model_dump()
        return EnvironmentFile(**facts, replicas=self.replicas, promotion=self.promotion)

    @property
    def baseline(self) -> EnvironmentFile | None:
        """Return the baseline of the canary as a desired state with the same replicas; None without a canary."""
        if self.canary is None:
            return None
        return EnvironmentFile(**self.canary.baseline.model_dump(), replicas=self.replicas)


def path_of(environment: str) -> str:
    """Return the path of an environment's file on the branch."""
    return f"{FOLDER}/{environment}.yaml"


def parse(text: str, where: str) -> EnvironmentFile:
    """Parse the text of an environment's file. Raises UserError naming `where`, the field and the problem."""
    try:
        content = yaml12.parse(text)
    except yaml12.YamlError as error:
        raise UnreadableFileError(f"{where}: not YAML ({error}); `git revert` the commit") from None
    if content is None:
        raise UnreadableFileError(f"{where}: empty; `git revert` the commit")
    try:
        return EnvironmentFile.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "the file"
        raise UnreadableFileError(f"{where}: {field}: {first['msg']}; `git revert` the commit") from None


def render(environment: str, content: EnvironmentFile) -> str:
    """Return the text of an environment's file."""
    return HEADER.format(environment=environment) + yaml12.dump(content.model_dump(mode="json", exclude_none=True))
