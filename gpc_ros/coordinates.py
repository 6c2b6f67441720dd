"""Names and values of the nv coordinates of a MuJoCo model: one number per degree of freedom.

A hinge or slide ``j`` is the coordinate ``j``. A free joint is ``j/x j/y j/z j/rx j/ry j/rz``, a ball joint
``j/rx j/ry j/rz``, where r is the rotation vector [rad] of the orientation in the parent frame, of length at
most pi. So positions and velocities have nv entries each, in the order of the degrees of freedom.
"""

from __future__ import annotations

import mujoco
import numpy as np

from gpc_ros.errors import InvalidModel
from gpc_ros.signals import Array

_LINEAR = ("/x", "/y", "/z")
_ANGULAR = ("/rx", "/ry", "/rz")
_SUFFIXES = {
    mujoco.mjtJoint.mjJNT_FREE: _LINEAR + _ANGULAR,
    mujoco.mjtJoint.mjJNT_BALL: _ANGULAR,
    mujoco.mjtJoint.mjJNT_SLIDE: ("",),
    mujoco.mjtJoint.mjJNT_HINGE: ("",),
}


class Coordinates:
    """The coordinates of ``model``: ``names`` (nv), and the maps between qpos (nq,) and values (nv,).

    Raises:
        InvalidModel: if a joint has no name, or two coordinates would have the same.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self.nq, self.nv = model.nq, model.nv
        names: list[str] = []
        plain: list[tuple[int, int]] = []
        self._quaternions: list[tuple[int, int]] = []
        for i in range(model.njnt):
            joint = model.joint(i)
            if not joint.name:
                raise InvalidModel(f"joint {i} on body '{model.body(joint.bodyid[0]).name}' has no name")
            suffixes = _SUFFIXES[mujoco.mjtJoint(int(joint.type[0]))]
            names += [joint.name + suffix for suffix in suffixes]
            qpos, dof = int(joint.qposadr[0]), int(joint.dofadr[0])
            if len(suffixes) >= 3:
                linear = len(suffixes) - 3
                plain += [(qpos + k, dof + k) for k in range(linear)]
                self._quaternions.append((qpos + linear, dof + linear))
            else:
                plain.append((qpos, dof))
        if len(set(names)) != len(names):
            raise InvalidModel(f"two coordinates have the same name: {sorted(n for n in names if names.count(n) > 1)}")
        self.names = tuple(names)
        self._qpos = np.array([pair[0] for pair in plain], dtype=int)
        self._dof = np.array([pair[1] for pair in plain], dtype=int)

    def to_tangent(self, qpos: Array) -> Array:
        """Coordinate values (nv,) [m or rad] of ``qpos`` (nq,): a copy, bit for bit, where there is no quaternion."""
        if not self._quaternions:
            return qpos.copy()
        values = np.empty(self.nv)
        values[self._dof] = qpos[self._qpos]
        for source, target in self._quaternions:
            mujoco.mju_quat2Vel(values[target : target + 3], qpos[source : source + 4], 1.0)
        return values

    def from_tangent(self, values: Array) -> Array:
        """``qpos`` (nq,) of coordinate values (nv,) [m or rad]: the inverse of ``to_tangent``, unit quaternions."""
        if not self._quaternions:
            return values.copy()
        qpos = np.empty(self.nq)
        qpos[self._qpos] = values[self._dof]
        for target, source in self._quaternions:
            rotation = values[source : source + 3]
            qpos[target : target + 4] = (1.0, 0.0, 0.0, 0.0)
            mujoco.mju_quatIntegrate(qpos[target : target + 4], rotation, 1.0)
        return qpos

