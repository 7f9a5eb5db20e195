"""What each environment should run, what it runs, and who promoted what on which evidence: as data."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from slipway.delivery import clients
from slipway.delivery.agent import agents, canary, processes, state
from slipway.delivery.desired_state import BRANCH, DeployBranch
from slipway.delivery.home import ENVIRONMENTS, Place, gateway_url
from slipway.delivery.lock import is_running
from slipway.delivery.versions import stage_tag
from slipway.errors import UserError
from slipway.git import Git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from slipway.delivery.agent.state import State
    from slipway.delivery.desired_state import Promotion

HISTORY = 10  # promotions shown
EVENTS = 20  # things that the agent did, shown
STALE_SECONDS = 30  # without an answer of git, or a sign of the agent, before it is called a trouble


def status(root: Path) -> dict[str, Any]:
    """Desired and observed state of each environment, with its history; `trouble` says what could not be had."""
    branch = DeployBranch(Git(root))
    trouble = None
    try:
        branch.fetch()
        for name in ENVIRONMENTS:
            branch.fetch_stages(name)
    except UserError as error:
        trouble = str(error)
    environments = {name: _one(branch, name, agents.known(name), _url(name)) for name in ENVIRONMENTS}
    return {"head": branch.head, "trouble": trouble, "environments": environments}


def of_agent(place: Place) -> dict[str, Any]:
    """The same of one environment, as its own agent sees it: git is what it read last."""
    known = state.read(place) or state.State(environment=place.environment)
    branch = DeployBranch(Git(place.mirror))
    branch.head = known.head if (place.mirror / "HEAD").exists() else None
    return _one(branch, place.environment, known, known.router.url if known.router else None)


def _one(branch: DeployBranch, environment: str, known: State | None, url: str | None) -> dict[str, Any]:
    (desired, *unreadable), (history, *unread) = _desired(branch, environment), _history(branch, environment)
    shown = (clients.get_release(url) if url else None) or {}
    one: dict[str, Any] = {
        "desired": desired,
        "observed": {"url": url, "release": shown.get("version"), "commit": shown.get("commit")},
        "agent": _agent(environment, known, url),
        "history": history,
    }
    troubles = _troubles(environment, one, known)
    one["troubles"] = list(dict.fromkeys([*filter(None, [*unreadable, *unread]), *troubles]))
    return {"environment": environment, "summary": _summary(one), **one}


def _desired(branch: DeployBranch, environment: str) -> tuple[dict[str, Any] | None, str | None]:
    try:
        content = branch.read(environment)
    except UserError as error:
        return None, str(error)
    return content.model_dump(mode="json") if content else None, None


def _url(environment: str) -> str | None:
    try:
        return gateway_url(environment)
    except UserError:
        return None


def _history(branch: DeployBranch, environment: str) -> tuple[list[dict[str, Any]], str | None]:
    """Return the promotions, newest first, or none and why they cannot be read.

    What a canary showed stands in the tag that its promotion got in the end.
    """
    try:
        if not branch.head or not branch.git.has(branch.head):  # no branch yet, or the agent's mirror is fetched again
            return [], None
        history, concluded = branch.history(environment, HISTORY), branch.concluded(environment)
    except UserError as error:
        return [], str(error)
    return [_entry(promotion, environment, concluded) for promotion in history], None


def _entry(promotion: Promotion, environment: str, concluded: Mapping[str, list[str]]) -> dict[str, Any]:
    content = promotion.content
    is_promotion = promotion.subject.startswith("Promote ")  # a revert has the content of one, not its evidence
    shown = concluded.get(stage_tag(environment, content.promotion), []) if content and is_promotion else []
    return {
        "commit": promotion.commit,
        "author": promotion.author,
        "time": promotion.time,
        "subject": promotion.subject,
        "release": content.release if content else None,
        "evidence": [*([promotion.problem] if promotion.problem else []), *promotion.evidence, *shown],
    }


def _agent(environment: str, known: State | None, url: str | None) -> dict[str, Any] | None:
    """What the agent of the environment knows; None when none was seen."""
    if known is None:
        return None
    now, elsewhere = time.time(), agents.is_elsewhere(environment, url)
    seen = now - known.seen
    running = seen < STALE_SECONDS if elsewhere else is_running(Place.of(environment))
    return {
        "running": running,
        "seen_seconds_ago": round(seen, 1),
        "fetched_seconds_ago": round(now - known.fetched, 1) if known.fetched else None,
        "head": known.head,
        "page": f"http://127.0.0.1:{known.page}/" if known.page and running else None,
        "serving": known.serving.release if known.serving else None,
        "bad": {"release": known.bad.content.release, "reason": known.bad.reason} if known.bad else None,
        "trouble": known.trouble,
        "canary": _canary(known),
        "router": elsewhere or bool(known.router and processes.runs(known.router.pid, known.router.mark)),
        "services": [
            one.model_dump(include={"release", "role", "port", "pid", "phase", "since"}) for one in known.instances
        ],
        "events": [event.model_dump() for event in known.events[-EVENTS:]],
    }


def _canary(known: State) -> dict[str, Any] | None:
    """The newest canary: how far it has come, or how it ended, and what speaks for that."""
    if known.canary is None:
        return None
    progress, sides = known.canary, {"canary": known.canary.evidence.canary, "baseline": known.canary.evidence.baseline}
    facts = progress.model_dump(include={"promotion", "step", "outcome", "since", "shadow"})
    facts |= {side: {"requests": one.requests, "errors": one.errors} for side, one in sides.items()}
    facts["verdicts"] = [dataclasses.asdict(one) for one in progress.verdicts]
    tried = next((one for one in _contents(known) if one.promotion == progress.promotion and one.canary), None)
    if tried:
        facts |= {"release": tried.release, "against": tried.canary.baseline.release, "steps": list(tried.canary.steps)}
        facts |= {"share": canary.share(tried.canary, progress.step), "listens": bool(tried.canary.shadow_percent)}
    return facts


def _contents(known: State) -> list[Any]:
    return [one for one in (known.desired, known.bad and known.bad.content, *known.served) if one]


def _troubles(environment: str, one: dict[str, Any], known: State | None) -> list[str]:
    """Each in a line, with the mend; the gravest first."""
    agent, desired = one["agent"], one["desired"]
    if agent is None or known is None:
        mend = f"`slipway agent --environment {environment} --detach` starts one"
        return [f"no agent was seen; {mend}"] if desired else []
    lines = []
    if not agent["running"]:
        lines.append(f"no agent runs; `slipway agent --environment {environment} --detach` starts one")
    elif agent["seen_seconds_ago"] > STALE_SECONDS:
        lines.append(f"the agent gave no sign for {ago(agent['seen_seconds_ago'])}; see its log, or stop it by `kill`")
    if known.bad and known.bad.content == known.desired:
        kept = f"{agent['serving']} keeps serving" if agent["serving"] else "nothing serves"
        mend = "promote another release, or `git revert`"
        lines.append(f"{known.bad.content.release} is bad: {known.bad.reason}; {kept}; {mend}")
    if known.trouble:
        lines.append(known.trouble)
    elif agent["running"] and (agent["fetched_seconds_ago"] or 0) > STALE_SECONDS:
        lines.append(f"git was last read {ago(agent['fetched_seconds_ago'])} ago; the agent goes on asking")
    if agent["running"] and agent["serving"] and one["observed"]["release"] is None:
        lines.append("the front door shows no release; the agent mends it, and its log says what it does")
    return lines


def _summary(one: dict[str, Any]) -> str:
    desired, observed, agent = one["desired"], one["observed"], one["agent"]
    at = f", at {observed['url']}" if observed["url"] else ""
    if desired is None:
        return f"serves {observed['release']}{at}" if observed["release"] else "nothing was promoted yet"
    trial = trial_of(one)
    if trial:
        share = f"{trial['share']}% of the requests" if trial["share"] else "copies of requests"
        return f"tries {trial['release']} on {share}, {agent['serving']} serves{at}"
    if desired["release"] == observed["release"]:
        return f"serves {observed['release']} as desired{at}"
    return f"should serve {desired['release']}, serves {observed['release'] or 'nothing'}{at}"


def trial_of(one: dict[str, Any]) -> dict[str, Any] | None:
    """The canary that goes on in an environment."""
    found, desired = one["agent"] and one["agent"]["canary"], one["desired"]
    goes_on = found and found["outcome"] is None and found.get("release")
    return found if goes_on and desired and desired["promotion"] == found["promotion"] else None


def describe(agent: dict[str, Any]) -> str:
    """Whether an agent runs, and how old what it knows of git is."""
    seen = agent["fetched_seconds_ago"]
    read = "not read yet" if seen is None else f"read {ago(seen)} ago"
    return f"{'runs' if agent['running'] else 'does not run'}; {BRANCH} {read}"


def ago(seconds: float) -> str:
    """A time span in one unit."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
