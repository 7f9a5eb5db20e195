"""The handle of an environment: its name is resolved once, and each part of it is read when it is needed."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.environment import agent_report, client, place, state
from slipway.environment.deploy_branch import DeployBranch
from slipway.environment.desired_state import DesiredState
from slipway.errors import NoReleaseError, UserError
from slipway.git import Git

if TYPE_CHECKING:
    from slipway.environment.spec import EnvironmentFile
    from slipway.environment.state import State


class NotDeployedError(NoReleaseError):
    """An environment has no desired release yet."""


class Environment:
    """An environment of the repository `root`: its desired and observed state, its gateway and its place."""

    def __init__(self, name: str, root: Path = Path()) -> None:
        """Resolve `name`. Raises UserError for an unknown one."""
        self.place = place.Place.of(name)
        self.name = name
        self.root = root

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @cached_property
    def desired_state(self) -> DesiredState:
        """Return the desired state and its history, on the branch as it was on first use. Raises UserError."""
        return self.fetch()

    def fetch(self) -> DesiredState:
        """Fetch the branch again, because another process may have changed it. Raises UserError."""
        branch = DeployBranch(Git(self.root))
        branch.fetch()
        self.desired_state = DesiredState(branch, self.name)
        return self.desired_state

    @property
    def branch(self) -> DeployBranch:
        """Return the branch `deploy` that `desired_state` is on."""
        return self.desired_state.branch

    def desired(self) -> EnvironmentFile | None:
        """Return the desired state; None before the first promotion. Raises UserError for an invalid file."""
        return self.desired_state.read()

    def require_desired(self) -> EnvironmentFile:
        """Return the desired state. Raises NotDeployedError before the first promotion."""
        if desired := self.desired():
            return desired
        raise NotDeployedError(f"{self}: nothing is deployed; run `slipway promote --environment {self}`")

    def observed(self) -> State | None:
        """Return the state of the agent behind the gateway, or None if there is none or it does not respond.

        The state comes over HTTP if the configured gateway is not that of this machine.
        """
        own, url = state.read(self.place), self.find_url()
        is_own = own is not None and own.gateway is not None and own.gateway.url == url
        return own if url is None or is_own else agent_report.remote_state(url)

    def rejected(self) -> EnvironmentFile | None:
        """Return the desired state that the agent rejected; None without one."""
        observed = self.observed()
        return observed.bad.content if observed and observed.bad else None

    def rejection(self, content: EnvironmentFile) -> str | None:
        """Return the reason why the agent rejected `content`; None if it did not."""
        observed = self.observed()
        return observed.bad.reason if observed and observed.bad and observed.bad.content == content else None

    @property
    def url(self) -> str:
        """Return the URL of the gateway. Raises UserError when neither a variable nor an agent has set it."""
        return place.gateway_url(self.place)

    def find_url(self) -> str | None:
        """Return the URL of the gateway; None without one."""
        try:
            return self.url
        except UserError:
            return None

    def is_elsewhere(self, url: str | None) -> bool:
        """Return whether the gateway at `url` belongs to another machine."""
        return url is not None and state.text(self.place.url) != f"{url}\n"

    def serves(self, content: EnvironmentFile) -> bool:
        """Return whether the gateway's next response is that of the release in `content`."""
        url = self.find_url()
        return url is not None and client.serves(url, content.release, content.commit)
