"""What the agent of an environment knows: on this machine by its file, on another by what its front door says."""

from __future__ import annotations

import json

from pydantic import ValidationError

from slipway.delivery import clients
from slipway.delivery.agent import state
from slipway.delivery.agent.router import STATE_PATH
from slipway.delivery.agent.state import State
from slipway.delivery.home import Place, gateway_url, home
from slipway.errors import UserError

SECONDS = 2  # for an answer; whoever asks asks again


def known(environment: str) -> State | None:
    """State of the agent behind the front door that clients are sent to; None when it says nothing, or never ran."""
    own = state.read(Place.of(environment))
    try:
        url = gateway_url(environment)
    except UserError:
        return own
    return own if own and own.router and own.router.url == url else _asked(url)


def public(known: State) -> str:
    """The same for anybody, as JSON: without what only this machine can use, and without the paths on it."""
    text = known.model_copy(update={"router": None, "page": None}).model_dump_json()
    return text.replace(str(home()), "$SLIPWAY_HOME")


def is_elsewhere(environment: str, url: str | None) -> bool:
    """Whether the front door at `url` is not that of this machine's agent."""
    return url is not None and state.text(Place.of(environment).url) != f"{url}\n"


def _asked(url: str) -> State | None:
    page = clients.get_json(f"{url}{STATE_PATH}", SECONDS)
    try:
        return State.model_validate_json(json.dumps(page)) if page else None
    except ValidationError:
        return None
