"""The plant: deterministic, limited, delayed as told."""

from __future__ import annotations

import numpy as np
import pytest

from gpc_ros import actuators, registry
from gpc_ros.errors import InvalidModel, InvalidParameter
from gpc_ros.signals import Command
from gpc_ros.simulation import model_error
from gpc_ros.simulation.parameters import FaultParameters, NoiseParameters, SimulationParameters
from gpc_ros.simulation.simulation import Simulation
from gpc_ros.tasks.base import Task
from gpc_ros.tasks.crane import Crane

PERIOD = 2_000_000
TASK = registry.load("tasks", "cart_pole", Task)()
EXACT = NoiseParameters(position=0.0, velocity=0.0)


def make(**parameters: object) -> Simulation:
    return Simulation(TASK, SimulationParameters(**parameters), period_ns=PERIOD)


def command(simulation: Simulation, value: float) -> Command:
    return Command(simulation.stamp_ns, np.array([value]), epoch=simulation.epoch)


def positions(simulation: Simulation, ctrl: float, ticks: int) -> np.ndarray:
    return np.array([simulation.step(command(simulation, ctrl)).readings["position"] for _ in range(ticks)])


def test_same_seed_same_measurements_other_seed_others() -> None:
    first, second, other = (positions(make(seed=seed), 0.3, 50) for seed in (4, 4, 5))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_noise_does_not_depend_on_lost_measurements() -> None:
    """A fault changes what is lost, never the random numbers of the ticks after it."""
    whole = make(seed=1)
    faulty = make(seed=1, faults=FaultParameters(drop=0.5))
    pairs = [(whole.step(command(whole, 0.1)), faulty.step(command(faulty, 0.1))) for _ in range(200)]
    kept = [(a, b) for a, b in pairs if b is not None]
    assert 50 < len(kept) < 150
    assert all(np.array_equal(a.readings["position"], b.readings["position"]) for a, b in kept)


def test_noise_has_the_given_deviation() -> None:
    simulation = make(start="hanging", noise=NoiseParameters(position=0.01, velocity=0.1), measure_velocity=True)
    rows = [simulation.step(command(simulation, 0.0)) for _ in range(3000)]
    assert np.std([r.readings["position"] for r in rows], axis=0) == pytest.approx([0.01, 0.01], rel=0.06)
    assert np.std([r.readings["velocity"] for r in rows], axis=0) == pytest.approx([0.1, 0.1], rel=0.06)


@pytest.mark.parametrize("start", ["named", "random"])
def test_without_a_command_servos_stay_where_the_robot_starts_and_then_where_they_were_told_to_be(start: str) -> None:
    simulation = Simulation(Crane(), SimulationParameters(start=start, noise=EXACT), period_ns=PERIOD)
    place = actuators.rest(simulation.model, simulation.data.qpos)
    for _ in range(10):
        simulation.step(None)
        np.testing.assert_array_equal(simulation.data.ctrl, place)
    told = np.array([0.2, 0.3, 1.0])
    simulation.step(Command(simulation.stamp_ns, told, epoch=simulation.epoch))
    simulation.step(None)
    np.testing.assert_array_equal(simulation.data.ctrl, told)
    simulation.reset()
    assert not np.array_equal(simulation.safe_ctrl, told)


@pytest.mark.parametrize("bad", [None, np.full(3, np.nan)])
def test_the_last_command_is_kept_though_it_is_still_on_its_way(bad: np.ndarray | None) -> None:
    simulation = Simulation(Crane(), SimulationParameters(actuation_delay_s=2 * PERIOD * 1e-9), period_ns=PERIOD)
    first, told = np.array([0.1, 0.3, 0.5]), np.array([0.2, 0.4, 0.6])
    place, seen = simulation.safe_ctrl, []
    for ctrl in (first, told, *[bad] * 6):
        simulation.step(None if ctrl is None else Command(simulation.stamp_ns, ctrl, epoch=simulation.epoch))
        seen.append(simulation.data.ctrl.copy())
    np.testing.assert_array_equal(seen, [place, place, first, *[told] * 5])


@pytest.mark.parametrize("ticks", [0, 1, 5])
def test_actuation_delay_shifts_the_motion(ticks: int) -> None:
    prompt = positions(make(start="hanging", noise=EXACT), 1.0, 20)
    late = positions(make(start="hanging", noise=EXACT, actuation_delay_s=ticks * 0.002), 1.0, 20)
    assert np.array_equal(late[ticks:], prompt[: 20 - ticks])
    assert np.all(late[:ticks, 0] == 0.0)


@pytest.mark.parametrize("ticks", [0, 1, 5])
def test_measurement_delay_keeps_the_stamp_of_the_taking(ticks: int) -> None:
    simulation = make(measurement_delay_s=ticks * 0.002)
    rows = [simulation.measure()] + [simulation.step(command(simulation, 0.0)) for _ in range(10)]
    assert [row is None for row in rows] == [True] * ticks + [False] * (11 - ticks)
    assert rows[-1].stamp_ns == simulation.stamp_ns - ticks * PERIOD


def test_finer_physics_steps_keep_the_period() -> None:
    coarse, fine = make(start="hanging", noise=EXACT), make(start="hanging", noise=EXACT, physics_step_s=0.0005)
    a, b = positions(coarse, 0.5, 100), positions(fine, 0.5, 100)
    assert coarse.data.time == pytest.approx(fine.data.time)
    assert a[-1] == pytest.approx(b[-1], rel=0.02)


def test_a_period_that_is_no_whole_number_of_steps_is_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"physics_step_s = 0.0015.*whole number"):
        make(physics_step_s=0.0015)


@pytest.mark.parametrize("bad", [np.array([np.nan]), np.array([np.inf]), np.zeros(2), np.zeros(0)])
def test_bad_commands_leave_the_last_good_one(bad: np.ndarray) -> None:
    simulation = make()
    simulation.step(command(simulation, 0.4))
    simulation.step(Command(simulation.stamp_ns, bad))
    assert simulation.data.ctrl == pytest.approx([0.4])
    assert simulation.counts == {"bad command": 1}


def test_commands_are_clipped_and_none_is_the_safe_one() -> None:
    simulation = make()
    simulation.step(command(simulation, 7.0))
    assert simulation.data.ctrl == pytest.approx([1.0])
    simulation.step(None)
    assert simulation.data.ctrl == pytest.approx([0.0])


def test_reset_begins_an_epoch_and_time_goes_on() -> None:
    simulation = make(seed=3)
    first = simulation.data.qpos.copy()
    for _ in range(5):
        simulation.step(None)
    stamp = simulation.stamp_ns
    measurement = simulation.reset()
    assert (simulation.epoch, measurement.epoch, measurement.stamp_ns) == (1, 1, stamp)
    assert not np.array_equal(simulation.data.qpos, first)


def test_unstable_physics_is_seen_and_begins_an_epoch() -> None:
    simulation = make()
    simulation.data.qvel[:] = 1e12
    simulation.step(None)
    assert simulation.counts == {"unstable": 1}
    assert simulation.epoch == 1
    assert np.isfinite(simulation.data.qpos).all()


def test_named_start_keyframe_and_unknown_start() -> None:
    assert np.array_equal(make(start="named").data.qpos, make(start="hanging").data.qpos)
    with pytest.raises(InvalidModel, match=r"no keyframe 'sideways'. Valid: .*hanging"):
        make(start="sideways")


@pytest.mark.parametrize("start", ["random", "named"])
def test_a_goal_given_stands_over_that_of_the_starts(start: str) -> None:
    walker = registry.load("tasks", "walker", Task)()
    plant = Simulation(walker, SimulationParameters(start=start, goal=[0.8]), period_ns=PERIOD)
    assert plant.goal.tolist() == [0.8]
    plant.configure(SimulationParameters(start=start, goal=[1.1]))
    assert plant.goal.tolist() == [1.1]
    plant.goal = np.array([0.5])  # from somebody else
    plant.configure(SimulationParameters(start=start, goal=[1.1], seed=1))
    assert plant.goal.tolist() == [0.5]
    plant.reset()
    assert plant.goal.tolist() == [1.1]
    plant.configure(SimulationParameters(start=start))
    assert plant.goal.tolist() == [1.1]
    plant.reset()
    assert plant.goal.tolist() == [1.5]


@pytest.mark.parametrize("robot", ["walker", "cart_pole"])
def test_a_goal_of_another_size_is_refused(robot: str) -> None:
    task = registry.load("tasks", robot, Task)()
    names = {"walker": "speed", "cart_pole": "none"}[robot]
    with pytest.raises(InvalidParameter, match=rf"goal = \[1.0, 2.0\]: .* {robot}'s goal are {names}"):
        Simulation(task, SimulationParameters(goal=[1.0, 2.0]), period_ns=PERIOD)
    with pytest.raises(InvalidParameter, match=names):
        Simulation(task, SimulationParameters(), period_ns=PERIOD).check(SimulationParameters(goal=[1.0, 2.0]))


@pytest.mark.parametrize(
    ("faults", "check"),
    [
        (FaultParameters(stuck=True), lambda rows: np.ptp(rows, axis=0).max() == 0.0),
        (FaultParameters(nonfinite=True), lambda rows: np.isnan(rows).all()),
        (FaultParameters(outlier=1.0, outlier_size=5.0), lambda rows: np.abs(rows).min() > 1.0),
    ],
)
def test_faults(faults: FaultParameters, check: object) -> None:
    simulation = make(start="hanging", faults=faults)
    assert check(positions(simulation, 0.5, 30))


def test_disturbing_accelerations_have_the_given_deviation() -> None:
    simulation = make(start="hanging", noise=NoiseParameters(position=0.0, acceleration=2.0))
    speeds = []
    for _ in range(2000):
        before = simulation.data.qvel.copy()
        simulation.step(None)
        speeds.append((simulation.data.qvel - before) / 2e-3)
    assert np.std(speeds, axis=0) == pytest.approx([2.0, 2.0], rel=0.15)


def test_model_error_scales_fields_and_elements() -> None:
    nominal, scaled = TASK.load_model(), TASK.load_model()
    model_error.scale(scaled, ["body_mass:pole=2.0", "dof_damping:hinge=10", "actuator_gear=0.5"])
    assert scaled.body("pole").mass == pytest.approx(2 * nominal.body("pole").mass)
    assert scaled.body("cart").mass == pytest.approx(nominal.body("cart").mass)
    assert scaled.dof_damping[1] == pytest.approx(10 * nominal.dof_damping[1])
    assert scaled.actuator_gear[0, 0] == pytest.approx(0.5 * nominal.actuator_gear[0, 0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("body_mas=2", "no numeric field 'body_mas'"),
        ("body_mass", "expected field=factor"),
        ("body_mass=nan", "expected field=factor"),
        ("body_mass:polo=2", "no body 'polo'. Valid: .*pole"),
        ("opt=2", "no numeric field 'opt'"),
        ("qpos0:pole=2", "have no names"),
    ],
)
def test_model_error_refusals(text: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        model_error.scale(TASK.load_model(), [text])
