"""A free joint, seen by odometry: the twist is of the body's frame, the filter consistent, a silent sensor missed."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from plants import PERIOD_NS, Plant, load
from scipy import stats

from gpc_ros.estimation.ekf import Ekf
from gpc_ros.estimation.parameters import EstimatorParameters
from gpc_ros.signals import Estimate, Health, Measurement
from gpc_ros.simulation.parameters import NoiseParameters, SimulationParameters
from gpc_ros.simulation.sensing import Sensing

STD = {"pose_position": 2e-3, "pose_rotation": 5e-3, "twist_linear": 0.05, "twist_angular": 0.05}


def sensing(seed=0, *, twist, **std):
    """Measures a plant's data at a tick."""
    taker = Sensing(load("free"), seed)
    parameters = SimulationParameters(noise=NoiseParameters(**{**STD, **std}), measure_velocity=twist)
    return lambda data, tick: taker.measure(data, tick, tick * PERIOD_NS, 0, parameters, 0)


def test_a_twist_is_what_the_body_itself_feels():
    """Against MuJoCo's own velocity of the body in its local frame."""
    plant, rng = Plant(load("free"), np.random.default_rng(0)), np.random.default_rng(1)
    measure = sensing(twist=True, **dict.fromkeys(STD, 0.0))
    for tick in range(1, 6):
        qpos = rng.standard_normal(7)
        mujoco.mj_normalizeQuat(plant.model, qpos)
        plant.place(qpos, rng.standard_normal(6))
        readings, felt = measure(plant.data, tick).readings, np.empty(6)
        mujoco.mj_objectVelocity(plant.model, plant.data, mujoco.mjtObj.mjOBJ_XBODY, 1, felt, 1)
        np.testing.assert_allclose(readings["box/pose"], qpos, atol=1e-12)
        np.testing.assert_allclose(readings["box/twist"], [*felt[3:], *felt[:3]], atol=1e-12)


def test_noise_has_the_given_deviations():
    plant, measure = Plant(load("free"), np.random.default_rng(0)), sensing(twist=True)
    qpos = np.array([1.0, 2.0, 3.0, 0.5, 0.5, -0.5, 0.5])
    plant.place(qpos, np.zeros(6))
    errors = []
    for tick in range(1, 3001):
        readings, turn = measure(plant.data, tick).readings, np.empty(3)
        mujoco.mju_subQuat(turn, readings["box/pose"][3:], qpos[3:])
        errors.append([*(readings["box/pose"][:3] - qpos[:3]), *turn, *readings["box/twist"]])
    assert np.std(errors, axis=0) == pytest.approx(np.repeat(list(STD.values()), 3), rel=0.06)
    correlation = np.corrcoef(errors, rowvar=False) - np.eye(12)
    assert np.abs(correlation).max() < 0.1


def nees(*, twist, seeds=30, ticks=60, scale=1.0):
    """NEES (ticks, seeds) of a filter that takes the sensors for ``scale`` times as noisy as they are."""
    parameters = EstimatorParameters(
        acceleration_std=[2.0],
        gate_probability=1 - 1e-12,
        **{f"{name}_std": std * scale for name, std in STD.items()},
    )
    ekf, found = Ekf(load("free"), parameters, PERIOD_NS), np.empty((ticks, seeds))
    std = np.repeat([2e-3, 5e-3, 0.3, 0.3], 3)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        plant, measure = Plant(load("free"), rng, 2.0), sensing(seed, twist=twist)
        mean, speed = rng.standard_normal(7), rng.standard_normal(6)
        mujoco.mj_normalizeQuat(plant.model, mean)
        ekf.start(Estimate(PERIOD_NS, mean, speed, np.diag(std**2)))
        off, qpos = std * rng.standard_normal(12), mean.copy()
        mujoco.mj_integratePos(plant.model, qpos, off[:6], 1.0)
        plant.place(qpos, speed + off[6:])
        for k in range(ticks):
            plant.step(np.zeros(0))
            estimate = ekf.update(measure(plant.data, plant.tick))
            error = plant.error(estimate)
            found[k, seed] = error @ np.linalg.solve(estimate.covariance, error)
    return found


@pytest.mark.parametrize("twist", [False, True])
def test_nees_is_inside_its_band(twist):
    low, high = stats.chi2.ppf([0.025, 0.975], 12 * 30) / 30
    assert low < nees(twist=twist).mean() < high


def test_nees_shows_a_sensor_taken_for_twice_as_good():
    assert nees(twist=True, seeds=10, ticks=40, scale=0.5).mean() > stats.chi2.ppf(0.975, 120) / 10


def test_odometry_that_falls_silent_is_missed():
    """Though the joints go on being measured, what nobody sees is not known: degraded, and well when it is back."""
    model = load("ball")
    model.opt.gravity[:] = 0.0
    parameters = EstimatorParameters(converged_position_std=10.0, converged_velocity_std=100.0)
    ekf = Ekf(model, parameters, PERIOD_NS)
    pose = np.array([0.0, 0, 0, 1, 0, 0, 0])

    def healths(ticks, readings):
        return [ekf.update(Measurement(tick * PERIOD_NS, readings)).health for tick in ticks]

    joints, both = {"position": np.zeros(1)}, {"position": np.zeros(1), "base/pose": pose}
    assert set(healths(range(1, 30), joints)) == {Health.OK}  # never seen, not missed
    assert set(healths(range(30, 60), both)) == {Health.OK}
    assert healths(range(60, 90), joints)[-1] is Health.DEGRADED
    assert healths(range(90, 92), both)[-1] is Health.OK
