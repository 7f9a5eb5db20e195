"""Approval and soak time of an environment, enforced where a promotion is written to the branch `deploy`.

The agent and Argo CD follow that branch, so neither of them sees a promotion that the policy does not allow yet. A
commit by hand bypasses this check; the agent refuses one that lacks approval or soak time. A rollback is urgent and
needs neither.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from slipway.environment import approvals
from slipway.environment.desired_state import DesiredState
from slipway.environment.soak import SOAKS_IN, Change, desired_since
from slipway.errors import NotReadyError

if TYPE_CHECKING:
    from slipway.environment.deploy_branch import Published
    from slipway.environment.spec import Policy


def require(state: DesiredState, chosen: Published, policy: Policy | None, now: datetime | None = None) -> None:
    """Raise NotReadyError unless `policy`, that of the environment of `state`, allows a promotion of `chosen` now."""
    if policy is None:
        return
    if policy.soak_hours and state.environment != SOAKS_IN:
        _require_soaked(state, chosen, timedelta(hours=policy.soak_hours), now or datetime.now(UTC))
    if policy.approval and state.branch.text(
        approvals.path_of(state.environment, chosen.version), state.branch.head
    ) != approvals.text_of(chosen.digest):
        environment = state.environment
        raise NotReadyError(
            f"{environment}: {chosen.version} needs an approval; run `slipway approve --environment {environment}"
            f" --release {chosen.version}`"
        )


def _require_soaked(state: DesiredState, chosen: Published, duration: timedelta, now: datetime) -> None:
    """Raise NotReadyError unless staging has desired the release without a change for `duration`."""
    since = desired_since(_changes(DesiredState(state.branch, SOAKS_IN)), chosen.digest)
    if since is None:
        raise NotReadyError(
            f"{state.environment}: {chosen.version} must soak in {SOAKS_IN} for {duration}, and is not its desired"
            f" release; run `slipway promote --environment {SOAKS_IN} --release {chosen.version}`"
        )
    end = since + duration
    if now < end:
        raise NotReadyError(
            f"{state.environment}: {chosen.version} soaks in {SOAKS_IN} until {end:%Y-%m-%dT%H:%M}Z; promote it then"
        )


def _changes(staging: DesiredState) -> list[Change]:
    return [
        Change(
            datetime.fromisoformat(promotion.time).astimezone(UTC),
            promotion.content.digest if promotion.content and staging.is_concluded(promotion.content) else None,
        )
        for promotion in staging.history()
    ]


def approve(state: DesiredState, version: str) -> str:
    """Push the approval of a release for the environment of `state`; return the commit. Raises UserError.

    The approval names the release by digest, and its commit names who approved.
    """
    chosen = state.branch.named(version)
    path, text = approvals.path_of(state.environment, chosen.version), approvals.text_of(chosen.digest)
    head = state.branch.head
    if head is None or state.branch.text(path, head) == text:
        return head or ""
    message = f"Approve {chosen.version} for {state.environment}\n"
    commit = state.branch.git.commit(state.branch.tree(head, {path: text.encode()}), [head], message)
    state.branch.push(commit, {})
    return commit
