"""What must hold of any Kalman filter: exactness on linear plants, right Jacobians, consistency, whiteness."""

from __future__ import annotations

import casadi as ca
import mujoco
import numpy as np
import pytest
from plants import DT, PERIOD_NS, Plant, load, tracked, wave
from scipy import signal, stats

from gpc_ros.estimation.belief import Belief, Process
from gpc_ros.estimation.ekf import Ekf
from gpc_ros.estimation.parameters import EstimatorParameters
from gpc_ros.signals import Command, Estimate, Health, Measurement


def test_equals_a_linear_kalman_filter_on_a_linear_plant():
    rng = np.random.default_rng(0)
    parameters = EstimatorParameters(acceleration_std=[3.0], actuator_std=[0.1], initial_velocity_std=0.1)
    ekf = Ekf(load("mass"), parameters, PERIOD_NS)
    F, G = np.array([[1, DT], [0, 1]]), np.array([[DT**2], [DT]])
    B, H, R = 1.5 * G, np.array([[1.0, 0.0]]), np.array([[1e-6]])
    Q = 9.0 * G @ G.T + 0.01 * B @ B.T
    y = 1e-3 * rng.normal(size=300)
    x, P = np.array([y[0], 0.0]), np.diag([1e-6, 0.01])
    ekf.update(Measurement(PERIOD_NS, {"position": y[:1]}))
    for k in range(1, 300):
        u = rng.uniform(-0.9, 0.9, 1)
        estimate = ekf.update(Measurement((k + 1) * PERIOD_NS, {"position": y[k : k + 1]}), Command(0, u))
        x, P = F @ x + B @ u, F @ P @ F.T + Q
        K = P @ H.T @ np.linalg.inv(H @ P @ H.T + R)
        x, P = x + K @ (y[k] - H @ x), (np.eye(2) - K @ H) @ P
        np.testing.assert_allclose([*estimate.qpos, *estimate.qvel], x, rtol=0, atol=1e-10)
        np.testing.assert_allclose(estimate.covariance, P, rtol=0, atol=1e-10)
    assert not ekf.counters


def _lagrangian_step(name: str) -> ca.Function:
    """One semi-implicit Euler step (q, v, u) -> (q', v') of the plants, from their Lagrangian, with A and B."""
    n, cart, gear, damping = {
        "pendulum": (1, 0, 2.0, [0.0]),
        "cart_pole": (2, 1, 10.0, [1e-4, 1e-4]),
        "double_cart_pole": (3, 1, 20.0, [1e-4, 0.01, 0.01]),
    }[name]
    mass, inertia = (0.1, 0.009425) if cart else (1.0, 0.087959)
    q, v, u = ca.SX.sym("q", n), ca.SX.sym("v", n), ca.SX.sym("u")
    x, z, angle = (q[0] if cart else 0.0), 0.0, 0.0
    kinetic = 0.5 * v[0] ** 2 if cart else 0.0
    potential = 0.0
    for i in range(cart, n):
        angle += q[i]
        com = ca.vertcat(x - 0.5 * ca.sin(angle), z - 0.5 * ca.cos(angle))
        speed, spin = ca.jacobian(com, q) @ v, ca.jacobian(angle, q) @ v
        kinetic += 0.5 * mass * ca.dot(speed, speed) + 0.5 * inertia * spin**2
        potential += mass * 9.81 * com[1]
        x, z = x - ca.sin(angle), z - ca.cos(angle)
    momentum = ca.gradient(kinetic, v)
    bias = ca.jacobian(momentum, q) @ v - ca.gradient(kinetic - potential, q)
    force = ca.vertcat(gear * u, ca.SX.zeros(n - 1)) - ca.diag(damping) @ v
    v_next = v + DT * ca.solve(ca.jacobian(momentum, v), force - bias)
    x_next = ca.vertcat(q + DT * v_next, v_next)
    return ca.Function("step", [q, v, u], [x_next, ca.jacobian(x_next, ca.vertcat(q, v)), ca.jacobian(x_next, u)])


@pytest.mark.parametrize("name", ["pendulum", "cart_pole", "double_cart_pole"])
def test_prediction_agrees_with_casadi(name):
    rng, model = np.random.default_rng(1), load(name)
    step, n = _lagrangian_step(name), model.nv
    process = Process(model, EstimatorParameters(acceleration_std=[2.0], actuator_std=[0.3]), PERIOD_NS)
    G = np.vstack([DT**2 * np.eye(n), DT * np.eye(n)])
    for _ in range(20):
        q, v, u = rng.uniform(-1.5, 1.5, n), rng.uniform(-5, 5, n), rng.uniform(-0.9, 0.9, 1)
        root = rng.normal(size=(2 * n, 2 * n))
        belief = Belief(q.copy(), v.copy(), root @ root.T, np.zeros(n))
        process.predict(belief, PERIOD_NS, u)
        x, A, B = (np.array(value) for value in step(q, v, u))
        expected = A @ root @ root.T @ A.T + 4.0 * G @ G.T + 0.09 * B @ B.T
        np.testing.assert_allclose([*belief.qpos, *belief.qvel], x[:, 0], rtol=0, atol=1e-12)
        np.testing.assert_allclose(belief.covariance, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def _quaternion_product(a, b):
    return ca.vertcat(a[0] * b[0] - ca.dot(a[1:], b[1:]), a[0] * b[1:] + b[0] * a[1:] + ca.cross(a[1:], b[1:]))


def _free_body_transition(quat_wxyz, spin):
    """A (12, 12) of a torque-free body's error state, the rotation part by quaternions to first order at zero error."""
    inertia = ca.DM([0.02, 0.03, 0.04])
    error = ca.SX.sym("error", 12)

    def step(e):
        q = _quaternion_product(ca.DM(quat_wxyz), ca.vertcat(1, e[3:6] / 2))
        w = ca.DM(spin) + e[9:]
        w = w + DT * (-ca.cross(w, inertia * w) / inertia)
        angle = DT * ca.norm_2(w)
        return _quaternion_product(q, ca.vertcat(ca.cos(angle / 2), ca.sin(angle / 2) * w / ca.norm_2(w))), w

    q0, _ = step(ca.DM.zeros(12))
    q1, w1 = step(error)
    turned = 2 * _quaternion_product(ca.vertcat(q0[0], -q0[1:]), q1)[1:]
    after = ca.vertcat(error[:3] + DT * error[6:9], turned, error[6:9], w1)
    return np.array(ca.Function("A", [error], [ca.jacobian(after, error)])(np.zeros(12)))


def test_free_body_prediction_agrees_with_quaternions_in_casadi():
    rng, model = np.random.default_rng(2), load("free")
    process = Process(model, EstimatorParameters(acceleration_std=[1e-6]), PERIOD_NS)
    for _ in range(10):
        qpos, qvel = rng.normal(size=7), 3 * rng.normal(size=6)
        mujoco.mj_normalizeQuat(model, qpos)
        root = rng.normal(size=(12, 12))
        belief = Belief(qpos.copy(), qvel.copy(), root @ root.T, np.zeros(6))
        process.predict(belief, PERIOD_NS, np.zeros(0))
        A = _free_body_transition(qpos[3:], qvel[3:])
        np.testing.assert_allclose(belief.covariance, A @ root @ root.T @ A.T, atol=2e-5)


def _nees(name: str, *, seeds: int = 100, ticks: int = 250, q: float = 1.0, r: float = 1.0) -> np.ndarray:
    """NEES (ticks, seeds) of filters that take Q and R for ``q`` and ``r`` times what they are."""
    parameters = EstimatorParameters(
        acceleration_std=[2.0 * q**0.5], actuator_std=[0.0], position_std=[1e-3 * r**0.5], gate_probability=1 - 1e-12
    )
    model = load(name)
    ekf, nv = Ekf(model, parameters, PERIOD_NS), model.nv
    std = np.repeat([1e-3, 0.5], nv)
    errors, covariances = np.empty((ticks, seeds, 2 * nv)), np.empty((ticks, seeds, 2 * nv, 2 * nv))
    for seed in range(seeds):
        rng = np.random.default_rng([seed, nv])
        plant = Plant(load(name), rng, 2.0)
        mean = np.concatenate([rng.uniform(-0.5, 0.5, nv), rng.uniform(-1, 1, nv)])
        ekf.start(Estimate(PERIOD_NS, mean[:nv], mean[nv:], np.diag(std**2)))
        truth = mean + std * rng.standard_normal(2 * nv)
        plant.place(truth[:nv], truth[nv:])
        for k in range(ticks):
            command = wave(plant.tick + 97 * seed)
            plant.step(command.ctrl)
            estimate = ekf.update(plant.measure(), command)
            errors[k, seed], covariances[k, seed] = plant.error(estimate), estimate.covariance
    return np.einsum("ksi,ksi->ks", errors, np.linalg.solve(covariances, errors[..., None])[..., 0])


def _band(degrees: int, seeds: int) -> tuple[float, float]:
    return tuple(stats.chi2.ppf([0.025, 0.975], degrees * seeds) / seeds)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "degrees"), [("cart_pole", 4), ("double_cart_pole", 6)])
def test_nees_is_inside_its_band_over_100_seeds(name, degrees):
    nees = _nees(name)
    low, high = _band(degrees, 100)
    assert low < nees[-1].mean() < high
    assert low < nees.mean() < high


@pytest.mark.parametrize("wrong", [{"q": 4.0}, {"q": 0.25}, {"r": 4.0}, {"r": 0.25}])
def test_nees_shows_a_noise_that_is_wrong_by_four(wrong):
    low, high = _band(4, 60)
    assert not low < _nees("cart_pole", seeds=60, ticks=100, **wrong)[20:].mean() < high


def test_velocity_is_twice_as_good_as_filtered_differences():
    plant, ekf = tracked("cart_pole", ticks=50)
    truth, estimated, measured = [], [], []
    for _ in range(2000):
        command = wave(plant.tick)
        plant.step(command.ctrl)
        measurement = plant.measure()
        estimated.append(ekf.update(measurement, command).qvel)
        measured.append(measurement.readings["position"])
        truth.append(plant.data.qvel.copy())
    speed = np.diff(measured, axis=0) / DT
    truth, estimated = np.array(truth[1:]), np.array(estimated[1:])

    def rmse(velocity):
        return np.sqrt(np.mean((velocity - truth)[200:] ** 2, axis=0))

    filters = [signal.butter(order, hz, fs=1 / DT) for order in (1, 2) for hz in np.geomspace(2, 80, 25)]
    baseline = np.min([rmse(signal.lfilter(*taps, speed, axis=0)) for taps in filters], axis=0)
    assert (rmse(estimated) <= 0.5 * baseline).all()


def _portmanteau(q: float) -> float:
    """Ljung-Box probability that 2000 innovations are white, for a filter that takes Q for ``q`` times what it is."""
    plant, ekf = tracked("cart_pole", ticks=100, seed=3, acceleration_std=[2.0 * q**0.5])
    whitened = []
    for _ in range(2000):
        command = wave(plant.tick)
        plant.step(command.ctrl)
        measurement, prior = plant.measure(), ekf.predict(plant.stamp_ns, command)
        S = prior.covariance[:2, :2] + 1e-6 * np.eye(2)
        nu = measurement.readings["position"] - prior.qpos
        whitened.append(np.linalg.solve(np.linalg.cholesky(S), nu))
        ekf.update(measurement, command)
    w, n, total = np.array(whitened), len(whitened), 0.0
    for lag in range(1, 11):
        total += n * (n + 2) / (n - lag) * np.sum((np.sum(w[lag:] * w[:-lag], axis=0) / np.sum(w * w, axis=0)) ** 2)
    return float(stats.chi2.sf(total, 20))


def test_innovations_are_white_when_the_noise_is_right_and_only_then():
    assert _portmanteau(1.0) > 0.01
    assert _portmanteau(16.0) < 1e-6
    assert _portmanteau(1 / 16) < 1e-6


def test_covariance_stays_positive_definite_whatever_comes():
    rng = np.random.default_rng(4)
    plant, ekf = tracked("double_cart_pole", velocity_std=0.05)
    for _ in range(3000):
        command = Command(0, rng.uniform(-1.5, 1.5, 1))
        for _ in range(rng.integers(1, 4)):
            plant.step(command.ctrl)
        measurement = plant.measure()
        readings = {k: v + rng.choice([0, 0, 0, 0.1]) for k, v in measurement.readings.items() if rng.random() < 0.8}
        estimate = ekf.update(Measurement(plant.stamp_ns, readings), command)
        eigenvalues = np.linalg.eigvalsh(estimate.covariance)
        assert eigenvalues[0] > 0
        assert eigenvalues[-1] / eigenvalues[0] < 1e12
        assert np.array_equal(estimate.covariance, estimate.covariance.T)
        assert np.isfinite(estimate.qpos).all()
        assert np.isfinite(estimate.qvel).all()


def test_free_body_is_tracked_by_its_pose():
    rng = np.random.default_rng(5)
    plant = Plant(load("free"), rng)
    plant.place(plant.model.qpos0, np.array([0.3, -0.2, 4.0, 5.0, 3.0, -4.0]))
    ekf = Ekf(load("free"), EstimatorParameters(acceleration_std=[0.5]), PERIOD_NS)
    nees = []
    for _ in range(400):
        plant.step(np.zeros(0))
        pose = plant.data.qpos.copy()
        pose[:3] += 2e-3 * rng.standard_normal(3)
        mujoco.mju_quatIntegrate(pose[3:], 5e-3 * rng.standard_normal(3), 1.0)
        estimate = ekf.update(Measurement(plant.stamp_ns, {"box/pose": pose}))
        error = plant.error(estimate)
        nees.append(error @ np.linalg.solve(estimate.covariance, error))
    assert estimate.health is Health.OK
    assert not ekf.counters
    assert np.abs(error[6:]).max() < 0.2
    assert np.mean(nees[100:]) < 12 * 1.5


def test_an_angle_may_turn_over_between_readings():
    """A pole that spins three times, measured in (-pi, pi], is followed without a jump."""
    plant, ekf = tracked("pendulum", ticks=0)
    plant.place(np.array([0.3]), np.array([15.0]))
    ekf = Ekf(load("pendulum"), EstimatorParameters(acceleration_std=[2.0]), PERIOD_NS)
    for _ in range(700):
        plant.step(np.zeros(1))
        position = plant.measure().readings["position"]
        wrapped = np.arctan2(np.sin(position), np.cos(position))
        estimate = ekf.update(Measurement(plant.stamp_ns, {"position": wrapped}))
    assert plant.data.qpos[0] > 6 * np.pi
    assert not ekf.counters
    assert abs(estimate.qpos[0] - plant.data.qpos[0]) < 5e-3
