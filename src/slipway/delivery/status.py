"""`slipway status`: what each environment should run, what it runs, and who promoted what."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from slipway.delivery import clients, processes, state, supervision
from slipway.delivery.desired_state import DeployBranch
from slipway.delivery.git import Git
from slipway.delivery.home import ENVIRONMENTS, Place, front_door
from slipway.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

HISTORY = 10  # promotions shown


def status(root: Path) -> dict[str, Any]:
    """Desired and observed state of each environment, with its history; `trouble` says what could not be had."""
    branch = DeployBranch(Git(root))
    trouble = None
    try:
        branch.fetch()
    except UserError as error:
        trouble = str(error)
    return {
        "head": branch.head,
        "trouble": trouble,
        "environments": {name: _one(branch, name) for name in ENVIRONMENTS},
    }


def render(content: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [f"trouble: {content['trouble']}"] if content["trouble"] else []
    for name, one in content["environments"].items():
        lines += [f"{name}: {_summary(one)}", *_details(one), *_history(one), ""]
    return "\n".join(lines).rstrip()


def _one(branch: DeployBranch, environment: str) -> dict[str, Any]:
    desired, trouble = _desired(branch, environment)
    url = _url(environment)
    shown = clients.shown_release(url) if url else None
    return {
        "desired": desired,
        "observed": {
            "url": url,
            "release": shown.get("version") if shown else None,
            "commit": shown.get("commit") if shown else None,
        },
        "agent": _agent(environment),
        "trouble": trouble,
        "history": [
            {
                "commit": one.commit,
                "author": one.author,
                "time": one.time,
                "subject": one.subject,
                "release": one.content.release if one.content else None,
            }
            for one in branch.history(environment)[:HISTORY]
        ],
    }


def _desired(branch: DeployBranch, environment: str) -> tuple[dict[str, Any] | None, str | None]:
    try:
        content = branch.read(environment)
    except UserError as error:
        return None, str(error)
    return content.model_dump() if content else None, None


def _url(environment: str) -> str | None:
    try:
        return front_door(environment)
    except UserError:
        return None


def _agent(environment: str) -> dict[str, Any] | None:
    """What this machine's agent knows; None when none ever ran here."""
    place = Place.of(environment)
    known = state.read(place)
    if known is None:
        return None
    now = time.time()
    return {
        "running": supervision.is_running(place),
        "seen_seconds_ago": round(now - known.seen, 1),
        "fetched_seconds_ago": round(now - known.fetched, 1) if known.fetched else None,
        "head": known.head,
        "serving": known.serving.release if known.serving else None,
        "bad": {"release": known.bad.content.release, "reason": known.bad.reason} if known.bad else None,
        "trouble": known.trouble,
        "canary": _canary(known),
        "router": bool(known.router and processes.runs(known.router.pid, known.router.mark)),
        "services": [one.model_dump(include={"release", "port", "pid", "phase"}) for one in known.instances],
        "events": [f"{_clock(event.time)} {event.text}" for event in known.events[-HISTORY:]],
    }


def _canary(known: state.State) -> dict[str, Any] | None:
    """The newest canary of this machine: how far it has come, or how it ended."""
    if known.canary is None:
        return None
    facts = known.canary.model_dump(include={"promotion", "step", "outcome", "shadow"})
    return {**facts, "verdicts": [dataclasses.asdict(one) for one in known.canary.verdicts]}


def _summary(one: dict[str, Any]) -> str:
    desired, observed = (one[side] and one[side]["release"] for side in ("desired", "observed"))
    if desired is None:
        return "nothing was promoted yet"
    if desired == observed:
        return f"serves {observed} as desired, at {one['observed']['url']}"
    return f"should serve {desired}, serves {observed or 'nothing'}" + (
        f", at {one['observed']['url']}" if one["observed"]["url"] else ""
    )


def _details(one: dict[str, Any]) -> list[str]:
    lines = [one["trouble"]] if one["trouble"] else []
    known = one["agent"]
    if known is None:
        return [f"  {line}" for line in [*lines, "no agent on this machine"]]
    fetched = "never" if known["fetched_seconds_ago"] is None else f"{known['fetched_seconds_ago']:.0f} s ago"
    lines.append(f"agent {'runs' if known['running'] else 'does not run'}; git last seen {fetched}")
    lines += [f"bad: {known['bad']['reason']}"] if known["bad"] else []
    lines += [known["trouble"]] if known["trouble"] else []
    if known["canary"]:
        lines.append(f"canary of promotion {known['canary']['promotion']}: {known['canary']['outcome'] or 'goes on'}")
        lines += [f"  {one['gate']}: {one['outcome']} ({one['observed']})" for one in known["canary"]["verdicts"]]
    return [f"  {line}" for line in lines]


def _history(one: dict[str, Any]) -> list[str]:
    return [
        f"  {entry['time'][:19]}  {entry['commit'][:9]}  {entry['author']:<20.20}  {entry['subject']}"
        for entry in one["history"]
    ]


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
