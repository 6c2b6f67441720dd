"""States near a state: in tangent space, so that quaternions stay what they are."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

pytest.importorskip("torch")

from gpc_ros.learning.nearby import Nearby, start_spread
from gpc_ros.tasks.particle import Particle
from gpc_ros.tasks.pendulum import Pendulum

FLOATING = mujoco.MjModel.from_xml_string("""
<mujoco><worldbody><body>
  <freejoint/><geom size="0.1"/>
  <body><joint name="elbow"/><geom size="0.1" pos="1 0 0"/></body>
</body></worldbody></mujoco>
""")


@pytest.mark.parametrize("model", [FLOATING, Particle().model], ids=["floating", "plain"])
def test_a_state_moves_by_as_much_as_is_asked(model: mujoco.MjModel) -> None:
    rng, nv = np.random.default_rng(0), model.nv
    near = Nearby(model, 3, np.full(2 * nv, 0.1))
    qpos = np.tile(model.qpos0, (2, 1))
    for position in qpos:
        mujoco.mj_integratePos(model, position, rng.normal(size=nv), 1.0)
    qvel, moves = rng.normal(size=(2, nv)), rng.normal(size=(2, 3, 2 * nv))
    before = qpos.copy()
    positions, velocities = near.moved(qpos, qvel, moves)
    np.testing.assert_array_equal(qpos, before)
    np.testing.assert_allclose(velocities, qvel[:, np.newaxis] + moves[..., nv:])
    back = np.zeros(nv)
    for row in range(2):
        for column in range(3):
            mujoco.mj_differentiatePos(model, back, 1.0, qpos[row], positions[row, column])
            np.testing.assert_allclose(back, moves[row, column, :nv], atol=1e-9)
    if model is FLOATING:
        np.testing.assert_allclose(np.linalg.norm(positions[..., 3:7], axis=-1), 1.0)


def test_for_differences_one_coordinate_moves_at_a_time_and_a_little() -> None:
    near = Nearby(Particle().model, 1, np.array([0.5, 0.0, 1.0, 2.0]))
    np.testing.assert_allclose(near.step, [0.01, 0.02, 0.02, 0.04])  # also where nothing is drawn: no division by zero
    positions, velocities = near.perturbed(np.ones((1, 2)), np.zeros((1, 2)))
    moves = np.concatenate([positions - 1.0, velocities], axis=-1)
    np.testing.assert_allclose(moves[0], np.diag(near.step))


def test_each_robot_draws_from_its_own_generator() -> None:
    near = Nearby(Particle().model, 2000, spread := np.array([0.5, 0.0, 1.0, 2.0]))
    moves = near.draw([np.random.default_rng(seed) for seed in (0, 1, 0)])
    np.testing.assert_array_equal(moves[0], moves[2])
    assert (moves[0, :, 0] != moves[1, :, 0]).all()
    np.testing.assert_allclose(moves[0].std(axis=0), spread, rtol=0.05)


def test_the_spread_is_that_of_the_random_starts() -> None:
    uniform = np.array([np.pi, 8.0]) / np.sqrt(3.0)
    np.testing.assert_allclose(start_spread(Pendulum(), np.random.default_rng(0)), uniform, rtol=0.05)
