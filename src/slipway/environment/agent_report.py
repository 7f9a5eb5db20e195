"""State of an environment's agent: from its file on this machine, or from the gateway of another machine."""

from __future__ import annotations

import json

from pydantic import ValidationError

from slipway.environment import client, state
from slipway.environment.place import Place, gateway_url, home
from slipway.environment.state import State
from slipway.errors import UserError

STATE_PATH = "/.slipway/state.json"
"""Path at which the gateway exposes the state of its environment's agent."""
RESPONSE_TIMEOUT_SECONDS = 2  # short, because callers poll


def observed_state(environment: str) -> State | None:
    """Return the state of the agent behind the environment's gateway, or None if there is none or it does not respond.

    The state comes over HTTP if the configured gateway is not that of this machine.
    """
    own = state.read(Place.of(environment))
    try:
        url = gateway_url(environment)
    except UserError:
        return own
    return own if own and own.gateway and own.gateway.url == url else _remote_state(url)


def public_json(observed: State) -> str:
    """Return the state as JSON for other machines, without ports, process ids and paths of this machine."""
    text = observed.model_copy(update={"gateway": None, "page": None}).model_dump_json()
    return text.replace(str(home()), "$SLIPWAY_HOME")


def is_elsewhere(environment: str, url: str | None) -> bool:
    """Return whether the gateway at `url` belongs to another machine."""
    return url is not None and state.text(Place.of(environment).url) != f"{url}\n"


def _remote_state(url: str) -> State | None:
    page = client.get_json(f"{url}{STATE_PATH}", RESPONSE_TIMEOUT_SECONDS)
    try:
        return State.model_validate_json(json.dumps(page)) if page else None
    except ValidationError:
        return None
