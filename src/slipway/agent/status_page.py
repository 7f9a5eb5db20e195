"""Status of an environment as a self-contained HTML page that refreshes itself and reports when that fails."""

from __future__ import annotations

import base64
import hashlib
import time
from html import escape
from typing import TYPE_CHECKING, Any

from slipway.agent.status import describe, experiment_line, trial_of
from slipway.page import page

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from slipway.agent.status_json import AgentStatus, CanaryStatus, EnvironmentStatus, PromotionEntry

STYLE = """
:root { color-scheme: light dark; --line: #8883; --quiet: #6b7280; --good: #15803d; --bad: #b91c1c; --busy: #b45309; }
@media (prefers-color-scheme: dark) { :root { --quiet: #9ca3af; --good: #4ade80; --bad: #f87171; --busy: #fbbf24; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
header { display: flex; flex-wrap: wrap; gap: 0 1rem; align-items: baseline; justify-content: space-between; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.verdict { font-size: 1.15rem; font-weight: 600; border-left: .35rem solid; padding: .4rem .75rem; margin: .75rem 0; }
.good { color: var(--good); } .bad { color: var(--bad); } .busy { color: var(--busy); }
.problem { border: 1px solid var(--bad); border-radius: .4rem; padding: .5rem .75rem; margin: .5rem 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 1rem 0; }
dt, .quiet { color: var(--quiet); } dd { margin: 0; }
code { font: .85em ui-monospace, monospace; } a { color: inherit; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th, td:not(:last-child) { overflow-wrap: normal; } table + table { margin-top: 1rem; }
th { color: var(--quiet); font-weight: 400; } .number { text-align: right; font-variant-numeric: tabular-nums; }
.steps { display: flex; gap: .25rem; list-style: none; padding: 0; margin: .5rem 0; }
.steps li { flex: 1; border-top: .35rem solid var(--line); font-size: .85rem; padding-top: .15rem; }
.steps .done { border-color: var(--good); } .steps .now { border-color: var(--busy); font-weight: 600; }
.steps .failed { border-color: var(--bad); }
.list { list-style: none; padding: 0; margin: 0; }
.list > li { border-bottom: 1px solid var(--line); padding: .5rem 0; }
.meta { color: var(--quiet); font-size: .85rem; } summary { cursor: pointer; font-size: .85rem; }
details ul { margin: .25rem 0; padding-left: 1.1rem; font-size: .85rem; }
#away { position: sticky; top: 0; background: var(--bad); color: Canvas; padding: .5rem .75rem; border-radius: .4rem; }
"""
REFRESH = '<noscript><meta http-equiv="refresh" content="5"></noscript>\n'
SCRIPT = """
const away = document.getElementById("away");
let refreshed = new Date();
async function refresh() {
  try {
    const answer = await fetch("/", {cache: "no-store"});
    if (!answer.ok) throw new Error(answer.status);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const open = [...document.querySelectorAll("details[open]")].map(details => details.id);
    document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
    open.forEach(id => document.getElementById(id)?.setAttribute("open", ""));
    document.title = page.title;
    refreshed = new Date();
    away.hidden = true;
  } catch {
    away.textContent = `The agent does not respond; this is its status at ${refreshed.toLocaleTimeString()}.`;
    away.hidden = false;
  }
}
setInterval(refresh, 2000);
"""


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; style-src {_source(STYLE)}; script-src {_source(SCRIPT)}; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content Security Policy: it allows this style and this script, and none that a name or a message could inject."""


def render(environment: EnvironmentStatus, others: Mapping[str, str]) -> str:
    """Return the page for a status from `status.of_agent`, with links to the pages of the other environments."""
    name = environment["environment"]
    links = " ".join(f'<a href="{escape(url)}">{escape(other)}</a>' for other, url in others.items())
    blocks = [
        _verdict(environment),
        _problems(environment["troubles"]),
        _facts(environment),
        *(_agent(environment["agent"]) if environment["agent"] else []),
        _history(environment["history"]),
    ]
    body = (
        f'<p id="away" role="alert" hidden></p>\n<header><h1>{escape(name)}</h1><nav>{links}</nav></header>\n'
        f"<main>\n{_lines(blocks)}\n</main>\n<script>{SCRIPT}</script>"
    )
    return page(f"{name}: {environment['summary']}", STYLE, body, REFRESH)


def _lines(blocks: Iterable[str]) -> str:
    return "\n".join(block for block in blocks if block)


def _verdict(environment: EnvironmentStatus) -> str:
    desired, observed = environment["desired"], environment["observed"]["release"]
    converged = observed == (desired["release"] if desired else None) and not environment["troubles"]
    kind = "busy" if trial_of(environment) else "good" if converged else "bad"
    text = environment["summary"].partition(", at ")[0]
    return f'<p class="verdict {kind}">{escape(text[:1].upper() + text[1:])}</p>'


def _problems(lines: Sequence[str]) -> str:
    return _lines(f'<p class="problem" role="alert">{escape(line)}</p>' for line in lines)


def _facts(environment: EnvironmentStatus) -> str:
    desired, observed, agent = environment["desired"], environment["observed"], environment["agent"]
    facts = {
        "Desired": _release(desired) if desired else "nothing yet",
        "Observed": _code(observed["release"]) if observed["release"] else "no response",
        "Gateway": _link(observed["url"]) if observed["url"] else "none",
        "Agent": escape(describe(agent)) + _at(agent["head"]) if agent else "has not run",
        **({"Experiment": escape(line)} if (line := experiment_line(environment)) else {}),
    }
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in facts.items())}</dl>"


def _at(head: str | None) -> str:
    return f", at {_code(head[:9])}" if head else ""


def _link(url: str) -> str:
    return f'<a href="{escape(url)}">{escape(url)}</a>'


def _release(desired: Mapping[str, Any]) -> str:
    digest = desired["digest"].removeprefix("sha256:")[:12]
    details = f"promotion {desired['promotion']}, digest {digest}, built from {desired['commit'][:9]}"
    return f'{_code(desired["release"])} <span class="quiet">{escape(details)}</span>'


def _agent(agent: AgentStatus) -> list[str]:
    services = [
        [_code(row["release"]), escape(row["role"]), escape(row["phase"]), _clock(row["since"]), str(row["port"])]
        for row in agent["services"]
    ]
    events = "".join(f"<li>{_clock(event['time'])} {escape(event['text'])}</li>" for event in reversed(agent["events"]))
    table = _table(["release", "role", "phase", "since", "port"], services)
    folded = f'<details id="events"><summary>Newest {len(agent["events"])}</summary><ul>{events}</ul></details>'
    return [
        _canary(agent["canary"]) if agent["canary"] else "",
        f"<h2>Services</h2>\n{table}" if services else "",
        f"<h2>Events</h2>\n{folded}" if events else "",
    ]


def _canary(canary: CanaryStatus) -> str:
    title = f"{canary['release']} against {canary['against']}" if "release" in canary else "of an earlier promotion"
    progress = canary["outcome"] or "running"
    kind = {"passed": "good", None: "busy"}.get(canary["outcome"], "bad")
    sides = [[side, f"{canary[side]['requests']:,}", f"{canary[side]['errors']:,}"] for side in ("canary", "baseline")]
    verdicts = [
        [escape(verdict["gate"].removeprefix("canary: ")), escape(verdict["outcome"]), escape(verdict["observed"])]
        for verdict in canary["verdicts"]
    ]
    return _lines(
        [
            f'<h2>Canary {escape(title)}: <span class="{kind}">{escape(progress)}</span></h2>',
            _steps(canary) if "steps" in canary else "",
            _table(["side", "requests", "errors"], sides, numbers={1, 2}),
            _table(["check", "outcome", "observed"], verdicts) if verdicts else "",
        ]
    )


def _steps(canary: CanaryStatus) -> str:
    """Return a bar with the steps, preceded by the one in which the canary receives copies only."""
    names = [*(["copies"] if canary["listens"] else []), *(f"{step}%" for step in canary["steps"]), "all"]
    completed = len(names) if canary["outcome"] == "passed" else canary["step"]
    current = "failed" if canary["outcome"] else "now"
    kinds = ["done"] * completed + [current] + [""] * len(names)
    items = "".join(f'<li class="{kind}">{name}</li>' for kind, name in zip(kinds, names, strict=False))
    return f'<ol class="steps">{items}</ol>'


def _history(entries: Sequence[PromotionEntry]) -> str:
    items = "\n".join(_promotion(entry) for entry in entries)
    return f'<h2>History</h2>\n<ol class="list">\n{items}\n</ol>' if entries else ""


def _promotion(entry: PromotionEntry) -> str:
    commit = entry["commit"][:9]
    desired = f"desired {escape(entry['release'])}" if entry["release"] else "desired content not readable"
    meta = [escape(entry["author"]), escape(entry["time"][:19].replace("T", " ")), _code(commit), desired]
    folded = _evidence(commit, entry["evidence"]) if entry["evidence"] else ""
    return f'<li>{escape(entry["subject"])}<div class="meta">{", ".join(meta)}</div>{folded}</li>'


def _evidence(commit: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<details id="of-{escape(commit)}"><summary>Evidence ({len(lines)})</summary><ul>{items}</ul></details>'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """Return a table; the cells are HTML, and the columns `numbers` are aligned right."""
    kinds = [' class="number"' if column in numbers else "" for column in range(len(header))]
    head = "".join(f"<th{kind}>{name}</th>" for kind, name in zip(kinds, header, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{cell}</td>' for kind, cell in zip(kinds, row, strict=True))}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
