"""Start of an agent: in the foreground, until the desired state is reached, or in the background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from slipway import output
from slipway.agent import processes, supervision
from slipway.agent.agent import Agent, prefix
from slipway.agent.follower import Follower
from slipway.agent.lock import locked
from slipway.agent.runtimes import named
from slipway.git import Git
from slipway.release.signing import keys
from slipway.release.store import open_store
from slipway.settings import read_settings

if TYPE_CHECKING:
    from slipway.environment.environment import Environment

ROOT = Path()


def start(environment: Environment, runtime_name: str, *, once: bool, detach: bool) -> None:
    """Run an agent until it is stopped, until the environment is in its desired state, or in the background."""
    place, settings, runtime = environment.place, read_settings(), named(runtime_name)
    keys.trusted(ROOT)  # an invalid key fails now, not at the next release
    if detach:
        output.message(
            environment.name, supervision.detach(place, settings.agent.ready_seconds, ["--runtime", runtime_name])
        )
        return
    with locked(place) as lock:
        processes.tag_children(f"{prefix(place)}agent")
        remote = Git(ROOT).run("remote", "get-url", "origin")
        follower = Follower(place.mirror, _absolute(remote), environment.name)
        agent_ = Agent(place, follower, open_store(), settings.agent, settings.canary, runtime)
        if once:
            supervision.run_once(agent_, settings.agent.promote_seconds)
        else:
            supervision.run(agent_, lock)


def _absolute(remote: str) -> str:
    """Return a remote that is a path as an absolute path, because the agent runs git in another folder."""
    return str(Path(remote).resolve()) if Path(remote).exists() else remote
