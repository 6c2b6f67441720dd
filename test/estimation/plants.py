"""Small plants, and a simulation whose noise is exactly what the filter is told."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from gpc_ros.estimation.ekf import Ekf
from gpc_ros.estimation.parameters import EstimatorParameters
from gpc_ros.signals import Array, Command, Estimate, Measurement

PERIOD_NS = 2_000_000
DT = 0.002

_OPTION = """<option timestep="0.01" iterations="1" ls_iterations="5">
  <flag contact="disable" eulerdamp="disable"/></option>"""
_POLE = """
<body name="{name}" pos="{pos}">
  <joint name="{name}" type="hinge" axis="0 1 0" damping="{damping}"/>
  <inertial pos="0 0 -0.5" mass="0.1" diaginertia="0.009425 0.009425 0.0001"/>{inner}
</body>"""


def _cart(poles: str, limit: float, gear: float) -> str:
    return f"""<mujoco>{_OPTION}<worldbody><body name="cart" pos="0 0 2">
      <joint name="slide" type="slide" axis="1 0 0" range="-{limit} {limit}" limited="true" damping="1e-4"/>
      <inertial pos="0 0 0" mass="1" diaginertia="0.01 0.01 0.01"/>{poles}</body></worldbody>
      <actuator><motor name="push" joint="slide" gear="{gear}" ctrlrange="-1 1" ctrllimited="true"/></actuator>
      </mujoco>"""


MJCF = {
    "pendulum": f"""<mujoco>{_OPTION}<worldbody><body name="link">
      <joint name="pivot" type="hinge" axis="0 1 0"/>
      <inertial pos="0 0 -0.5" mass="1" diaginertia="0.087959 0.087959 0.00019896"/></body></worldbody>
      <actuator><motor name="torque" joint="pivot" gear="2" ctrlrange="-1 1" ctrllimited="true"/></actuator>
      </mujoco>""",
    "cart_pole": _cart(_POLE.format(name="pole", pos="0 0 0", damping=1e-4, inner=""), 1.8, 10),
    "double_cart_pole": _cart(
        _POLE.format(
            name="pole_1",
            pos="0 0 0",
            damping=0.01,
            inner=_POLE.format(name="pole_2", pos="0 0 -1", damping=0.01, inner=""),
        ),
        3.8,
        20,
    ),
    "mass": f"""<mujoco>{_OPTION}<worldbody><body name="mass"><joint name="x" type="slide" axis="1 0 0"/>
      <inertial pos="0 0 0" mass="2" diaginertia="1 1 1"/></body></worldbody>
      <actuator><motor name="push" joint="x" gear="3" ctrlrange="-1 1" ctrllimited="true"/></actuator></mujoco>""",
    "free": f"""<mujoco>{_OPTION}<worldbody><body name="box"><freejoint name="box"/>
      <inertial pos="0 0 0" mass="2" diaginertia="0.02 0.03 0.04"/></body></worldbody></mujoco>""",
    "ball": f"""<mujoco>{_OPTION}<worldbody><body name="a"><freejoint name="base"/>
      <inertial pos="0 0 0" mass="2" diaginertia="0.02 0.03 0.04"/>
      <body name="b"><joint name="shoulder" type="ball"/><inertial pos="0 0 1" mass="1" diaginertia="1 1 1"/>
      <body name="c"><joint name="elbow" type="hinge" axis="0 1 0"/>
      <inertial pos="0 0 1" mass="1" diaginertia="1 1 1"/></body></body></body></worldbody></mujoco>""",
}


def load(name: str) -> mujoco.MjModel:
    """A fresh model of ``MJCF``."""
    return mujoco.MjModel.from_xml_string(MJCF[name])




@dataclass
class Plant:
    """A plant at the loop period, disturbed as Q says: acceleration noise ``std``, constant over each period."""

    model: mujoco.MjModel
    rng: np.random.Generator
    acceleration_std: float = 0.0
    position_std: float = 1e-3
    velocity_std: float = 0.0  # 0: not measured
    tick: int = 1

    def __post_init__(self) -> None:
        self.model.opt.timestep = DT
        self.data = mujoco.MjData(self.model)

    @property
    def stamp_ns(self) -> int:
        return self.tick * PERIOD_NS

    def place(self, qpos: Array, qvel: Array) -> None:
        self.data.qpos[:], self.data.qvel[:] = qpos, qvel
        mujoco.mj_forward(self.model, self.data)

    def step(self, ctrl: Array) -> None:
        self.data.ctrl[:] = ctrl
        mujoco.mj_forward(self.model, self.data)
        acceleration = self.acceleration_std * self.rng.standard_normal(self.model.nv)
        mujoco.mj_mulM(self.model, self.data, self.data.qfrc_applied, acceleration)
        mujoco.mj_step(self.model, self.data)
        self.tick += 1

    def measure(self, epoch: int = 0) -> Measurement:
        n = self.model.nv
        readings = {"position": self.data.qpos + self.position_std * self.rng.standard_normal(n)}
        if self.velocity_std:
            readings["velocity"] = self.data.qvel + self.velocity_std * self.rng.standard_normal(n)
        return Measurement(self.stamp_ns, readings, epoch)

    def error(self, estimate: Estimate) -> Array:
        """Truth minus estimate [dq; dv] in tangent space."""
        dq = np.zeros(self.model.nv)
        mujoco.mj_differentiatePos(self.model, dq, 1.0, estimate.qpos, self.data.qpos)
        return np.concatenate([dq, self.data.qvel - estimate.qvel])


def wave(tick: int, nu: int = 1) -> Command:
    """A command that keeps a plant moving."""
    return Command(tick * PERIOD_NS, np.full(nu, 0.5 * np.sin(0.013 * tick) + 0.3 * np.sin(0.041 * tick)))


def tracked(
    name: str = "cart_pole", *, ticks: int = 150, seed: int = 0, velocity_std: float = 0.0, **values: object
) -> tuple[Plant, Ekf]:
    """A moving plant and a converged filter on it, after ``ticks`` of consistent measurements."""
    parameters = {"acceleration_std": [2.0], "actuator_std": [0.0], **values}
    if velocity_std:
        parameters["velocity_std"] = [velocity_std]
    plant = Plant(load(name), np.random.default_rng(seed), 2.0, velocity_std=velocity_std)
    plant.place(np.full(plant.model.nq, 0.3), np.full(plant.model.nv, 0.5))
    ekf = Ekf(load(name), EstimatorParameters(**parameters), PERIOD_NS)
    ekf.update(plant.measure())
    for _ in range(ticks):
        follow(plant, ekf)
    return plant, ekf


def follow(plant: Plant, ekf: Ekf) -> Estimate:
    """One good tick."""
    command = wave(plant.tick)
    plant.step(command.ctrl)
    return ekf.update(plant.measure(), command)
