"""Status of all environments as lines and tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slipway.agent.status import describe, experiment_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.agent.status_json import CanaryStatus, EnvironmentStatus, Status


def render(content: Status) -> str:
    """Return the text for `slipway status`."""
    lines = [f"problem: {content['trouble']}"] if content["trouble"] else []
    for name, environment in content["environments"].items():
        lines += [f"{name}: {environment['summary']}", *(f"  {line}" for line in _details(environment)), ""]
    return "\n".join(lines).rstrip()


def _details(environment: EnvironmentStatus) -> list[str]:
    agent = environment["agent"]
    lines = [f"problem: {line}" for line in environment["troubles"]]
    if agent:
        page = f"; page {agent['page']}" if agent["page"] else ""
        lines.append(f"agent: {describe(agent)}{page}")
        lines += _canary_lines(agent["canary"]) if agent["canary"] else []
        services = [(row["release"], row["role"], row["phase"], str(row["port"])) for row in agent["services"]]
        lines += table(("service", "role", "phase", "port"), services)
    if line := experiment_line(environment):
        lines.append(line)
    promotions: list[tuple[str, ...]] = []
    for entry in environment["history"]:
        facts = (entry["time"][:19], entry["release"] or "", entry["commit"][:9], entry["author"])
        promotions.append((*facts, entry["subject"]))
        promotions += [("", "", "", "", f"  {line}") for line in entry["evidence"]]
    return lines + table(("promoted", "release", "commit", "author", "promotion and evidence"), promotions)


def _canary_lines(canary: CanaryStatus) -> list[str]:
    title = f"canary of promotion {canary['promotion']}"
    progress = canary["outcome"] or "running"
    if "release" in canary:
        title += f", {canary['release']} against {canary['against']}"
        traffic = f"{canary['share']}% of the requests" if canary["share"] else "copies of requests"
        progress = canary["outcome"] or f"running on {traffic}"
    verdicts = [f"  {verdict['gate']}: {verdict['outcome']} ({verdict['observed']})" for verdict in canary["verdicts"]]
    return [f"{title}: {progress}", *verdicts]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with aligned columns; an empty list without rows."""
    if not rows:
        return []
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
