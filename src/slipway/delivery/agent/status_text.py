"""`slipway status`: the same as lines and tables, for a person at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slipway.delivery.agent.status import describe

if TYPE_CHECKING:
    from collections.abc import Sequence


def render(content: dict[str, Any]) -> str:
    """All environments for a person."""
    lines = [f"trouble: {content['trouble']}"] if content["trouble"] else []
    for name, one in content["environments"].items():
        lines += [f"{name}: {one['summary']}", *(f"  {line}" for line in _details(one)), ""]
    return "\n".join(lines).rstrip()


def _details(one: dict[str, Any]) -> list[str]:
    agent = one["agent"]
    lines = [f"trouble: {line}" for line in one["troubles"]]
    if agent:
        page = f"; page {agent['page']}" if agent["page"] else ""
        lines.append(f"agent: {describe(agent)}{page}")
        lines += _canary_lines(agent["canary"]) if agent["canary"] else []
        rows = [(s["release"], s["role"], s["phase"], str(s["port"])) for s in agent["services"]]
        lines += table(("service", "role", "phase", "port"), rows)
    rows = []
    for entry in one["history"]:
        facts = (entry["time"][:19], entry["release"] or "", entry["commit"][:9], entry["author"])
        rows += [(*facts, entry["subject"]), *(("", "", "", "", f"  {line}") for line in entry["evidence"])]
    return lines + table(("promoted", "release", "commit", "who", "what, on which evidence"), rows)


def _canary_lines(found: dict[str, Any]) -> list[str]:
    about = f"canary of promotion {found['promotion']}"
    reached = found["outcome"] or "goes on"
    if "release" in found:
        about += f", {found['release']} against {found['against']}"
        part = f"{found['share']}% of the requests" if found["share"] else "copies of requests"
        reached = found["outcome"] or f"goes on with {part}"
    verdicts = [f"  {one['gate']}: {one['outcome']} ({one['observed']})" for one in found["verdicts"]]
    return [f"{about}: {reached}", *verdicts]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns of equal width; none without rows."""
    if not rows:
        return []
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
