"""Status of each environment as data: desired state, observed state, and promotions with their evidence."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from slipway.agent import processes
from slipway.agent.lock import is_running
from slipway.environment import client, state
from slipway.environment.deploy_branch import BRANCH, DeployBranch
from slipway.environment.desired_state import DesiredState
from slipway.environment.environment import Environment
from slipway.environment.place import ENVIRONMENTS
from slipway.environment.versions import stage_tag
from slipway.errors import UserError
from slipway.git import Git

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from slipway.agent.status_json import (
        AgentStatus,
        CanaryStatus,
        EnvironmentStatus,
        PromotionEntry,
        ServiceStatus,
        SideCounts,
        Status,
        VerdictStatus,
    )
    from slipway.environment.desired_state import Promotion
    from slipway.environment.place import Place
    from slipway.environment.spec import EnvironmentFile
    from slipway.environment.state import Instance, State
    from slipway.gates.canary import Counts
    from slipway.gates.verdict import Verdict

PROMOTIONS_MAX = 10
EVENTS_MAX = 20
STALE_SECONDS = 30  # age of git's last response, or of the agent's heartbeat, above which it is reported as a problem


def status(root: Path) -> Status:
    """Return desired state, observed state and history of each environment.

    `trouble` is the reason if the branch of the repository `root` cannot be fetched.
    """
    branch = DeployBranch(Git(root))
    problem = None
    try:
        branch.fetch(stages=True)
    except UserError as error:
        problem = str(error)
    handles = [Environment(name, root) for name in ENVIRONMENTS]
    environments = {
        handle.name: _environment(branch, handle, handle.observed(), handle.find_url()) for handle in handles
    }
    return {"head": branch.head, "trouble": problem, "environments": environments}


def of_agent(place: Place) -> EnvironmentStatus:
    """Return the status of one environment from the files of its agent, without a request to the git remote."""
    observed = state.read(place) or state.State(environment=place.environment)
    branch = DeployBranch(Git(place.mirror))
    branch.head = observed.head if (place.mirror / "HEAD").exists() else None
    url = observed.gateway.url if observed.gateway else None
    return _environment(branch, Environment(place.environment), observed, url)


def _environment(
    branch: DeployBranch, environment: Environment, observed: State | None, url: str | None
) -> EnvironmentStatus:
    name, content = environment.name, DesiredState(branch, environment.name)
    (desired, *invalid), (history, *unreadable) = _desired(content), _history(content)
    served = client.get_release(url) if url else None
    status: EnvironmentStatus = {
        "environment": name,
        "summary": "",
        "desired": desired,
        "observed": {
            "url": url,
            "release": served.version if served else None,
            "commit": served.commit if served else None,
        },
        "agent": _agent(environment, observed, url),
        "history": history,
        "troubles": [],
    }
    status["summary"] = _summary(status)
    status["troubles"] = list(dict.fromkeys([*filter(None, [*invalid, *unreadable]), *_problems(status, observed)]))
    return status


def _desired(desired_state: DesiredState) -> tuple[dict[str, Any] | None, str | None]:
    try:
        content = desired_state.read()
    except UserError as error:
        return None, str(error)
    return content.model_dump(mode="json") if content else None, None


def _history(desired_state: DesiredState) -> tuple[list[PromotionEntry], str | None]:
    """Return the promotions, newest first, or an empty list and the reason why they cannot be read.

    The result of a canary is in the stage tag of its promotion.
    """
    branch = desired_state.branch
    try:
        if not branch.head or not branch.git.has(branch.head):  # no branch yet, or the mirror is being fetched again
            return [], None
        history, concluded = desired_state.history(PROMOTIONS_MAX), desired_state.stage_evidence()
    except UserError as error:
        return [], str(error)
    return [_entry(promotion, desired_state.environment, concluded) for promotion in history], None


def _entry(promotion: Promotion, environment: str, concluded: Mapping[str, list[str]]) -> PromotionEntry:
    content = promotion.content
    is_promotion = promotion.subject.startswith("Promote ")  # a revert restores the content, not the canary's result
    result = concluded.get(stage_tag(environment, content.promotion), []) if content and is_promotion else []
    return {
        "commit": promotion.commit,
        "author": promotion.author,
        "time": promotion.time,
        "subject": promotion.subject,
        "release": content.release if content else None,
        "evidence": [*([promotion.problem] if promotion.problem else []), *promotion.evidence, *result],
    }


def _agent(environment: Environment, observed: State | None, url: str | None) -> AgentStatus | None:
    """Return the status of the environment's agent, or None if there is no state of one."""
    if observed is None:
        return None
    now, elsewhere = time.time(), environment.is_elsewhere(url)
    age = now - observed.heartbeat
    running = age < STALE_SECONDS if elsewhere else is_running(environment.place)
    gateway = observed.gateway
    return {
        "running": running,
        "seen_seconds_ago": round(age, 1),
        "fetched_seconds_ago": round(now - observed.fetched, 1) if observed.fetched else None,
        "head": observed.head,
        "page": f"http://127.0.0.1:{observed.page}/" if observed.page and running else None,
        "serving": observed.serving.release if observed.serving else None,
        "bad": {"release": observed.bad.content.release, "reason": observed.bad.reason} if observed.bad else None,
        "trouble": observed.problem,
        "canary": _canary(observed),
        "router": elsewhere or bool(gateway and processes.is_alive(gateway.pid, gateway.tag)),
        "services": [_service(instance) for instance in observed.instances],
        "events": [{"time": event.time, "text": event.text} for event in observed.events[-EVENTS_MAX:]],
    }


def _service(instance: Instance) -> ServiceStatus:
    return {
        "release": instance.release,
        "port": instance.port,
        "pid": instance.pid,
        "role": instance.role,
        "phase": instance.phase,
        "since": instance.since,
    }


def _canary(observed: State) -> CanaryStatus | None:
    """Return progress or result of the newest canary, with its verdicts."""
    progress = observed.canary
    if progress is None:
        return None
    status: CanaryStatus = {
        "promotion": progress.promotion,
        "outcome": progress.outcome,
        "step": progress.step,
        "since": progress.since,
        "shadow": progress.shadow,
        "canary": _counts(progress.evidence.canary),
        "baseline": _counts(progress.evidence.baseline),
        "verdicts": [_verdict(verdict) for verdict in progress.verdicts],
    }
    for content in _contents(observed):
        if content.promotion == progress.promotion and content.canary:
            spec = content.canary
            status["release"] = content.release
            status["against"] = spec.baseline.release
            status["steps"] = list(spec.steps)
            status["share"] = spec.weight_percent(progress.step)
            status["listens"] = bool(spec.shadow_percent)
            break
    return status


def _counts(counts: Counts) -> SideCounts:
    return {"requests": counts.requests, "errors": counts.errors}


def _verdict(verdict: Verdict) -> VerdictStatus:
    return {
        "gate": verdict.gate,
        "outcome": verdict.outcome,
        "threshold": verdict.threshold,
        "observed": verdict.observed,
        "reason": verdict.reason,
    }


def _contents(observed: State) -> list[EnvironmentFile]:
    failed = observed.bad.content if observed.bad else None
    return [content for content in (observed.desired, failed, *observed.served) if content]


def _problems(environment: EnvironmentStatus, observed: State | None) -> list[str]:
    """Return each problem as one line with its fix, the most severe first."""
    agent, desired = environment["agent"], environment["desired"]
    start = f"`slipway agent --environment {environment['environment']} --detach` starts one"
    if agent is None or observed is None:
        return [f"no agent has run; {start}"] if desired else []
    lines = []
    if not agent["running"]:
        lines.append(f"no agent is running; {start}")
    elif agent["seen_seconds_ago"] > STALE_SECONDS:
        lines.append(f"the agent has not responded for {ago(agent['seen_seconds_ago'])}; see its log, or `kill` it")
    if observed.bad and observed.bad.content == observed.desired:
        serving = f"{agent['serving']} keeps serving" if agent["serving"] else "nothing serves"
        fix = "promote another release, or `git revert`"
        lines.append(f"{observed.bad.content.release} is bad: {observed.bad.reason}; {serving}; {fix}")
    if observed.problem:
        lines.append(observed.problem)
    elif agent["running"] and (age := agent["fetched_seconds_ago"] or 0) > STALE_SECONDS:
        lines.append(f"git was last read {ago(age)} ago; the agent keeps polling")
    if agent["running"] and agent["serving"] and environment["observed"]["release"] is None:
        lines.append("the gateway reports no release; the agent repairs it, see its log")
    return lines


def _summary(environment: EnvironmentStatus) -> str:
    desired, observed, agent = environment["desired"], environment["observed"], environment["agent"]
    at = f", at {observed['url']}" if observed["url"] else ""
    if desired is None:
        return f"serves {observed['release']}{at}" if observed["release"] else "nothing has been promoted yet"
    trial = trial_of(environment)
    if trial and agent:
        traffic = f"{trial['share']}% of the requests" if trial["share"] else "copies of requests"
        return f"tries {trial['release']} on {traffic}, {agent['serving']} serves{at}"
    if desired["release"] == observed["release"]:
        return f"serves {observed['release']} as desired{at}"
    return f"desired is {desired['release']}, serves {observed['release'] or 'nothing'}{at}"


def trial_of(environment: EnvironmentStatus) -> CanaryStatus | None:
    """Return the canary that is running in an environment, or None."""
    desired = environment["desired"]
    current = environment["agent"]["canary"] if environment["agent"] else None
    if current is None or current["outcome"] is not None or not current.get("release"):
        return None
    return current if desired and desired["promotion"] == current["promotion"] else None


def experiment_line(environment: EnvironmentStatus) -> str:
    """Return the running experiment as text, or "". Its users are counted elsewhere, since that reads the log."""
    experiment = (environment["desired"] or {}).get("experiment")
    if experiment is None:
        return ""
    user, users = experiment["header"] or experiment["column"], experiment["plan"]["users"]
    services = environment["agent"]["services"] if environment["agent"] else []
    ready = {service["role"] for service in services if service["phase"] == "ready"} >= {"treatment", "assigner"}
    return (
        f"experiment {experiment['name']}: {'' if ready else 'not yet '}split by {user},"
        f" {experiment['treatment']['release']} for {experiment['percent']}% of the users; needs {users:,} on each"
        f" side; `slipway experiment status --environment {environment['environment']}` counts them"
    )


def describe(agent: AgentStatus) -> str:
    """Return whether an agent is running, and the age of the state that it fetched from git, as text."""
    age = agent["fetched_seconds_ago"]
    read = "not read yet" if age is None else f"read {ago(age)} ago"
    return f"{'running' if agent['running'] else 'not running'}; {BRANCH} {read}"


def ago(seconds: float) -> str:
    """Return a duration in its largest suitable unit."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
