"""Where plans lead: the paths of a few points of the robot, rolled out on the task's model.

Letters: N plans, K knots, T points in time, P traced points.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np

from gpc_ros.errors import InvalidModel
from gpc_ros.sampling.rollout import Rollouts
from gpc_ros.sampling.spline import Interpolation, resample
from gpc_ros.signals import NS_PER_S, Array, Plan, Samples
from gpc_ros.tasks.base import Task

_POINTS = 25  # in time, the present one included: enough for a smooth line
_KEPT = 4  # lengths of plans whose buffers are kept


class Preview:
    """Paths of the task's traced points. Keeps buffers of its own: one for each thread.

    Raises:
        InvalidModel: if the task traces what its model does not have.
    """

    def __init__(self, task: Task) -> None:
        self._model = task.model
        self._data = mujoco.MjData(task.model)
        self._traced = [_locate(task.model, name) for name in task.traced] or [("xpos", task.model.nbody - 1)]
        self._low, self._high = task.model.actuator_ctrlrange.T.copy()
        self._rollouts: dict[int, Rollouts] = {}

    def path(self, qpos: Array, qvel: Array, plan: Plan, now_ns: int) -> Array:
        """Positions (T, P, 3) [m] from the state ``qpos`` (nq,), ``qvel`` (nv,) at ``now_ns`` to the end of ``plan``.

        T is 0 when the plan has ended, says nothing, or leads out of what the physics can follow.
        """
        samples = Samples(plan.start_ns, plan.period_ns, plan.knots[np.newaxis], plan.interpolation)
        (path,) = self.paths(qpos, qvel, samples, now_ns)
        return path if np.isfinite(path).all() else path[:0]

    def paths(self, qpos: Array, qvel: Array, samples: Samples, now_ns: int) -> Array:
        """As ``path``, of each of ``samples``: (N, T, P, 3) [m]; nan for those that the physics cannot follow."""
        count, knots = samples.knots.shape[:2]
        step_ns = self._model.opt.timestep * NS_PER_S
        intervals = knots - (samples.interpolation is not Interpolation.ZERO)
        elapsed_ns = max(now_ns - samples.start_ns, 0)
        steps = math.floor((intervals * samples.period_ns - elapsed_ns) / step_ns + 1e-6) if knots else 0
        if count == 0 or steps < 1 or not (np.isfinite(qpos).all() and np.isfinite(qvel).all()):
            return np.empty((count, 0, len(self._traced), 3))
        positions = (elapsed_ns + step_ns * np.arange(steps)) / samples.period_ns
        controls = np.clip(_controls(samples, positions), self._low, self._high)
        rolled = self._of(steps).roll(qpos, qvel, controls)
        kept = np.unique(np.linspace(0, steps, min(_POINTS, steps + 1)).round().astype(int))
        found = self._trace(rolled.states.qpos[0][:, kept])
        found[~rolled.finite[0]] = np.nan
        return found

    def _of(self, steps: int) -> Rollouts:
        rollouts = self._rollouts.pop(steps, None) or Rollouts([self._model], steps=steps)
        self._rollouts[steps] = rollouts  # last in the order of use
        while len(self._rollouts) > _KEPT:
            del self._rollouts[next(iter(self._rollouts))]
        return rollouts

    def _trace(self, qpos: Array) -> Array:
        """The traced points (N, T, P, 3) at ``qpos`` (N, T, nq)."""
        found = np.empty((*qpos.shape[:2], len(self._traced), 3))
        places = [(getattr(self._data, field), index) for field, index in self._traced]
        for index in np.ndindex(*qpos.shape[:2]):
            self._data.qpos[:] = qpos[index]
            mujoco.mj_kinematics(self._model, self._data)
            for point, (positions, which) in enumerate(places):
                found[(*index, point)] = positions[which]
        return found


def _controls(samples: Samples, positions: Array) -> Array:
    """Controls (N, T, nu) of ``samples`` at ``positions`` (T,) [knot periods]."""
    if samples.interpolation is Interpolation.ZERO:
        return samples.knots[:, np.floor(positions + 1e-6).astype(int)]
    return resample(samples.knots, positions, samples.interpolation)


def _locate(model: mujoco.MjModel, name: str) -> tuple[str, int]:
    """The field of MjData that holds the position of site, body or geom ``name``, and the place in it."""
    kinds = {
        "site_xpos": mujoco.mjtObj.mjOBJ_SITE,
        "xpos": mujoco.mjtObj.mjOBJ_BODY,
        "geom_xpos": mujoco.mjtObj.mjOBJ_GEOM,
    }
    for field, kind in kinds.items():
        if (index := mujoco.mj_name2id(model, kind, name)) >= 0:
            return field, index
    sites = ", ".join(model.site(i).name for i in range(model.nsite))
    bodies = ", ".join(model.body(i).name for i in range(model.nbody))
    raise InvalidModel(f"no site, body or geom '{name}' to trace. Sites: {sites or 'none'}; bodies: {bodies}")
