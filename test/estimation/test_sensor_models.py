"""Sensors: Jacobians against differences, wrapping, noise checks; and the truth, which believes them."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest
from plants import PERIOD_NS, load

from gpc_ros.config import make
from gpc_ros.errors import InvalidParameter
from gpc_ros.estimation.parameters import EstimatorParameters
from gpc_ros.estimation.sensors import JointPosition, sensors_of
from gpc_ros.estimation.truth import Truth
from gpc_ros.signals import Health, Measurement

PARAMETERS = EstimatorParameters()


def test_sensors_are_named_after_what_they_see():
    assert list(sensors_of(load("cart_pole"), PARAMETERS)) == ["position", "velocity"]
    assert list(sensors_of(load("free"), PARAMETERS)) == ["box/pose", "box/twist"]
    assert list(sensors_of(load("ball"), PARAMETERS)) == ["position", "velocity", "base/pose", "base/twist"]


def _reading(sensor, model, rng):
    values = rng.normal(size=sensor.size)
    if sensor.size == 7:
        values[3:] /= np.linalg.norm(values[3:])
    return values


@pytest.mark.parametrize("name", ["position", "velocity", "base/pose", "base/twist"])
def test_jacobians_are_the_slope_of_the_innovation(name):
    model, rng = load("ball"), np.random.default_rng(0)
    sensor = sensors_of(model, PARAMETERS)[name]
    qpos, qvel = rng.normal(size=model.nq), rng.normal(size=model.nv)
    mujoco.mj_normalizeQuat(model, qpos)
    values = _reading(sensor, model, rng)
    sensor.apply(values, qpos, qvel)
    np.testing.assert_allclose(sensor.innovation(values, qpos, qvel), 0.0, atol=1e-12)
    slope = np.empty((sensor.degrees, 2 * model.nv))
    for i in range(2 * model.nv):
        step = np.zeros(2 * model.nv)
        step[i] = 1e-6
        moved = qpos.copy()
        mujoco.mj_integratePos(model, moved, step[: model.nv], 1.0)
        slope[:, i] = -sensor.innovation(values, moved, qvel + step[model.nv :]) / 1e-6
    np.testing.assert_allclose(sensor.jacobian(qpos, qvel), slope, atol=1e-6)


@pytest.mark.parametrize(
    ("measured", "expected", "innovation"),
    [(3.1, -3.1, 6.2 - 2 * np.pi), (0.1, 12 * np.pi, 0.1), (np.pi, 0.0, np.pi), (-np.pi, 0.0, np.pi), (0.2, 0.1, 0.1)],
)
def test_angles_of_hinges_without_range_wrap_to_half_a_turn(measured, expected, innovation):
    sensor = JointPosition(load("pendulum"), PARAMETERS)
    found = sensor.innovation(np.array([measured]), np.array([expected]), np.zeros(1))
    np.testing.assert_allclose(found, [innovation], atol=1e-12)


def test_slides_do_not_wrap():
    sensor = JointPosition(load("cart_pole"), PARAMETERS)
    found = sensor.innovation(np.array([2.0, 0.0]), np.array([-2.0, 0.0]), np.zeros(2))
    assert found.tolist() == [4.0, 0.0]


def test_a_pose_is_the_same_for_both_signs_of_its_quaternion():
    model, rng = load("free"), np.random.default_rng(1)
    sensor = sensors_of(model, PARAMETERS)["box/pose"]
    values = _reading(sensor, model, rng)
    opposite = np.concatenate([values[:3], -values[3:]])
    for reading in (values, opposite):
        found = sensor.innovation(reading, model.qpos0, np.zeros(6))
        np.testing.assert_allclose(found, sensor.innovation(values, model.qpos0, np.zeros(6)), atol=1e-12)


@pytest.mark.parametrize(
    ("pose", "message"),
    [([0, 0, 2e3, 1, 0, 0, 0], "position beyond 1000 m"), ([0] * 7, "quaternion of length 0, expected 1")],
)
def test_implausible_poses_are_refused(pose, message):
    truth = Truth(load("free"))
    truth.update(Measurement(PERIOD_NS, {"box/pose": np.array(pose, dtype=float), "box/twist": np.zeros(6)}))
    assert truth.counters == {"range": 1}
    assert message in truth.last_refusal


def test_a_noise_that_is_no_covariance_is_refused():
    from gpc_ros.estimation.sensors import Rates

    class Correlated(Rates):
        def __init__(self, noise):
            super(Rates, self).__init__("odd", np.array([0, 1]), noise, 2)

    Correlated(np.array([[1.0, 0.5], [0.5, 1.0]]))
    with pytest.raises(InvalidParameter, match="noise of sensor 'odd' is not positive semidefinite"):
        Correlated(np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(InvalidParameter, match="noise of sensor 'odd' has shape"):
        Correlated(np.eye(3))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("position_std", [0.0]),
        ("position_std", []),
        ("velocity_std", [-1.0]),
        ("acceleration_std", [1.0, float("inf")]),
        ("actuator_std", [-0.1]),
        ("gate_probability", 1.0),
        ("coast_time_s", 0.0),
        ("coast_time_s", float("nan")),
    ],
)
def test_parameters_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(InvalidParameter, match=f"estimator: {name}"):
        make(EstimatorParameters, {name: value}, "estimator")


def test_every_parameter_says_what_it_is():
    for name, field in EstimatorParameters.model_fields.items():
        assert field.description, name


def test_the_truth_passes_readings_through():
    model = load("ball")
    truth, rng = Truth(model), np.random.default_rng(2)
    readings = {name: _reading(s, model, rng) for name, s in sensors_of(model, PARAMETERS).items()}
    estimate = truth.update(Measurement(PERIOD_NS, readings, 3))
    assert (estimate.stamp_ns, estimate.epoch, estimate.health) == (PERIOD_NS, 3, Health.OK)
    np.testing.assert_allclose(estimate.qpos[:7], readings["base/pose"], atol=1e-15)
    turned = np.empty(3)
    mujoco.mju_rotVecQuat(turned, readings["base/twist"][:3], estimate.qpos[3:7])
    np.testing.assert_allclose(estimate.qvel[:3], turned, atol=1e-12)  # of the body's frame, into the world's
    assert estimate.qvel[3:6].tolist() == readings["base/twist"][3:].tolist()
    assert estimate.qpos[-1] == readings["position"][0]
    assert estimate.qvel[-1] == readings["velocity"][0]
    assert truth.predict(PERIOD_NS) is estimate
    assert truth.predict(2 * PERIOD_NS) is None


def test_the_truth_needs_velocities_and_rising_stamps():
    truth = Truth(load("cart_pole"))
    whole = {"position": np.zeros(2), "velocity": np.ones(2)}
    assert truth.update(Measurement(PERIOD_NS, {"position": np.zeros(2)})).health is Health.UNHEALTHY
    assert "needs all of position, velocity" in truth.last_refusal
    truth.update(Measurement(2 * PERIOD_NS, whole))
    truth.update(Measurement(2 * PERIOD_NS, whole))
    truth.update(Measurement(PERIOD_NS, whole))
    assert truth.counters == {"names": 1, "duplicate": 1, "late": 1}
