"""State of an environment's agent as its gateway exposes it to other machines."""

from __future__ import annotations

import json

from pydantic import ValidationError

from slipway.environment import client
from slipway.environment.place import home
from slipway.environment.state import State

STATE_PATH = "/.slipway/state.json"
"""Path at which the gateway exposes the state of its environment's agent."""
RESPONSE_TIMEOUT_SECONDS = 2  # short, because callers poll


def public_json(observed: State) -> str:
    """Return the state as JSON for other machines, without ports, process ids and paths of this machine."""
    text = observed.model_copy(update={"gateway": None, "page": None}).model_dump_json()
    return text.replace(str(home()), "$SLIPWAY_HOME")


def remote_state(url: str) -> State | None:
    """Return the state that the gateway at `url` exposes, or None if it does not respond or its agent is older."""
    page = client.get_json(f"{url}{STATE_PATH}", RESPONSE_TIMEOUT_SECONDS)
    try:
        return State.model_validate_json(json.dumps(page)) if page else None
    except ValidationError:
        return None
