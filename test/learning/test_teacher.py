"""The teacher plans as ``control.spc`` does, for many robots at once, and for states beside theirs."""

from __future__ import annotations

from typing import Any, ClassVar

import mujoco
import numpy as np
import pytest

pytest.importorskip("torch")

from gpc_ros import registry
from gpc_ros.config import make
from gpc_ros.control.spc import Spc, SpcParameters
from gpc_ros.errors import InvalidParameter, UnknownName
from gpc_ros.learning.batched_search import Answer, Problem
from gpc_ros.learning.teacher import Teacher, TeacherSettings
from gpc_ros.signals import Estimate, Plan
from gpc_ros.tasks.base import Residuals, Start, States, Task
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.double_cart_pole import DoubleCartPole
from gpc_ros.tasks.particle import Particle
from gpc_ros.tasks.pendulum import Pendulum

QUICK = {"samples": 6, "horizon_s": 0.4, "knots": 4, "noise": 0.3, "interpolation": "linear", "shift": False}


def parameters(**values: Any) -> SpcParameters:
    return make(SpcParameters, {**QUICK, **values}, "spc")


def teacher(task: Task, *, threads: int = 1, beside: int = 0, spread: Any = None, **values: Any) -> Teacher:
    return Teacher(task, TeacherSettings(parameters(**values), beside, spread), threads=threads)


def problem(task: Task, count: int, *, seeds: int = 0, seed: int = 0, knots: int = 4) -> Problem:
    """Random starts, plans in force, and policy samples."""
    rng = np.random.default_rng(seed)
    starts = [task.reset(rng) for _ in range(count)]
    low, high = task.model.actuator_ctrlrange.T
    shape = (knots, task.model.nu)
    columns = (np.stack([getattr(start, name) for start in starts]) for name in ("qpos", "qvel", "goal"))
    return Problem(*columns, rng.uniform(low, high, (count, *shape)), rng.uniform(low, high, (count, seeds, *shape)))


class Alike:
    """Random numbers for the teacher: each robot has the stream of the first replan of ``Spc``."""

    def spawn(self, count: int) -> list[np.random.Generator]:
        return [np.random.default_rng([0, 0]) for _ in range(count)]


def by_spc(task: Task, given: Problem, row: int, **values: Any) -> Plan:
    planner = Spc(task, parameters(**values))
    planner.set_goal(given.goal[row])
    spline = planner._setup.evaluator.spline
    previous = Plan(0, 0, spline.period_ns, given.nominal[row], interpolation=spline.kind)
    plan = planner.plan(Estimate(0, given.qpos[row], given.qvel[row]), previous, given.seeds[row])
    assert plan is not None
    return plan


class HeavyCartPole(CartPole):
    """Cart-poles of many masses."""

    @property
    def name(self) -> str:
        return "cart_pole"

    def randomize(self, rng: np.random.Generator) -> mujoco.MjModel:
        model = self.load_model()
        model.body_mass[1:] *= rng.uniform(0.5, 2.0)
        return model


@pytest.mark.parametrize(
    "values",
    [
        *({"rule": rule, "temperature": 0.02, "polish": 0} for rule in registry.names("sampling.rules")),
        {"rule": "mppi_prior", "temperature": 100.0, "keep_best": False, "polish": 0},
        {"rule": "mppi_base", "temperature": 100.0, "keep_best": False, "polish": 0},
        {"polish": 3, "margin": 0.0},
        {"polish": 2, "margin": 1.0},
        {"rule": "mppi", "keep_best": False, "polish": 0},
        {"rule": "mppi", "keep_best": False, "polish": 1},
        {"interpolation": "zero", "polish": 1},
        {"interpolation": "cubic", "polish": 1},
        {"running_weights": {"upright": 3.0}, "terminal_weights": {"upright": 0.0}},
    ],
    ids=str,
)
@pytest.mark.parametrize("seeds", [0, 3])
def test_it_plans_as_spc_does(values: dict[str, Any], seeds: int) -> None:
    task = CartPole()
    given = problem(task, 3, seeds=seeds)
    answer = teacher(task, **values).improve(given, Alike())
    for row in range(3):
        plan = by_spc(task, given, row, **values)
        np.testing.assert_allclose(answer.plans[row], plan.knots, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(answer.costs[row], plan.cost, rtol=1e-9)


@pytest.mark.parametrize("risk", ["mean", "worst_case", "cvar"])
def test_it_plans_as_spc_does_in_several_domains(risk: str) -> None:
    task, values = HeavyCartPole(), {"domains": 3, "risk": risk, "polish": 2}
    given = problem(task, 2, seeds=1)
    answer = teacher(task, **values).improve(given, Alike())
    for row in range(2):
        plan = by_spc(task, given, row, **values)
        np.testing.assert_allclose(answer.plans[row], plan.knots, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(answer.costs[row], plan.cost, rtol=1e-9)


def fields(answer: Answer) -> dict[str, np.ndarray]:
    found = {name: getattr(answer, name) for name in ("plans", "costs", "drawn", "seed", "physics_steps")}
    return found | {f"beside.{name}": getattr(answer.beside, name) for name in answer.beside.__slots__}


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads_change_nothing(threads: int) -> None:
    task, values = CartPole(), {"beside": 2, "spread": np.full(4, 0.05), "rule": "mppi", "polish": 1}
    given = problem(task, 5, seeds=2)
    one, many = (teacher(task, threads=n, **values).improve(given, np.random.default_rng(1)) for n in (1, threads))
    for name, expected in fields(one).items():
        np.testing.assert_array_equal(fields(many)[name], expected, err_msg=name)


def test_robots_do_not_meet() -> None:
    """Each robot's plan is the one that it has when it is alone, with its own goal."""
    task = Particle()
    given = problem(task, 4, seeds=1)
    generators = np.random.default_rng(1).spawn(4)
    together = teacher(task, polish=2).improve(given, np.random.default_rng(1))
    for row in range(4):

        class Own:
            def spawn(self, count: int, row: int = row) -> list[np.random.Generator]:
                return [generators[row]]

        alone = teacher(task, polish=2).improve(given.part(slice(row, row + 1)), Own())
        np.testing.assert_allclose(alone.plans[0], together.plans[row], atol=1e-12)
        np.testing.assert_allclose(alone.costs[0], together.costs[row], rtol=1e-12)


@pytest.mark.parametrize(
    ("polish", "expected"), [(0, (5 + 2) * 40), (1, (5 + 2) * 40 + 40 + (40 + 39 + 26 + 13) + 6 * 40)]
)
def test_physics_steps_are_counted(polish: int, expected: int) -> None:
    """Candidates, the point, one beside it per variable from where that begins to count, six dampings; 40 steps."""
    task = CartPole()
    answer = teacher(task, samples=5, polish=polish).improve(problem(task, 3, seeds=2), np.random.default_rng(0))
    assert answer.physics_steps == 3 * expected


def test_a_seed_that_is_best_is_taken() -> None:
    task = CartPole()
    given = problem(task, 1)
    best = teacher(task, polish=10, samples=200).improve(given, np.random.default_rng(0)).plans[:, np.newaxis]
    given = Problem(given.qpos, given.qvel, given.goal, given.nominal, np.concatenate([-best, best], axis=1))
    answer = teacher(task, polish=0, noise=0.01).improve(given, np.random.default_rng(0))
    np.testing.assert_array_equal(answer.plans, best[:, 0])
    assert answer.costs == answer.seed < answer.drawn


def test_without_seeds_none_is_best() -> None:
    task = CartPole()
    answer = teacher(task, polish=0).improve(problem(task, 2), np.random.default_rng(0))
    assert np.isposinf(answer.seed).all()
    np.testing.assert_array_equal(answer.costs, answer.drawn)


def test_plans_and_random_candidates_stay_in_the_ctrlrange() -> None:
    task = Pendulum()
    given = problem(task, 8, seeds=1)
    spread = np.array([1.0, 8.0])
    answer = teacher(task, noise=10.0, polish=2, beside=3, spread=spread).improve(given, np.random.default_rng(0))
    for plans in (answer.plans, answer.beside.plans):
        assert np.abs(plans).max() == 1.0  # there are such that want more


class Fragile(CartPole):
    """Has no finite cost once pushed hard."""

    @property
    def name(self) -> str:
        return "cart_pole"

    def running_residuals(self, states: States, ctrl: np.ndarray, goal: np.ndarray) -> Residuals:
        return {"control": (np.where(np.abs(ctrl[..., 0]) > 0.9, np.inf, ctrl[..., 0]),)}


@pytest.mark.parametrize("rule", ["predictive_sampling", "mppi"])
def test_candidates_without_finite_cost_do_not_count(rule: str) -> None:
    task = Fragile()
    given = problem(task, 3)
    given.nominal[:] = [[[1.0]], [[0.0]], [[0.1]]]
    answer = teacher(task, samples=20, noise=0.8, rule=rule, interpolation="zero").improve(
        given, np.random.default_rng(0)
    )
    assert np.isfinite(answer.costs).all()
    assert np.isfinite(answer.drawn).all()
    assert np.abs(answer.plans).max() <= 0.9


def test_a_robot_whose_physics_diverges_keeps_its_plan_and_costs_infinity() -> None:
    task, spread = CartPole(), np.full(4, 0.05)
    given = problem(task, 3, seeds=1)
    given.qpos[1, 0] = 1e11  # MuJoCo gives up
    answer = teacher(task, polish=2, beside=2, spread=spread).improve(given, np.random.default_rng(0))
    assert np.isposinf([answer.costs[1], answer.drawn[1], answer.seed[1]]).all()
    np.testing.assert_array_equal(answer.plans[1], given.nominal[1])
    np.testing.assert_array_equal(answer.beside.plans[1], [given.nominal[1]] * 2)
    np.testing.assert_array_equal(answer.beside.qpos[1], [given.qpos[1]] * 2)
    assert np.isfinite(answer.costs[[0, 2]]).all()


LINEAR = """
<mujoco>
  <option timestep="0.02"><flag contact="disable"/></option>
  <worldbody><body>
    <joint name="x" type="slide" axis="1 0 0" stiffness="1"/><geom size="0.1" mass="1"/>
  </body></worldbody>
  <actuator><motor joint="x" gear="4" ctrlrange="-1 3"/></actuator>
  <keyframe><key name="home" qpos="0.3"/></keyframe>
</mujoco>
"""


class Linear(Task):
    """A mass on a spring: residuals are linear in state and plan, so that one Gauss-Newton step is the optimum."""

    running_weights: ClassVar = {"place": 1.0, "effort": 10.0}
    terminal_weights: ClassVar = {"place": 5.0}
    named_start = "home"

    def load_model(self) -> mujoco.MjModel:
        return mujoco.MjModel.from_xml_string(LINEAR)

    def running_residuals(self, states: States, ctrl: np.ndarray, goal: np.ndarray) -> Residuals:
        return {**self.terminal_residuals(states, goal), "effort": (ctrl[..., 0],)}

    def terminal_residuals(self, states: States, goal: np.ndarray) -> Residuals:
        return {"place": (states.qpos[..., 0],)}

    def observe(self, states: States, goal: np.ndarray) -> np.ndarray:
        return np.concatenate([states.qpos, states.qvel], axis=-1)

    def reset(self, rng: np.random.Generator) -> Start:
        return Start(rng.normal(size=1), rng.normal(size=1), np.empty(0))

    def at_goal(self, states: States, goal: np.ndarray) -> np.ndarray:
        return np.abs(states.qpos[..., 0]) < 0.1


def at_nearby(answer: Answer, given: Problem) -> Problem:
    """The nearby states of all robots, with the plans that those have now."""
    count = answer.beside.plans.shape[1]
    qpos, qvel = (getattr(answer.beside, name).reshape(-1, getattr(given, name).shape[1]) for name in ("qpos", "qvel"))
    goal, plans = np.repeat(given.goal, count, axis=0), np.repeat(answer.plans, count, axis=0)
    return Problem(qpos, qvel, goal, plans, np.empty((len(plans), 0, *plans.shape[1:])))


def settled(task: Task, given: Problem, **values: Any) -> Problem:
    """The same with plans that are optimal nearby."""
    plans = teacher(task, **{**values, "polish": 10}).improve(given, np.random.default_rng(0)).plans
    return Problem(given.qpos, given.qvel, given.goal, plans, given.seeds)


def test_plans_for_nearby_states_are_those_found_from_there_on_a_linear_plant() -> None:
    task, values = Linear(), {"samples": 1, "horizon_s": 1.0}
    given = settled(task, problem(task, 3), **values)
    near = teacher(task, beside=4, spread=np.array([0.3, 0.6]), **values)
    answer = near.improve(given, np.random.default_rng(0))
    assert answer.beside.plans.shape == (3, 4, 4, 1)
    assert np.std(answer.beside.qpos - given.qpos[:, np.newaxis]) > 0.1
    there = at_nearby(answer, given)
    expected = settled(task, there, **values).nominal
    scale = np.ptp(expected)
    np.testing.assert_allclose(answer.beside.plans.reshape(-1, 4, 1), expected, atol=0.02 * scale)
    assert np.abs(there.nominal - expected).max() > 0.2 * scale  # the plan of the state itself, the mutant, is far off


def test_plans_for_states_near_the_upright_pole_cost_hardly_more_than_those_found_from_there() -> None:
    task, values = CartPole(), {"samples": 1, "horizon_s": 0.6}
    start = task.start("upright")
    given = Problem(start.qpos[None], start.qvel[None], start.goal[None], np.zeros((1, 4, 1)), np.empty((1, 0, 4, 1)))
    given.qpos[0, 1] += 0.1
    given = settled(task, given, **values)
    near = teacher(task, polish=1, beside=8, spread=np.array([0.05, 0.05, 0.1, 0.1]), **values)
    answer = near.improve(given, np.random.default_rng(0))
    there = at_nearby(answer, given)
    unmoved = teacher(task, polish=0, **values).improve(there, np.random.default_rng(0)).costs
    best = teacher(task, polish=10, **values).improve(there, np.random.default_rng(0)).costs
    plans = answer.beside.plans.reshape(there.nominal.shape)
    told = teacher(task, polish=0, **values).improve(
        Problem(there.qpos, there.qvel, there.goal, plans, there.seeds), np.random.default_rng(0)
    )
    assert (told.costs - best).sum() < 0.1 * (unmoved - best).sum()


FINE = {"samples": 1, "horizon_s": 0.8, "knots": 10, "interpolation": "zero", "perturbation": 1e-4, "damping": 1e-7}


def upright_double_pole() -> Problem:
    position = np.array([[0.0, np.pi + 0.01, 0.01]])
    return Problem(position, np.zeros((1, 3)), np.empty((1, 0)), np.zeros((1, 10, 1)), np.empty((1, 0, 10, 1)))


def test_where_curvatures_lie_decades_apart_small_factors_find_the_optimum() -> None:
    """In six steps; with the default it is not reached in twenty."""
    task, given = DoubleCartPole(), upright_double_pole()

    def first_control(**values: Any) -> float:
        found = teacher(task, **{**FINE, **values}).improve(given, np.random.default_rng(0))
        return float(found.plans[0, 0, 0])

    optimum = float(settled(task, given, **FINE).nominal[0, 0, 0])
    np.testing.assert_allclose(first_control(polish=6), optimum, rtol=0.02)
    assert abs(first_control(polish=20, damping=1e-5) - optimum) > 0.1 * abs(optimum)


def test_plans_for_states_near_the_upright_double_pole_have_its_feedback() -> None:
    """Which depends on the least curvatures of the plan's cost, seven decades below the largest."""
    task = DoubleCartPole()
    given = settled(task, upright_double_pole(), **FINE)
    near = teacher(task, polish=1, beside=16, spread=1e-3 * np.array([1.0, 0.3, 0.3, 3.0, 3.0, 3.0]), **FINE)
    answer = near.improve(given, np.random.default_rng(0))
    there = at_nearby(answer, given)
    own = there.nominal[:, 0, 0]
    expected = settled(task, there, **FINE).nominal[:, 0, 0] - own
    told = answer.beside.plans.reshape(-1, 10)[:, 0] - own
    np.testing.assert_allclose(told @ expected / (expected @ expected), 1.0, atol=0.15)


@pytest.mark.parametrize("values", [{"beside": 0}, {"beside": 2, "spread": None}, {"beside": 2, "polish": 0}])
def test_nearby_states_can_be_none(values: dict[str, Any]) -> None:
    task = CartPole()
    found = teacher(task, **{"spread": np.full(4, 0.1), **values}).improve(problem(task, 3), np.random.default_rng(0))
    shapes = [getattr(found.beside, name).shape for name in ("qpos", "qvel", "plans")]
    assert shapes == [(3, 0, 2), (3, 0, 2), (3, 0, 4, 1)]


def test_a_learned_value_takes_the_place_of_the_terminal_cost() -> None:
    task = CartPole()
    given = problem(task, 2)

    def constant(states: States, goal: np.ndarray) -> tuple[np.ndarray, ...]:
        return (np.full(states.qpos.shape[:-1], 3.0), np.full(states.qpos.shape[:-1], 4.0))

    values = {"samples": 1, "polish": 0}
    settings = TeacherSettings(parameters(**values), terminal_value=constant)
    valued = Teacher(task, settings).improve(given, np.random.default_rng(0))
    weights = dict.fromkeys(task.terminal_weights, 0.0)
    plain = teacher(task, **values, terminal_weights=weights).improve(given, np.random.default_rng(0))
    np.testing.assert_allclose(valued.costs, plain.costs + 25.0)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="spc: 1 knots: cubic interpolation over 40 planning steps"):
        teacher(CartPole(), interpolation="cubic", knots=1)
    with pytest.raises(UnknownName, match="unknown running cost term 'upwrong'"):
        teacher(CartPole(), running_weights={"upwrong": 1.0})
