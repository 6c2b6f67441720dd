"""The four small plants: compiled figures, equilibria, energy, closed forms, and what the camera sees."""

from __future__ import annotations

from itertools import product

import mujoco
import numpy as np
import pytest

from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.double_cart_pole import DoubleCartPole
from gpc_ros.tasks.particle import Particle
from gpc_ros.tasks.pendulum import Pendulum

G = 9.81
SMALL = [Pendulum, CartPole, DoubleCartPole, Particle]
STANDING = [Pendulum, CartPole, DoubleCartPole]


def robots(kinds):
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind().name)


def at(model, qpos, qvel=None, ctrl=None):
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    if qvel is not None:
        data.qvel[:] = qvel
    if ctrl is not None:
        data.ctrl[:] = ctrl
    mujoco.mj_forward(model, data)
    return data


def mass_matrix(model, qpos):
    data = at(model, qpos)
    columns = np.zeros((model.nv, model.nv))
    for i in range(model.nv):
        mujoco.mj_mulM(model, data, columns[i], np.eye(model.nv)[i])
    return columns


def energy(model, data):
    """Kinetic plus potential energy [J]."""
    mujoco.mj_energyPos(model, data)
    mujoco.mj_energyVel(model, data)
    return float(data.energy.sum())


@pytest.mark.parametrize(
    ("kind", "timestep", "iterations", "ls_iterations", "eulerdamp"),
    [
        (Pendulum, 0.02, 1, 4, False),
        (CartPole, 0.01, 1, 5, True),
        (DoubleCartPole, 0.01, 1, 5, True),
        (Particle, 0.01, 1, 4, False),
    ],
)
def test_options(kind, timestep, iterations, ls_iterations, eulerdamp):
    option = kind().model.opt
    assert option.timestep == timestep
    assert (option.iterations, option.ls_iterations) == (iterations, ls_iterations)
    assert option.integrator == mujoco.mjtIntegrator.mjINT_EULER
    assert option.solver == mujoco.mjtSolver.mjSOL_NEWTON
    assert option.cone == mujoco.mjtCone.mjCONE_PYRAMIDAL
    assert option.disableflags & mujoco.mjtDisableBit.mjDSBL_CONTACT
    assert bool(option.disableflags & mujoco.mjtDisableBit.mjDSBL_EULERDAMP) is not eulerdamp
    np.testing.assert_array_equal(option.gravity, [0.0, 0.0, -G])


def test_pendulum_figures():
    model = Pendulum().model
    link = model.body("link").id
    assert model.body_mass[link] == 1.0
    np.testing.assert_allclose(model.body_ipos[link], [0.0, 0.0, -0.5])
    np.testing.assert_allclose(model.body_inertia[link], [0.087959, 0.087959, 0.00019896])
    assert mass_matrix(model, [0.0])[0, 0] == pytest.approx(0.337959, abs=1e-6)
    assert at(model, [np.pi / 2]).qfrc_bias[0] == pytest.approx(4.905)
    assert at(model, [0.0], ctrl=[1.0]).qfrc_actuator[0] == 2.0
    assert at(model, [0.0], ctrl=[9.0]).qfrc_actuator[0] == 2.0


def test_cart_pole_figures():
    model = CartPole().model
    pole = model.body("pole").id
    assert model.body_mass[model.body("cart").id] == 1.0
    assert model.body_mass[pole] == pytest.approx(0.1)
    np.testing.assert_allclose(model.body_ipos[pole], [0.0, 0.0, -0.5])
    np.testing.assert_allclose(model.body_inertia[pole], [0.009425, 0.009425, 0.0001], atol=1e-6)
    inertia = mass_matrix(model, [0.0, 0.0])
    np.testing.assert_allclose(np.diag(inertia), [1.1, 0.034425], atol=1e-6)
    assert inertia[0, 1] == pytest.approx(-0.05)
    np.testing.assert_array_equal(model.dof_damping, [1e-4, 1e-4])
    np.testing.assert_array_equal(model.jnt_range[0], [-1.8, 1.8])
    np.testing.assert_array_equal(model.jnt_solref[0], [0.08, 1.0])
    assert at(model, [0.0, 0.0], ctrl=[1.0]).qfrc_actuator[0] == 10.0


def test_double_cart_pole_figures():
    model = DoubleCartPole().model
    np.testing.assert_allclose(np.diag(mass_matrix(model, np.zeros(3))), [1.2, 0.268849, 0.034425], atol=1e-6)
    np.testing.assert_array_equal(model.dof_damping, [1e-4, 0.01, 0.01])
    np.testing.assert_array_equal(model.jnt_range[0], [-3.8, 3.8])
    np.testing.assert_array_equal(model.jnt_solref[0], [0.08, 1.0])
    assert at(model, np.zeros(3), ctrl=[1.0]).qfrc_actuator[0] == 20.0


def test_particle_figures():
    model = Particle().model
    np.testing.assert_allclose(mass_matrix(model, [0.0, 0.0]), 0.3 * np.eye(2))
    np.testing.assert_allclose(at(model, [0.0, 0.0], [1.0, -1.0]).qacc, [-1 / 0.3, 1 / 0.3])  # time constant 0.3 s
    np.testing.assert_allclose(at(model, [0.0, 0.0], ctrl=[1.0, -0.5]).qfrc_actuator, [1.0, -0.5])
    np.testing.assert_array_equal(model.jnt_range, [[-0.29, 0.29]] * 2)
    assert model.nmocap == 1
    np.testing.assert_allclose(model.body("goal").pos, [*Particle.goal, 0.01])


def test_names():
    def joints(kind):
        model = kind().model
        return [model.joint(i).name for i in range(model.njnt)], [model.actuator(i).name for i in range(model.nu)]

    assert joints(Pendulum) == (["hinge"], ["hinge_motor"])
    assert joints(CartPole) == (["slider", "hinge"], ["slider_motor"])
    assert joints(DoubleCartPole) == (["slider", "hinge_1", "hinge_2"], ["slider_motor"])
    assert joints(Particle) == (["x", "y"], ["x_motor", "y_motor"])


@robots(STANDING)
def test_keyframes(kind):
    task = kind()
    for key in ("home", "hanging"):
        np.testing.assert_array_equal(task.start(key).qpos, np.zeros(task.model.nq))
    expected = np.zeros(task.model.nq)
    expected[-1 if kind is not DoubleCartPole else 1] = np.pi
    np.testing.assert_array_equal(task.start("upright").qpos, expected)


@robots(STANDING)
def test_hanging_is_a_stable_equilibrium_and_upright_an_unstable_one(kind):
    task = kind()
    model = task.model
    for key, stable in (("hanging", True), ("upright", False)):
        rest = task.start(key).qpos
        np.testing.assert_allclose(at(model, rest).qacc, 0.0, atol=1e-12)
        # Eigenvalues of -dqacc/dqpos are squared frequencies: positive where the pose comes back.
        step = 1e-5 * np.eye(model.nv)
        stiffness = np.array([at(model, rest + d).qacc - at(model, rest - d).qacc for d in step]).T / -2e-5
        squares = np.linalg.eigvals(stiffness).real
        assert bool(squares.min() < -1.0) is not stable
        assert bool(squares.max() > 1.0) is stable


def test_pendulum_swings_at_its_small_oscillation_frequency():
    """Omega = sqrt(m g l / I) = 3.81 rad/s, by counting zero crossings of a run."""
    model = Pendulum().load_model()
    model.opt.timestep = 1e-3
    data = at(model, [0.01])
    crossings = []
    while len(crossings) < 8:
        before = data.qpos[0]
        mujoco.mj_step(model, data)
        if before * data.qpos[0] < 0:
            crossings.append(data.time - model.opt.timestep * data.qpos[0] / (data.qpos[0] - before))
    assert np.pi / np.diff(crossings).mean() == pytest.approx(np.sqrt(4.905 / 0.337959), rel=1e-4)
    assert np.sqrt(4.905 / 0.337959) == pytest.approx(3.81, abs=2e-3)


def swing(damping=0.0, timestep=0.02):
    """Largest change of energy [J] of the pendulum swinging from 2 rad for 6 s."""
    model = Pendulum().load_model()
    model.opt.timestep = timestep
    model.dof_damping[:] = damping
    data = at(model, [2.0])
    begin, change = energy(model, data), 0.0
    for _ in range(round(6.0 / timestep)):
        mujoco.mj_step(model, data)
        mujoco.mj_forward(model, data)
        change = max(change, abs(energy(model, data) - begin))
    return change


def test_pendulum_keeps_its_energy():
    """Semi-implicit Euler lets the energy oscillate by an amount that falls with the step, and not drift."""
    coarse, fine = swing(), swing(timestep=0.002)
    assert coarse < 0.05 * 2 * 4.905
    assert fine == pytest.approx(coarse / 10, rel=0.2)
    assert swing(damping=0.05) > 0.1 * 2 * 4.905


def test_double_cart_pole_tip_has_a_closed_form():
    model = DoubleCartPole().model
    rng = np.random.default_rng(0)
    for _ in range(30):
        x, first, second = qpos = rng.uniform((-3.5, -7, -7), (3.5, 7, 7))
        tip = at(model, qpos).site("tip").xpos
        expected = [
            x - np.sin(first) - np.sin(first + second), 0.0, 2.0 - np.cos(first) - np.cos(first + second),
        ]  # fmt: skip
        np.testing.assert_allclose(tip, expected, atol=1e-12)


@pytest.mark.parametrize(("kind", "height"), [(Pendulum, 2.5), (CartPole, 2.0), (DoubleCartPole, 4.0)])
def test_upright_tip_height(kind, height):
    task = kind()
    np.testing.assert_allclose(at(task.model, task.start("upright").qpos).site("tip").xpos, [0, 0, height], atol=1e-12)


@pytest.mark.parametrize(("kind", "stop"), [(CartPole, 1.8), (DoubleCartPole, 3.8), (Particle, 0.29)])
@pytest.mark.parametrize("sign", [1, -1])
def test_stops_hold_against_full_force(kind, stop, sign):
    model = kind().model
    data = at(model, np.zeros(model.nq))
    data.ctrl[:] = sign
    farthest = 0.0
    for _ in range(400):
        mujoco.mj_step(model, data)
        farthest = max(farthest, sign * data.qpos[0])
    assert stop < farthest < 1.2 * stop


REACH = {
    Pendulum: [[angle] for angle in np.linspace(-np.pi, np.pi, 13)],
    CartPole: product((-1.8, 1.8), np.linspace(-np.pi, np.pi, 13)),
    DoubleCartPole: product((-3.8, 3.8), np.linspace(-np.pi, np.pi, 13), [0.0]),
    Particle: product((-0.29, 0.29), (-0.29, 0.29)),
}


@robots(SMALL)
def test_camera_sees_the_whole_motion(kind):
    """Every reachable tip is inside a 4:3 picture of the camera ``fixed``."""
    model = kind().model
    site = "pointmass" if kind is Particle else "tip"
    for qpos in REACH[kind]:
        data = at(model, qpos)
        camera = data.camera("fixed")
        right, up, back = camera.xmat.reshape(3, 3).T @ (data.site(site).xpos - camera.xpos)
        half = np.tan(np.radians(model.camera("fixed").fovy[0]) / 2)
        assert back < 0
        assert abs(up / back) < half
        assert abs(right / back) < 4 / 3 * half


@robots(SMALL)
def test_decoration_weighs_nothing(kind):
    """The moving mass is that of the facts, whatever is drawn around it."""
    model = kind().model
    expected = {Pendulum: 1.0, CartPole: 1.1, DoubleCartPole: 1.2, Particle: 0.3}[kind]
    moving = [i for i in range(model.nbody) if model.body_weldid[i] != 0]
    assert model.body_mass[moving].sum() == pytest.approx(expected)
