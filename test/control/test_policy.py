"""The flow policy as a planner: what it starts from, what it refuses, what it draws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import policies
import pytest

from gpc_ros import registry
from gpc_ros.config import make
from gpc_ros.control.base import Planner
from gpc_ros.control.policy import Policy, PolicyParameters
from gpc_ros.errors import GpcError, InvalidModel
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Estimate, Plan
from gpc_ros.tasks.base import Task
from gpc_ros.tasks.cart_pole import CartPole

SHAPE = (10, 1)
STAMP = 5_000_000_000
STATE = Estimate(STAMP, np.array([0.1, 3.0]), np.array([0.2, -0.1]))
ATOL = 1e-6  # plans are single precision inside


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plans are what they start from."""
    return policies.write(tmp_path_factory.mktemp("policies") / "identity.onnx")


def policy(file: Path, task: Task | None = None, **values: object) -> Policy:
    return Policy(task or CartPole(), make(PolicyParameters, {"model_file": str(file), **values}, "policy_server"))


def previous_plan(policy: Policy, start_ns: int = STAMP, **changes: object) -> Plan:
    knots = np.linspace(-0.9, 0.9, 10)[:, np.newaxis]
    values = {"knots": knots, "interpolation": Interpolation.LINEAR, "planner": "spc", **changes}
    return Plan(start_ns, start_ns, policy.model.period_ns, **values)


def test_it_is_a_planner_found_by_name() -> None:
    assert registry.load("control", "policy", Planner) is Policy


def test_a_plan_says_where_it_comes_from(identity: Path) -> None:
    plan = policy(identity).plan(replace(STATE, epoch=3))
    assert (plan.stamp_ns, plan.start_ns, plan.epoch, plan.planner) == (STAMP, STAMP, 3, "policy")
    assert plan.knots.shape == SHAPE
    assert plan.interpolation is Interpolation.LINEAR
    assert plan.end_ns == pytest.approx(STAMP + 1_000_000_000, abs=10)


def test_without_a_plan_in_force_it_starts_from_rest(tmp_path: Path, identity: Path) -> None:
    np.testing.assert_array_equal(policy(identity).plan(STATE).knots, np.zeros(SHAPE))
    offset = policies.write(tmp_path / "a.onnx", keep=0.5, offset=0.25)
    np.testing.assert_allclose(policy(offset).plan(STATE).knots, np.full(SHAPE, 0.25), atol=ATOL)


def test_it_goes_on_from_the_plan_in_force_moved_in_time(identity: Path) -> None:
    planner = policy(identity)
    before = previous_plan(planner)
    np.testing.assert_allclose(planner.plan(STATE, before).knots, before.knots, atol=ATOL)
    later = replace(STATE, stamp_ns=STAMP + 2 * before.period_ns)
    moved = np.append(before.knots[2:], [before.knots[-1]] * 2, axis=0)
    np.testing.assert_allclose(planner.plan(later, before).knots, moved, atol=ATOL)


@pytest.mark.parametrize(
    "stale", [{"epoch": 1}, {"start_ns": STAMP - 2_000_000_000}, {"knots": np.full(SHAPE, np.nan)}]
)
def test_a_plan_that_is_of_no_use_is_as_none(identity: Path, stale: dict[str, object]) -> None:
    planner = policy(identity)
    np.testing.assert_array_equal(planner.plan(STATE, previous_plan(planner, **stale)).knots, np.zeros(SHAPE))


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
def test_the_warm_start_level_mixes_noise_and_the_plan_in_force(identity: Path, level: float) -> None:
    """Equation 35, with the noise of seed and stamp."""
    planner = policy(identity, warm_start=level, seed=4)
    before = previous_plan(planner)
    noise = np.random.default_rng([4, STAMP]).standard_normal(SHAPE)
    expected = np.clip((1 - level) * noise + level * before.knots, -1, 1)
    np.testing.assert_allclose(planner.plan(STATE, before).knots, expected, atol=ATOL)


def test_the_random_stream_belongs_to_seed_and_stamp(identity: Path) -> None:
    planner = policy(identity, warm_start=0.0)
    first = planner.plan(STATE).knots
    planner.plan(replace(STATE, stamp_ns=STAMP + 1))  # what was planned in between leaves no trace
    np.testing.assert_array_equal(planner.plan(STATE).knots, first)
    others = (planner.plan(replace(STATE, stamp_ns=STAMP + 1)), policy(identity, warm_start=0.0, seed=1).plan(STATE))
    for other in others:
        assert not np.array_equal(other.knots, first)


def test_it_sees_the_observation_of_its_task(tmp_path: Path) -> None:
    feedback = np.array([[0.5, 0.0, 0.0, 0.0, 1.0]])
    planner = policy(policies.write(tmp_path / "a.onnx", keep=0.0, feedback=feedback))
    np.testing.assert_allclose(planner.plan(STATE).knots, np.full(SHAPE, 0.5 * 0.1 - 0.1), atol=ATOL)


def test_plans_are_in_units_of_the_actuators_and_inside_the_ctrlrange(tmp_path: Path) -> None:
    task: Task = registry.load("tasks", "pendulum", Task)()
    planner = policy(policies.write(tmp_path / "a.onnx", "pendulum", offset=5.0), task)
    np.testing.assert_allclose(planner.plan(start(task)).knots, task.model.actuator_ctrlrange[0, 1], rtol=ATOL)


def start(task: Task) -> Estimate:
    named = task.start(task.named_start)
    return Estimate(STAMP, named.qpos, named.qvel)


def test_samples_are_plans_of_the_level_for_seeding(identity: Path) -> None:
    planner = policy(identity, seed_samples=5, seed=2)
    found = planner.samples(STATE)
    assert (found.stamp_ns, found.period_ns, found.epoch) == (STAMP, planner.model.period_ns, 0)
    noise = np.random.default_rng([2, STAMP]).standard_normal((5, *SHAPE))
    np.testing.assert_allclose(found.knots, np.clip(noise, -1, 1), atol=ATOL)
    before = previous_plan(planner)
    near = policy(identity, seed_samples=5, seed_warm_start=0.9, seed=2).samples(STATE, before)
    np.testing.assert_allclose(near.knots, np.clip(0.1 * noise + 0.9 * before.knots, -1, 1), atol=ATOL)


def test_an_estimate_that_is_not_finite_gives_no_plan_and_no_samples(identity: Path) -> None:
    planner = policy(identity)
    for broken in (replace(STATE, qpos=np.array([np.nan, 0.0])), replace(STATE, qvel=np.array([0.0, np.inf]))):
        assert planner.plan(broken) is None
        assert planner.samples(broken).knots.shape == (0, *SHAPE)


def not_finite(file: Path) -> Path:
    """A policy that is well for a cart in the middle, and whose numbers overflow for one that is far out."""
    feedback = np.array([[3e38, 0.0, 0.0, -3e38, 0.0]])
    return policies.write(file, keep=0.0, feedback=feedback)


def test_plans_that_are_not_finite_are_dropped(tmp_path: Path) -> None:
    planner = policy(not_finite(tmp_path / "a.onnx"), seed_samples=3)
    far = replace(STATE, qpos=np.array([30.0, 0.0]), qvel=np.array([30.0, 0.0]))
    assert planner.plan(far) is None
    assert len(planner.samples(far).knots) == 0
    middle = replace(STATE, qpos=np.zeros(2), qvel=np.zeros(2))
    np.testing.assert_array_equal(planner.plan(middle).knots, np.zeros(SHAPE))


def test_a_robot_without_a_policy_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpc_ros.control import policy as module

    monkeypatch.setattr(module, "shipped", lambda robot: tmp_path / robot / "policy.onnx")
    with pytest.raises(InvalidModel) as refusal:
        Policy(CartPole())
    assert str(refusal.value) == (
        "cart_pole has no policy: models/cart_pole/policy.onnx; train one with gpc train cart_pole, "
        "or name one with -p policy_server.model_file=..."
    )


def test_the_shipped_policy_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpc_ros.control import policy as module

    file = policies.write(tmp_path / "shipped.onnx", offset=0.5)
    monkeypatch.setattr(module, "shipped", lambda robot: file)
    np.testing.assert_allclose(Policy(CartPole()).plan(STATE).knots, np.full(SHAPE, 0.5), atol=ATOL)


@pytest.fixture(params=["missing", "text", "truncated", "another robot"])
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file that is no policy for cart_pole."""
    file = tmp_path / "bad.onnx"
    if request.param == "text":
        file.write_text("no policy")
    elif request.param == "truncated":
        file.write_bytes(policies.write(tmp_path / "whole.onnx").read_bytes()[:-100])
    elif request.param == "another robot":
        policies.write(file, "pendulum")
    return file


def test_a_bad_file_is_refused_in_one_line_that_names_it(bad: Path) -> None:
    with pytest.raises(InvalidModel, match=r"bad\.onnx") as refusal:
        policy(bad)
    assert "\n" not in str(refusal.value)


def test_renewed_with_other_settings_it_keeps_the_network(identity: Path) -> None:
    planner = policy(identity)
    found = planner.renewed(planner.parameters.model_copy(update={"warm_start": 0.5}))
    assert found.model is planner.model
    assert (planner.parameters.warm_start, found.parameters.warm_start) == (1.0, 0.5)


def test_renewed_with_another_file_it_has_that_and_goes_on_from_the_plan_in_force(
    identity: Path, tmp_path: Path
) -> None:
    planner = policy(identity)
    other = policies.write(tmp_path / "other.onnx", keep=0.5, offset=0.25, knots=5)
    found = planner.renewed(planner.parameters.model_copy(update={"model_file": str(other)}))
    before = previous_plan(planner)
    plan = found.plan(STATE, before)
    assert plan.knots.shape == (5, 1)
    np.testing.assert_allclose(plan.knots[0], 0.5 * before.knots[0] + 0.25, atol=ATOL)
    np.testing.assert_allclose(plan.knots[-1], 0.5 * before.knots[-1] + 0.25, atol=ATOL)


def test_renewed_with_a_bad_file_it_is_refused(identity: Path, bad: Path) -> None:
    planner = policy(identity)
    with pytest.raises(InvalidModel, match=r"bad\.onnx"):
        planner.renewed(planner.parameters.model_copy(update={"model_file": str(bad)}))


def test_renewed_after_its_file_was_written_anew_it_has_the_new_network(tmp_path: Path) -> None:
    """As after another training, with the very same parameters."""
    file = policies.write(tmp_path / "a.onnx", keep=0.0, offset=0.25)
    planner = policy(file)
    policies.write(file, keep=0.0, offset=0.75)
    found = planner.renewed(planner.parameters)
    assert planner.plan(STATE).knots[0] == pytest.approx(0.25)
    assert found.plan(STATE).knots[0] == pytest.approx(0.75)
    assert found.model.metadata.sha256 != planner.model.metadata.sha256
    assert found.renewed(found.parameters).model is found.model


@pytest.mark.parametrize("content", [b"", b"half of a policy"])
def test_renewed_after_its_file_was_damaged_it_is_refused_and_goes_on(tmp_path: Path, content: bytes) -> None:
    file = policies.write(tmp_path / "a.onnx", offset=0.25)
    planner = policy(file)
    file.write_bytes(content)
    with pytest.raises(InvalidModel, match=r"a\.onnx"):
        planner.renewed(planner.parameters)
    policies.write(file, offset=0.75)
    assert planner.renewed(planner.parameters).plan(STATE).knots[0] == pytest.approx(0.75)


def test_renewed_after_its_file_is_gone_it_keeps_the_network(tmp_path: Path) -> None:
    file = policies.write(tmp_path / "a.onnx", offset=0.25)
    planner = policy(file)
    file.unlink()
    kept = planner.renewed(planner.parameters.model_copy(update={"seed": 5}))
    assert kept.model is planner.model
    policies.write(file, offset=0.75)
    assert kept.renewed(kept.parameters).plan(STATE).knots[0] == pytest.approx(0.75)


def test_a_policy_without_a_finite_plan_at_the_named_start_is_refused(identity: Path, tmp_path: Path) -> None:
    file = policies.write(tmp_path / "a.onnx", keep=0.0, feedback=np.array([[0.0, 3e38, 3e38, 0.0, 0.0]]), offset=3e38)
    planner = policy(identity)
    with pytest.raises(InvalidModel, match=r"a\.onnx: its plan at the start 'hanging' is not finite"):
        planner.renewed(planner.parameters.model_copy(update={"model_file": str(file)}))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"warm_start": 1.5}, "warm_start = 1.5"),
        ({"warm_start": -0.1}, "warm_start = -0.1"),
        ({"seed_samples": 0}, "seed_samples = 0"),
        ({"device": "gpu"}, "device = 'gpu'.*'auto', 'cuda' or 'cpu'"),
        ({"model": "a"}, "unknown parameter of policy_server 'model'. Did you mean 'model_file'"),
    ],
)
def test_parameters_that_cannot_be_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(GpcError, match=words):
        make(PolicyParameters, values, "policy_server")


def test_the_goal_is_part_of_what_it_sees(tmp_path: Path) -> None:
    task: Task = registry.load("tasks", "particle", Task)()
    planner = policy(policies.write(tmp_path / "a.onnx", "particle", keep=0.0, feedback=np.ones((2, 4))), task)
    plans = []
    for goal in ([0.1, 0.0], [-0.2, 0.1]):
        planner.set_goal(np.array(goal))
        plans.append(planner.plan(start(task)).knots)
    assert not np.array_equal(*plans)
    same = planner.renewed(planner.parameters)
    np.testing.assert_array_equal(same.plan(start(task)).knots, plans[1])


def test_a_goal_gain_shows_it_another_goal(tmp_path: Path) -> None:
    task: Task = registry.load("tasks", "particle", Task)()
    planner = policy(policies.write(tmp_path / "a.onnx", "particle", keep=0.0, feedback=np.ones((2, 4))), task)
    planner.set_goal(np.array([0.3, -0.1]))
    plain = planner.plan(start(task)).knots
    gained = planner.renewed(planner.parameters.model_copy(update={"goal_gain": 0.5}))
    assert not np.array_equal(gained.plan(start(task)).knots, plain)
    gained.set_goal(np.array([0.6, -0.2]))
    np.testing.assert_allclose(gained.plan(start(task)).knots, plain)
