"""Variations of a plan are what rolling each of them out from the start would give."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from gpc_ros.sampling.rollout import Rollouts
from gpc_ros.sampling.spline import Interpolation, Spline
from gpc_ros.sampling.variations import Variations
from gpc_ros.tasks.cart_pole import CartPole

STEPS, KNOTS = 40, 5
SLED = """
<mujoco>
  <option timestep="0.01"/>
  <worldbody>
    <geom type="plane" size="5 5 1"/>
    <body pos="0 0 0.1"><freejoint/><geom type="box" size="0.2 0.15 0.1"/><site name="s"/></body>
  </worldbody>
  <actuator><motor site="s" gear="{gear} 0 0 0 0 0" ctrlrange="-1 1"/></actuator>
  <sensor><accelerometer site="s"/></sensor>
</mujoco>
"""


def sled(gear: float) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(SLED.format(gear=gear))


def spline(kind: str, step_s: float = 0.01) -> Spline:
    return Spline(Interpolation(kind), KNOTS, STEPS * step_s, step_s)


def varied(knots: np.ndarray, by: float) -> np.ndarray:
    """``knots`` (E, K, nu) and each of their variables moved, (E, 1 + K nu, K, nu)."""
    size = knots[0].size
    moves = np.concatenate([np.zeros((1, size)), by * np.eye(size)]).reshape(-1, *knots.shape[1:])
    return knots[:, np.newaxis] + moves


@pytest.mark.parametrize("kind", ["zero", "linear", "cubic"])
def test_no_control_before_a_knot_begins_depends_on_it(kind: str) -> None:
    plan = spline(kind)
    all_controls = plan.controls(varied(np.zeros((1, KNOTS, 1)), 1.0))[0, 1:, :, 0]
    for knot, begin in enumerate(plan.begins):
        assert not all_controls[knot, :begin].any()
        assert all_controls[knot, begin] != 0.0
    assert (np.diff(plan.begins) >= 0).all()
    assert plan.begins[-1] >= STEPS // 2  # or there is nothing to save


@pytest.mark.parametrize("kind", ["zero", "linear"])
def test_a_variation_is_what_the_whole_rollout_gives(kind: str) -> None:
    task, rng = CartPole(), np.random.default_rng(0)
    plan = spline(kind, task.model.opt.timestep)
    heavy = task.load_model()
    heavy.body_mass[1:] *= 1.5
    whole = Rollouts([task.model, heavy], steps=STEPS)
    variations = Variations(whole, plan.begins)
    qpos, qvel = rng.normal(size=(2, 3, 2))
    controls = plan.controls(varied(rng.uniform(-1, 1, (3, KNOTS, 1)), 0.01))
    found = variations.roll(qpos, qvel, controls)
    rows = controls.shape[1]
    expected = Rollouts([task.model, heavy], steps=STEPS).roll(
        np.repeat(qpos, rows, axis=0), np.repeat(qvel, rows, axis=0), controls.reshape(-1, STEPS, 1)
    )
    np.testing.assert_allclose(found.states.qpos, expected.states.qpos, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.states.qvel, expected.states.qvel, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found.controls, expected.controls)
    assert found.finite.all()
    assert variations.steps == STEPS + sum(STEPS - plan.begins)


def test_contacts_and_sensors_of_a_variation() -> None:
    """The solver starts cold where a variation begins, so that contacts agree but for its tolerance."""
    model, plan = sled(300.0), spline("zero")
    controls = plan.controls(varied(np.full((1, KNOTS, 1), 0.7), 0.2))
    qpos, qvel = model.qpos0, np.zeros(6)
    whole = Rollouts([model], steps=STEPS, sensors=True)
    found = Variations(whole, plan.begins).roll(qpos[np.newaxis], qvel[np.newaxis], controls)
    expected = Rollouts([model], steps=STEPS, sensors=True).roll(qpos, qvel, controls[0])
    assert np.ptp(expected.states.qpos[0, 1:, -1, 0]) > 1e-3
    np.testing.assert_allclose(found.states.qpos, expected.states.qpos, rtol=0, atol=1e-6)
    assert found.states.sensors is not None
    assert expected.states.sensors is not None
    np.testing.assert_allclose(found.states.sensors, expected.states.sensors, rtol=0, atol=1e-3)


def test_where_the_plan_diverges_its_variations_do() -> None:
    plan = spline("zero")
    controls = plan.controls(varied(np.array([[[0.0]] * KNOTS, [[1.0]] * KNOTS]), 1e-3))
    model = sled(1e14)
    starts = np.tile(model.qpos0, (2, 1)), np.zeros((2, 6))
    found = Variations(Rollouts([model], steps=STEPS), plan.begins).roll(*starts, controls)
    finite = found.finite.reshape(2, 1 + KNOTS)
    assert finite[0, 0]
    assert not finite[0, 1:].any()  # these diverge by themselves
    assert not finite[1].any()
