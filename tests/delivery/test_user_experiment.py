"""An experiment by user in git and at the gateway: who gets which release, and what ends it."""

from __future__ import annotations

import json
from email.message import Message

import httpx
import pytest

from slipway.agent import assigner, reconcile, router
from slipway.deployment import promotion, user_experiment
from slipway.deployment.user_experiment import Options
from slipway.environment import spec
from slipway.environment.assignment import ABSENT, logged, side_of, unit_of
from slipway.environment.spec import Policy
from slipway.errors import ArgumentError, BusyError, NoReleaseError, NotReadyError, UnreadableFileError

OPTIONS = Options(
    name="prices",
    release="v0.2.0",
    header="X-User-ID",
    column=None,
    percent=30,
    days=7,
    baseline=0.1,
    effect=0.02,
    deviation=None,
    limits=(0, 1),
    alpha=0.05,
    power=0.8,
    lower_is_better=False,
)
NAMES = [f"user {number}" for number in range(20_000)]


@pytest.fixture
def started(project):
    """Return the project with v0.1.0 in staging and an experiment with v0.2.0."""
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    project.publish("v0.2.0")
    user_experiment.start(project.desired_state(), OPTIONS, project.store)
    return project


def _options(**changes) -> Options:
    return Options(**{**OPTIONS.__dict__, **changes})


def _experiment(**changes) -> spec.Experiment:
    content = {"header": "X-User-ID", "column": None, **changes}
    treatment = spec.Treatment(release="v0.2.0", digest=f"sha256:{2:064x}", commit="c" * 40)
    plan = user_experiment.plan_of(OPTIONS)
    return spec.Experiment(
        name="prices",
        salt="0" * 32,
        percent=30,
        started="2026-01-01",
        days=7,
        treatment=treatment,
        plan=plan,
        **content,
    )


def test_the_deviation_of_yes_or_no_is_that_of_both_sides():
    expected = ((0.1 * 0.9 + 0.4 * 0.6) / 2) ** 0.5
    assert expected == pytest.approx(user_experiment.plan_of(_options(effect=0.3)).deviation)


def test_a_user_keeps_the_side_and_each_side_has_its_percentage():
    sides = [side_of(unit_of("a1", name), 30) for name in NAMES]
    assert sides == [side_of(unit_of("a1", name), 30) for name in NAMES]
    for side in ("treatment", "control"):
        assert abs(sides.count(side) / len(NAMES) - 0.3) <= 0.01


def test_the_sides_of_two_experiments_are_independent_because_each_has_its_own_salt(started):
    first = user_experiment.running(started.desired_state())[1]
    user_experiment.end(started.desired_state(), "prices", [])
    second = user_experiment.start(started.desired_state(), _options(name="again"), started.store)
    both = [[side_of(unit_of(salt, name), 50) == "treatment" for name in NAMES] for salt in (first.salt, second.salt)]
    same = sum(map(lambda ours, theirs: ours and theirs, *both)) / len(NAMES)
    assert abs(same - 0.25) <= 0.02, "users of the first treatment are more often in the second one"


@pytest.mark.parametrize("missing", ["salt", "plan", "started", "header"])
def test_a_file_without_salt_or_plan_is_rejected(started, missing):
    text = started.branch.text("environments/staging.yaml", started.branch.head)
    lines = [line for line in text.splitlines() if not line.startswith(f"  {missing}:")]
    with pytest.raises(UnreadableFileError, match="experiment"):
        spec.parse("\n".join(lines) if missing != "plan" else text.replace("  plan:", "  plans:"), "staging.yaml")


@pytest.mark.parametrize(
    ("column", "body", "user"),
    [
        ("customer", {"customer": "a", "x": 1}, "a"),
        ("customer", {"customer": 7}, "7"),
        ("customer", {"customer": 7.0}, "7"),
        ("customer", [{"customer": "a"}, {"customer": "a"}], "a"),
        ("customer", {"columns": {"customer": ["a", "a"]}}, "a"),
        ("customer", [{"customer": "a"}, {"customer": "b"}], ""),
        ("customer", {"customer": None}, ""),
        ("customer", {"columns": {"customer": 1}}, ""),
        ("customer", [], ""),
        ("customer", ["a"], ""),
        ("customer", "no JSON", ""),
    ],
)
def test_a_column_names_the_user_if_all_rows_of_a_request_agree(column, body, user):
    experiment = _experiment(header=None, column=column)
    content = body.encode() if body == "no JSON" else json.dumps(body).encode()
    assert _of(user) == assigner.headers(experiment, Message(), content)


def _of(user: str) -> dict[str, str]:
    unit = unit_of("0" * 32, user)
    side = side_of(unit, 30)
    if unit == ABSENT:
        return {router.UNIT_HEADER: logged("prices", ABSENT)}
    return {router.SIDE_HEADER: side, router.UNIT_HEADER: logged("prices", unit)} if side else {}


def test_a_request_without_the_header_is_on_no_side_and_not_one_user():
    assert {router.UNIT_HEADER: "prices/absent"} == assigner.headers(_experiment(), Message(), b"")
    assert side_of(ABSENT, 50) is None


def test_the_gateway_gives_each_user_one_release_until_the_experiment_ends(started, crew):
    crew.settle()
    experiment = crew.agent.state.desired.experiment
    crew.until(lambda: {"treatment", "assigner"} <= {instance.role for instance in _ready(crew)})
    crew.settle()
    for name in NAMES[:30]:
        side = side_of(unit_of(experiment.salt, name), 30)
        expected = "v0.2.0" if side == "treatment" else "v0.1.0"
        assert [expected] * 2 == [_served(crew, {"X-User-ID": name}) for _ in range(2)], name
    assert "v0.1.0" == _served(crew, {})
    assert "v0.1.0" == _served(crew, {router.SIDE_HEADER: "treatment"}), "a client chose its side"
    _restarts_of_the_assigner_keep_the_sides(crew, experiment)
    user_experiment.end(started.desired_state(), "prices", ["Stopped"])
    crew.settle()
    assert {"v0.1.0"} == {_served(crew, {"X-User-ID": name}) for name in NAMES[:30]}
    assert {"main"} == {instance.role for instance in crew.agent.state.instances}


def _restarts_of_the_assigner_keep_the_sides(crew, experiment):
    before = [instance for instance in _ready(crew) if instance.role == "assigner"]
    crew.agent._reap(before[0])
    crew.settle()
    assert before != [instance for instance in _ready(crew) if instance.role == "assigner"]
    name = next(name for name in NAMES if side_of(unit_of(experiment.salt, name), 30) == "treatment")
    assert "v0.2.0" == _served(crew, {"X-User-ID": name})


def _ready(crew):
    return [instance for instance in crew.agent.state.instances if instance.phase == "ready"]


def _served(crew, headers):
    return httpx.get(f"{crew.agent.url}/release", headers=headers).json()["version"]


def test_a_treatment_that_does_not_start_leaves_every_user_with_the_release(project, crew):
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    project.publish("v0.2.0", "crash")
    user_experiment.start(project.desired_state(), OPTIONS, project.store)
    crew.agent.follower.poll()
    crew.until(lambda: any("the treatment of the experiment" in event.text for event in crew.agent.state.events))
    crew.until(lambda: crew.serves == "v0.1.0")
    assert {"v0.1.0"} == {_served(crew, {"X-User-ID": name}) for name in NAMES[:10]}
    assert crew.agent.state.bad is None


def test_another_experiment_has_another_assigner(started):
    current, experiment = user_experiment.running(started.desired_state())
    other = current.model_copy(update={"experiment": experiment.model_copy(update={"salt": "1" * 32})})
    groups = [reconcile.Group(content, "assigner", 1) for content in (current, other)]
    assert groups[0].content.experiment != groups[1].content.experiment
    assert router.render((router.Backend("a", (1,), 100),)) == router.render(
        (router.Backend("a", (1,), 100),), split=None
    )


def test_an_experiment_is_neither_a_promotion_nor_a_target_of_a_rollback(started):
    state = started.desired_state()
    assert (1, 2) == (state.read().promotion, state.next_assignment())
    with pytest.raises(BusyError, match="the experiment prices runs; end it with `slipway experiment decide"):
        promotion.promote(state, "v0.2.0", started.store, forward=True)
    user_experiment.end(started.desired_state(), "prices", ["experiment: metric: pass"])
    assert started.desired_state().read().experiment is None
    newest = started.desired_state().history(1)[0]
    assert ("End experiment prices in staging", ["experiment: metric: pass"]) == (newest.subject, newest.evidence)
    promotion.promote(started.desired_state(), "v0.2.0", started.store, forward=True)
    assert "v0.1.0" == promotion.rollback(started.desired_state(), None, started.store).release


def test_a_rollback_ends_an_experiment(started):
    user_experiment.end(started.desired_state(), "prices", [])
    promotion.promote(started.desired_state(), "v0.2.0", started.store, forward=True)
    started.publish("v0.3.0")
    user_experiment.start(started.desired_state(), _options(release="v0.3.0"), started.store)
    back = promotion.rollback(started.desired_state(), None, started.store)
    assert ("v0.1.0", None) == (back.release, back.experiment)


def test_the_policy_of_the_environment_holds_for_a_treatment(project):
    project.publish("v0.1.0")
    project.promote("v0.1.0")
    project.publish("v0.2.0")
    state = project.desired_state()
    state.change(state.read().model_copy(update={"policy": Policy(approval=True)}), "Set the policy\n", number=None)
    with pytest.raises(NotReadyError, match=r"v0\.2\.0 needs an approval"):
        user_experiment.start(project.desired_state(), OPTIONS, project.store)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"release": "v0.1.0"}, "--release v0.1.0: is the release of staging"),
        ({"name": "A B"}, "--name A B: use up to 40 of a-z, 0-9 and -"),
        ({"header": None}, "--header, --column: give one of them"),
        ({"header": "X User"}, "--header X User: not the name of a header"),
        ({"header": None, "column": "nobody"}, "--column nobody: not a column of `Row`"),
        ({"baseline": 1.5}, "--baseline 1.5: not within the limits 0 to 1"),
        ({"effect": 2.0}, "--effect 2: not between 0 and 1"),
        ({"effect": 0.95}, "--effect 0.95: 0.1 would become 1.05, which is not within the limits 0 to 1"),
        ({"effect": 0.15, "lower_is_better": True}, "--effect 0.15: 0.1 would become -0.05, which is not within"),
        ({"limits": (0, 100)}, "--deviation: missing"),
    ],
)
def test_what_cannot_start_names_the_option(started, changes, message):
    user_experiment.end(started.desired_state(), "prices", [])
    with pytest.raises(ArgumentError) as error:
        user_experiment.start(started.desired_state(), _options(**changes), started.store)
    assert str(error.value).startswith(message)


def test_one_experiment_runs_at_a_time_and_only_its_own_end_counts(started):
    with pytest.raises(BusyError, match="the experiment prices runs"):
        user_experiment.start(started.desired_state(), _options(name="other"), started.store)
    with pytest.raises(BusyError, match="the experiment prices runs, not other; nothing was changed"):
        user_experiment.end(started.desired_state(), "other", [])
    user_experiment.end(started.desired_state(), "prices", [])
    with pytest.raises(NoReleaseError, match="no experiment runs"):
        user_experiment.running(started.desired_state())
