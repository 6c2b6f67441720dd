from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
import pytest

from gpc_ros.errors import InvalidModel
from gpc_ros.sampling.rollout import Rollouts

# One solver iteration: the result depends on the warm start, so a warm start that leaks between rollouts shows.
BOUNCING = """
<mujoco>
  <option timestep="0.01" iterations="1"/>
  <worldbody>
    <geom type="plane" size="5 5 1" solimp="0 0.95 0.01"/>
    <body pos="0 0 0.25"><freejoint/><geom type="box" size="0.1 0.15 0.2"/></body>
    <body pos="0 0 0.6"><joint name="z" type="slide" axis="0 0 1"/><geom size="0.1"/></body>
  </worldbody>
  <actuator><motor joint="z" gear="{gear}" ctrlrange="-1 1"/></actuator>
  <sensor><jointpos joint="z"/><accelerometer site="s"/></sensor>
</mujoco>
""".replace('<geom type="box"', '<site name="s"/><geom type="box"')
STEPS = 40


def bouncing(gear: float = 100.0) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_string(BOUNCING.format(gear=gear))


def start(model: mujoco.MjModel) -> tuple[np.ndarray, np.ndarray]:
    return model.qpos0.copy(), np.linspace(-1.0, 1.0, model.nv)


def controls(count: int = 24) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, STEPS, 1))


def test_result_does_not_depend_on_threads_order_or_earlier_calls() -> None:
    model = bouncing()
    qpos, qvel = start(model)
    ctrl = controls()
    reference = Rollouts([model], steps=STEPS).roll(qpos, qvel, ctrl)
    assert np.ptp(reference.states.qpos[0, :, -1], axis=0).min() > 1e-6  # contacts answer to the controls
    for threads in (0, 1, 2, 5):
        rollouts = Rollouts([model], steps=STEPS, threads=threads)
        rollouts.roll(qpos + 0.1, qvel, ctrl[::-1])
        again = rollouts.roll(qpos, qvel, ctrl)
        np.testing.assert_array_equal(again.states.qpos, reference.states.qpos)
        backwards = rollouts.roll(qpos, qvel, ctrl[::-1])
        np.testing.assert_array_equal(backwards.states.qvel[:, ::-1], reference.states.qvel)


def test_batch_is_a_loop_of_steps_with_initial_state_and_sensors_at_every_state() -> None:
    model = bouncing()
    qpos, qvel = start(model)
    ctrl = controls(3)
    rolled = Rollouts([model], steps=STEPS, sensors=True).roll(qpos, qvel, ctrl)
    assert rolled.states.qpos.shape == (1, 3, STEPS + 1, model.nq)
    assert rolled.states.sensors is not None
    assert rolled.finite.all()
    for n in range(3):
        data = mujoco.MjData(model)
        data.qpos[:], data.qvel[:] = qpos, qvel
        for t in range(STEPS + 1):
            np.testing.assert_array_equal(rolled.states.qpos[0, n, t], data.qpos)
            np.testing.assert_array_equal(rolled.states.qvel[0, n, t], data.qvel)
            data.ctrl[:] = ctrl[n, min(t, STEPS - 1)]
            mujoco.mj_step(model, data)  # evaluates the sensors at the state where it starts
            np.testing.assert_array_equal(rolled.states.sensors[0, n, t], data.sensordata)


def test_domains_and_single_starts_come_in_one_call() -> None:
    models = [bouncing(50.0), bouncing(200.0)]
    qpos, qvel = start(models[0])
    starts = qpos + np.linspace(0, 0.1, 4)[:, np.newaxis]
    together = Rollouts(models, steps=STEPS, threads=2).roll(starts, np.tile(qvel, (4, 1)), controls(4))
    for d, model in enumerate(models):
        for n in range(4):
            alone = Rollouts([model], steps=STEPS).roll(starts[n], qvel, controls(4)[n : n + 1])
            np.testing.assert_array_equal(together.states.qpos[d, n], alone.states.qpos[0, 0])


@pytest.mark.parametrize("threads", [0, 2])
def test_divergence_is_told_and_leaves_no_log(threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = bouncing(1e14)
    qpos, qvel = start(model)
    ctrl = controls(6)
    ctrl[::2] = 0.0
    ctrl[5, :-1] = 0.0  # diverges in the very last step
    finite = Rollouts([model], steps=STEPS, threads=threads).roll(qpos, qvel, ctrl).finite
    assert finite.tolist() == [[True, False, True, False, True, False]]
    assert not list(tmp_path.iterdir())
    assert mujoco.get_mju_user_warning() is None


def test_domains_of_different_size_are_refused() -> None:
    other = mujoco.MjModel.from_xml_string(BOUNCING.format(gear=1).replace("0.01", "0.02", 1))
    with pytest.raises(InvalidModel, match="domains need models of one size"):
        Rollouts([bouncing(), other], steps=STEPS)
