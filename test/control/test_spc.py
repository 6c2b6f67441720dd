from __future__ import annotations

import itertools

import mujoco
import numpy as np
import pytest

from gpc_ros import actuators, registry
from gpc_ros.config import make
from gpc_ros.control.base import Planner
from gpc_ros.control.spc import Spc, SpcParameters
from gpc_ros.errors import GpcError, InvalidParameter, InvalidSignal, UnknownName
from gpc_ros.sampling.search import Kind
from gpc_ros.signals import Estimate, Plan
from gpc_ros.tasks.base import Start
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.crane import Crane
from gpc_ros.tasks.particle import Particle

QUICK = {"samples": 12, "horizon_s": 0.4, "knots": 4, "noise": 0.3, "interpolation": "zero"}
RULES = registry.names("sampling.rules")


class HeavyCartPole(CartPole):
    """Cart-poles of many masses."""

    @property
    def name(self) -> str:
        return "cart_pole"

    def randomize(self, rng: np.random.Generator) -> mujoco.MjModel:
        model = self.load_model()
        model.body_mass[1:] *= rng.uniform(0.5, 2.0)
        return model


def spc(task: type = CartPole, **values: object) -> Spc:
    return Spc(task(), make(SpcParameters, {**QUICK, **values}, "spc"))


def estimate(tick: int = 0, *, epoch: int = 0, angle: float = 0.4) -> Estimate:
    return Estimate(tick * 20_000_000, np.array([0.2, angle]), np.array([0.1, -0.3]), epoch=epoch)


def plan_of(planner: Spc, *args: object, **kwargs: object) -> Plan:
    plan = planner.plan(*args, **kwargs)  # type: ignore[arg-type]
    assert plan is not None
    return plan


def test_spc_is_a_planner_found_by_name() -> None:
    assert registry.load("control", "spc", Planner) is Spc


def test_plan_says_where_it_comes_from() -> None:
    plan = plan_of(spc(interpolation="cubic", polish=1), estimate(7, epoch=3))
    assert (plan.stamp_ns, plan.start_ns, plan.epoch, plan.planner) == (140_000_000, 140_000_000, 3, "spc")
    assert plan.knots.shape == (4, 1)
    assert plan.end_ns == pytest.approx(540_000_000, abs=3)
    assert np.abs(plan.knots).max() <= 1.0
    shares = [value for name, value in plan.info.items() if name.startswith(("running_", "terminal_"))]
    np.testing.assert_allclose(sum(shares), plan.cost)
    assert plan.info["rollouts"] == 12 + (1 + 4) + 6
    assert 1 <= plan.info["effective_samples"] <= 12
    assert plan.info["time_s"] > 0


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("interpolation", ["zero", "cubic"])
def test_plan_is_never_dearer_than_the_shifted_nominal(rule: str, interpolation: str) -> None:
    planner = spc(rule=rule, interpolation=interpolation, iterations=2, polish=1)
    previous = None
    for tick in range(5):
        previous = plan_of(planner, estimate(tick), previous)
        assert previous.cost <= previous.info["nominal_cost"]


def test_predicted_cost_is_the_cost_of_the_plan() -> None:
    planner = spc(rule="mppi", keep_best=False, polish=0)
    plan = plan_of(planner, estimate())
    again = plan_of(spc(samples=1, polish=0, shift=False), estimate(), plan)
    np.testing.assert_allclose(again.info["nominal_cost"], plan.cost)
    assert again.info["best_kind"] == Kind.NOMINAL


def test_averaging_without_keeping_the_best_plans_the_mean() -> None:
    assert plan_of(spc(rule="mppi", keep_best=False, polish=0), estimate()).info["best_kind"] == Kind.MEAN
    kept = plan_of(spc(rule="mppi", temperature=1e6, polish=0), estimate())  # the mean of all samples is poor
    assert kept.info["best_kind"] == Kind.SAMPLE


def test_polish_lowers_the_cost() -> None:
    costs = [plan_of(spc(polish=steps, margin=0.0), estimate()).cost for steps in (0, 1, 3)]
    assert costs[0] > costs[1] >= costs[2]


def test_chance_that_gains_little_does_not_displace_the_nominal() -> None:
    """Near the goal the polished nominal is the plan, free of the samples' jitter; far from it the samples lead."""
    near, far = estimate(angle=3.1), estimate(angle=0.4)
    alone, many = spc(samples=1, polish=2), spc(samples=12, polish=2, margin=1.0)
    np.testing.assert_array_equal(plan_of(many, near).knots, plan_of(alone, near).knots)
    assert plan_of(spc(samples=12, polish=0, margin=0.0), far).cost < plan_of(spc(samples=1, polish=0), far).cost


@pytest.mark.parametrize("threads", [0, 2, 3])
def test_same_inputs_give_a_bit_identical_plan_whatever_the_threads(threads: int) -> None:
    values = {"rule": "mppi", "iterations": 2, "polish": 1, "domains": 3}
    reference, other = spc(HeavyCartPole, **values), spc(HeavyCartPole, threads=threads, **values)
    other.plan(estimate(3))  # what was planned before leaves no trace
    for planner in (reference, other):
        planner.plan(estimate(1))
    previous = plan_of(reference, estimate(4))
    expected, found = plan_of(reference, estimate(5), previous), plan_of(other, estimate(5), previous)
    np.testing.assert_array_equal(found.knots, expected.knots)
    assert found.cost == expected.cost


def test_random_stream_belongs_to_seed_and_tick() -> None:
    knots = [
        plan_of(spc(seed=seed, polish=0), estimate(tick, angle=3.0)).knots.tobytes()
        for seed, tick in itertools.product((0, 1), (0, 1))
    ]
    assert len(set(knots)) == 4


def test_warm_start_is_the_previous_plan_moved_in_time() -> None:
    knots = np.array([[0.1], [-0.2], [0.3], [-0.4]])
    previous = Plan(stamp_ns=0, start_ns=0, period_ns=100_000_000, knots=knots)
    moved = plan_of(spc(samples=1, polish=0), estimate(5), previous)  # 0.1 s later: one knot
    np.testing.assert_allclose(moved.knots, [[-0.2], [0.3], [-0.4], [-0.4]])
    unmoved = plan_of(spc(samples=1, polish=0, shift=False), estimate(5), previous)
    np.testing.assert_array_equal(unmoved.knots, knots)
    finer = plan_of(spc(samples=1, polish=0, knots=8), estimate(), previous)  # knots twice as dense
    np.testing.assert_allclose(finer.knots[::2], knots)


@pytest.mark.parametrize(
    "stale",
    [
        {"epoch": 1},
        {"start_ns": -1_000_000_000},
        {"start_ns": 1_000_000_000},
        {"knots": np.full((4, 1), np.nan)},
        {"knots": np.ones((4, 2))},
    ],
    ids=["epoch", "ended", "future", "nonfinite", "size"],
)
def test_unusable_previous_plans_are_not_used(stale: dict[str, object]) -> None:
    values = {"stamp_ns": 0, "start_ns": 0, "period_ns": 100_000_000, "knots": np.ones((4, 1)), **stale}
    plan = plan_of(spc(samples=1, polish=0), estimate(), Plan(**values))  # type: ignore[arg-type]
    np.testing.assert_array_equal(plan.knots, np.zeros((4, 1)))


def test_a_good_seed_wins_clipped_and_a_bad_one_is_left_out() -> None:
    best = plan_of(spc(polish=10, samples=200), estimate())
    seeds = np.stack([np.full((4, 1), np.nan), best.knots, np.full((4, 1), 50.0)])
    plan = plan_of(spc(samples=4, polish=0, noise=0.01), estimate(), seeds=seeds)
    np.testing.assert_array_equal(plan.knots, best.knots)
    assert plan.info["best_kind"] == Kind.SEED
    assert plan.info["rollouts"] == 4 + 2
    saturated = plan_of(spc(samples=1, polish=0), estimate(angle=3.3), seeds=np.full((1, 4, 1), -50.0))
    assert np.abs(saturated.knots).max() <= 1.0


def test_seeds_of_another_shape_are_refused() -> None:
    with pytest.raises(InvalidSignal, match=r"seeds have shape \(2, 5, 1\), spc plans with \(S, 4, 1\)"):
        spc().plan(estimate(), seeds=np.zeros((2, 5, 1)))


def test_no_finite_plan_is_none() -> None:
    planner = spc()
    assert planner.plan(Estimate(0, np.array([np.nan, 0.0]), np.zeros(2))) is None
    assert planner.plan(Estimate(0, np.array([1e11, 0.0]), np.zeros(2))) is None  # MuJoCo gives up


class Fragile(CartPole):
    """Has no finite cost once pushed hard."""

    @property
    def name(self) -> str:
        return "cart_pole"

    def running_residuals(self, states, ctrl, goal):  # type: ignore[no-untyped-def]
        return {"control": (np.where(np.abs(ctrl[..., 0]) > 0.9, np.inf, ctrl[..., 0]),)}


def test_a_nominal_without_finite_cost_is_dropped_for_rest() -> None:
    previous = Plan(stamp_ns=0, start_ns=0, period_ns=100_000_000, knots=np.ones((4, 1)))
    plan = plan_of(spc(Fragile, samples=1, polish=1), estimate(), previous)
    assert np.abs(plan.knots).max() <= 0.9
    assert np.isfinite(plan.cost)


def test_without_a_plan_before_servos_begin_where_the_robot_is() -> None:
    start = Crane().reset(np.random.default_rng(0))
    planner = spc(Crane, samples=1, polish=0)
    plan = plan_of(planner, Estimate(0, start.qpos, start.qvel))
    np.testing.assert_array_equal(plan.knots, np.tile(actuators.rest(Crane().model, start.qpos), (4, 1)))


def test_candidates_without_finite_cost_do_not_count() -> None:
    plan = plan_of(spc(Fragile, samples=30, noise=2.0, polish=0, rule="mppi"), estimate())
    assert np.isfinite(plan.cost)
    assert plan.info["effective_samples"] <= 30


@pytest.mark.parametrize("values", [{"budget_s": 1e-9}, {}])
def test_out_of_time_returns_the_best_so_far(values: dict[str, float]) -> None:
    planner = spc(iterations=50, polish=20, **values)
    plan = plan_of(planner, estimate(), out_of_time=lambda: not values)
    assert plan.info["rollouts"] == 12  # one iteration, and no polish
    assert plan.cost <= plan.info["nominal_cost"]


def test_risk_weighs_the_domains() -> None:
    costs = {
        risk: plan_of(spc(HeavyCartPole, domains=4, risk=risk, polish=0, samples=1), estimate()).cost
        for risk in ("mean", "cvar", "worst_case")
    }
    assert costs["mean"] < costs["cvar"] < costs["worst_case"]
    nominal = plan_of(spc(HeavyCartPole, samples=1, polish=0), estimate()).cost
    assert nominal not in costs.values()


def test_goal_is_reached_for_and_checked() -> None:
    planner = spc(Particle, polish=2)
    start = Estimate(0, np.zeros(2), np.zeros(2))
    for goal in ([0.2, 0.0], [0.0, -0.2]):
        planner.set_goal(np.array(goal))
        assert plan_of(planner, start).knots[0] @ goal > 0
    with pytest.raises(InvalidSignal, match=r"goal of particle has shape \(3,\), not \(2,\)"):
        planner.set_goal(np.zeros(3))
    with pytest.raises(InvalidSignal, match="goal of particle is not finite"):
        planner.set_goal(np.array([np.nan, 0.0]))


def test_weights_are_parameters() -> None:
    plain = plan_of(spc(samples=1, polish=0), estimate())
    heavy = plan_of(spc(samples=1, polish=0, running_weights={"upright": 2.0}), estimate())
    np.testing.assert_allclose(heavy.info["running_upright"], 2 * plain.info["running_upright"])
    with pytest.raises(UnknownName, match="unknown terminal cost term 'upwrong'"):
        spc(terminal_weights={"upwrong": 1.0})


def test_configure_swaps_everything_or_nothing() -> None:
    planner = spc()
    before = planner.parameters
    with pytest.raises(InvalidParameter, match="spc: 1 knots: cubic interpolation over 40 planning steps"):
        planner.configure(make(SpcParameters, {**QUICK, "knots": 1, "interpolation": "cubic"}, "spc"))
    assert planner.parameters is before
    changed = {"horizon_s": 0.6, "knots": 6, "rule": "cem", "domains": 2, "threads": 2}
    planner.configure(make(SpcParameters, {**QUICK, **changed}, "spc"))
    fresh = spc(**changed)
    np.testing.assert_array_equal(plan_of(planner, estimate()).knots, plan_of(fresh, estimate()).knots)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rule": "mpi"}, r"spc: rule = 'mpi': .*unknown update rule 'mpi'. Did you mean 'mppi'\? Valid: cem, dial"),
        ({"interpolation": "quintic"}, "spc: interpolation = 'quintic': .*'zero', 'linear' or 'cubic'"),
        ({"risk": "median"}, "spc: risk = 'median': .*'mean', 'worst_case' or 'cvar'"),
        ({"samples": 0}, "spc: samples = 0: .*greater than or equal to 1"),
        ({"noise": float("nan")}, "spc: noise = nan"),
        ({"running_weights": {"upright": -1.0}}, "running_weights.upright = -1.0 must not be negative"),
        ({"sampels": 3}, "unknown parameter of spc 'sampels'. Did you mean 'samples'"),
    ],
)
def test_parameters_that_cannot_be_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(GpcError, match=message):
        make(SpcParameters, values, "spc")


def test_it_swings_the_particle_to_its_goal() -> None:
    planner, task = spc(Particle, samples=8, horizon_s=0.5, polish=1), Particle()
    start: Start = task.reset(np.random.default_rng(0))
    planner.set_goal(start.goal)
    data = mujoco.MjData(task.model)
    data.qpos[:], data.qvel[:] = start.qpos, start.qvel
    plan = None
    for tick in range(100):
        plan = plan_of(planner, Estimate(tick * 20_000_000, data.qpos.copy(), data.qvel.copy()), plan)
        data.ctrl[:] = plan.at(plan.start_ns)
        mujoco.mj_step(task.model, data, 2)
    assert np.linalg.norm(data.qpos - start.goal) < 0.01
    assert np.linalg.norm(data.qvel) < 0.05
