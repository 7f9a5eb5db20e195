"""Start and end of an experiment by user: a section of the environment's file on the branch `deploy`.

Each is one commit that changes neither the release nor its promotion, so a rollback or a `git revert` ends an
experiment, too.
"""

from __future__ import annotations

import math
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import problem
from slipway.deployment import policy
from slipway.environment.spec import Experiment, Treatment
from slipway.errors import ArgumentError, BusyError, NoReleaseError
from slipway.gates.user_experiment import ExperimentPlan, users_needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.environment.desired_state import DesiredState
    from slipway.environment.spec import EnvironmentFile
    from slipway.release.store import Store

SALT_BYTES = 16
NAME = re.compile("[a-z0-9][a-z0-9-]{0,39}")
HEADER = re.compile("[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class Options:
    """The options of `slipway experiment start`."""

    name: str
    release: str
    header: str | None
    column: str | None
    percent: int
    days: float
    baseline: float
    effect: float
    deviation: float | None
    limits: tuple[float, float]
    alpha: float
    power: float
    lower_is_better: bool


def plan_of(options: Options) -> ExperimentPlan:
    """Return the statistics of an experiment, with the users that it needs. Raises UserError."""
    low, high = options.limits
    if not low <= options.baseline <= high:
        raise ArgumentError(f"--baseline {options.baseline:g}: not within the limits {low:g} to {high:g}")
    if not 0 < options.effect < high - low:
        raise ArgumentError(f"--effect {options.effect:g}: not between 0 and {high - low:g}, the range of the outcome")
    goal = options.baseline + (-options.effect if options.lower_is_better else options.effect)
    if not low <= goal <= high:
        raise ArgumentError(
            f"--effect {options.effect:g}: {options.baseline:g} would become {goal:g}, which is not within the limits"
            f" {low:g} to {high:g}"
        )
    deviation = options.deviation
    if deviation is None and options.limits == (0, 1):
        deviation = math.sqrt((options.baseline * (1 - options.baseline) + goal * (1 - goal)) / 2)
    if not deviation:
        raise ArgumentError("--deviation: missing; give the standard deviation of the outcomes of users today")
    return ExperimentPlan(
        baseline=options.baseline,
        deviation=deviation,
        low=low,
        high=high,
        effect=options.effect,
        alpha=options.alpha,
        power=options.power,
        lower_is_better=options.lower_is_better,
        users=users_needed(deviation, options.effect, options.alpha, options.power, high - low),
    )


def start(state: DesiredState, options: Options, store: Store) -> Experiment:
    """Push the start of an experiment, and return it. Raises UserError."""
    _check_names(options)
    plan, current = plan_of(options), _free(state)
    chosen = state.branch.named(options.release)
    if chosen.digest == current.digest:
        raise ArgumentError(f"--release {chosen.version}: is the release of {state.environment}; name another one")
    if chosen.version not in store.versions():
        raise NoReleaseError(f"{chosen.version}: not in the store; run `slipway release publish` again")
    policy.require(state, chosen, current.policy)
    image = state.branch.image_of(chosen.digest)
    treatment = Treatment(release=chosen.version, digest=chosen.digest, commit=chosen.built_from, image=image)
    experiment = Experiment(
        name=options.name,
        salt=secrets.token_hex(SALT_BYTES),
        header=options.header,
        column=options.column,
        percent=options.percent,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        days=options.days,
        treatment=treatment,
        plan=plan,
    )
    lines = [
        f"Start experiment {options.name} in {state.environment}",
        "",
        f"{chosen.version} against {current.release}, each for {options.percent}% of the users",
        f"Size: {plan.users} users with an outcome on each side, for an effect of {plan.effect:g}"
        f" with alpha {plan.alpha:g} and power {plan.power:g}",
        "",
    ]
    state.change(current.model_copy(update={"experiment": experiment}), "\n".join(lines), number=None)
    return experiment


def running(state: DesiredState) -> tuple[EnvironmentFile, Experiment]:
    """Return the desired state and its experiment. Raises UserError without one."""
    current = state.read()
    if current is None or current.experiment is None:
        raise NoReleaseError(f"{state.environment}: no experiment runs; `slipway experiment start` starts one")
    return current, current.experiment


def end(state: DesiredState, name: str, evidence: Sequence[str]) -> None:
    """Push the end of the experiment `name`: every user gets the release. Raises UserError if it does not run."""
    current, experiment = running(state)
    if experiment.name != name:
        raise BusyError(f"{state.environment}: the experiment {experiment.name} runs, not {name}; nothing was changed")
    message = "\n".join([f"End experiment {name} in {state.environment}", "", *evidence, ""])
    state.change(current.model_copy(update={"experiment": None}), message, number=None)


def _free(state: DesiredState) -> EnvironmentFile:
    """Return the desired state, which may have an experiment. Raises UserError if it may not."""
    current = state.read()
    if current is None:
        raise NoReleaseError(
            f"{state.environment}: nothing is deployed; run `slipway promote --environment {state.environment}`"
        )
    if current.experiment:
        name = current.experiment.name
        raise BusyError(
            f"{state.environment}: the experiment {name} runs; end it with `slipway experiment decide` or `stop`"
        )
    if not state.is_concluded(current):
        raise BusyError(f"{state.environment}: the canary {current.release} runs; start when it has ended")
    return current


def _check_names(options: Options) -> None:
    if not NAME.fullmatch(options.name):
        raise ArgumentError(f"--name {options.name}: use up to 40 of a-z, 0-9 and -")
    if (options.header is None) == (options.column is None):
        raise ArgumentError("--header, --column: give one of them, which names the user")
    if options.header and not HEADER.fullmatch(options.header):
        raise ArgumentError(f"--header {options.header}: not the name of a header; use letters, digits and -")
    if options.column and options.column not in problem.Row.model_fields:
        raise ArgumentError(
            f"--column {options.column}: not a column of `Row`; use one of {', '.join(problem.Row.model_fields)}"
        )
