"""A puck on a spring that one motor pushes: quick, smooth, one number each of position, velocity and control."""

from __future__ import annotations

from typing import ClassVar

import mujoco
import numpy as np
import pytest

from gpc_ros.sampling.evaluation import Evaluator
from gpc_ros.sampling.objective import Objective
from gpc_ros.sampling.risk import Risk
from gpc_ros.sampling.rollout import Rollouts
from gpc_ros.sampling.spline import Interpolation, Spline
from gpc_ros.signals import Array
from gpc_ros.tasks.base import Residuals, Start, States, Task

PUCK = """
<mujoco>
  <option timestep="0.02"><flag contact="disable"/></option>
  <worldbody>
    <body>
      <joint name="x" type="slide" axis="1 0 0" damping="0.5" stiffness="2"/>
      <geom size="0.1" mass="{mass}"/>
    </body>
  </worldbody>
  <actuator><motor joint="x" gear="4" ctrlrange="-1 3"/></actuator>
  <sensor><jointpos joint="x"/><jointvel joint="x"/></sensor>
  <keyframe><key name="home" qpos="0.3"/></keyframe>
</mujoco>
"""


class Puck(Task):
    running_weights: ClassVar = {"place": 2.0, "effort": 0.1, "unused": 0.0}
    terminal_weights: ClassVar = {"place": 5.0, "speed": 0.5}
    named_start = "home"
    goal = (1.0,)

    def load_model(self, mass: float = 1.0) -> mujoco.MjModel:
        return mujoco.MjModel.from_xml_string(PUCK.format(mass=mass))

    def randomize(self, rng: np.random.Generator) -> mujoco.MjModel:
        return self.load_model(rng.uniform(0.5, 2.0))

    def running_residuals(self, states: States, ctrl: Array, goal: Array) -> Residuals:
        place = states.qpos[..., 0] - goal[0]
        return {"place": (place,), "effort": (ctrl[..., 0], np.sin(ctrl[..., 0])), "unused": (place,)}

    def terminal_residuals(self, states: States, goal: Array) -> Residuals:
        return {"place": (states.qpos[..., 0] - goal[0],), "speed": (states.qvel[..., 0],)}

    def observe(self, states: States, goal: Array) -> Array:
        return states.qpos

    def reset(self, rng: np.random.Generator) -> Start:
        return Start(rng.normal(size=1), rng.normal(size=1), np.array(self.goal))

    def at_goal(self, states: States, goal: Array) -> Array:
        return np.abs(states.qpos[..., 0] - goal[0]) < 0.1


class PuckBySensors(Puck):
    """The same cost, read from the sensors."""

    needs_sensors = True

    def running_residuals(self, states: States, ctrl: Array, goal: Array) -> Residuals:
        place = states.sensors[..., 0] - goal[0]
        return {"place": (place,), "effort": (ctrl[..., 0], np.sin(ctrl[..., 0])), "unused": (place,)}

    def terminal_residuals(self, states: States, goal: Array) -> Residuals:
        return {"place": (states.sensors[..., 0] - goal[0],), "speed": (states.sensors[..., 1],)}


def evaluator(task: Task, *, knots: int = 5, horizon_s: float = 0.6, domains: int = 1, risk: Risk = Risk.MEAN):
    """An evaluator of the puck, ready to roll from its start."""
    spline = Spline(Interpolation.LINEAR, knots, horizon_s, task.model.opt.timestep)
    models = [task.randomize(np.random.default_rng(d)) for d in range(domains)] if domains > 1 else [task.model]
    rollouts = Rollouts(models, steps=spline.steps, sensors=task.needs_sensors)
    result = Evaluator(spline, rollouts, Objective(task), risk, 0.25)
    result.begin(np.array([0.3]), np.array([-0.5]), np.array(task.goal))
    return result


@pytest.fixture(scope="session")
def puck() -> Puck:
    return Puck()


@pytest.fixture(scope="session")
def puck_by_sensors() -> PuckBySensors:
    return PuckBySensors()


@pytest.fixture
def make_evaluator():
    return evaluator
