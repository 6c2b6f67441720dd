"""A plant that differs from its model: any field of the MuJoCo model, scaled."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np

from gpc_ros.errors import InvalidParameter

_KINDS = {"body": "body", "dof": "joint", "jnt": "joint", "geom": "geom", "actuator": "actuator", "tendon": "tendon"}


def scale(model: mujoco.MjModel, errors: Sequence[str]) -> None:
    """Scale fields of ``model`` in place, by ``field=factor`` or ``field:element=factor``.

    ``dof_*`` fields are addressed by joint name. Masses scale alone: scale ``body_inertia`` with them for a body of
    the same shape.

    Raises:
        InvalidParameter: for an unknown field or element, or a factor that is not finite.
    """
    for error in errors:
        target, _, factor = error.partition("=")
        field, _, element = target.strip().partition(":")
        try:
            value = float(factor)
        except ValueError:
            value = np.nan
        array = getattr(model, field, None)
        if not np.isfinite(value):
            raise InvalidParameter(f"model_error '{error}': expected field=factor or field:element=factor")
        if not isinstance(array, np.ndarray) or not np.issubdtype(array.dtype, np.floating):
            raise InvalidParameter(
                f"model_error '{error}': MuJoCo models have no numeric field '{field}' (such as body_mass)"
            )
        array[_rows(model, field, element, error)] *= value
    if errors:
        mujoco.mj_setConst(model, mujoco.MjData(model))


def _rows(model: mujoco.MjModel, field: str, element: str, error: str) -> slice:
    if not element:
        return slice(None)
    kind = _KINDS.get(field.split("_")[0])
    if kind is None:
        raise InvalidParameter(f"model_error '{error}': elements of '{field}' have no names")
    count = {
        "joint": model.njnt,
        "body": model.nbody,
        "geom": model.ngeom,
        "actuator": model.nu,
        "tendon": model.ntendon,
    }[kind]
    names = [getattr(model, kind)(i).name for i in range(count)]
    if element not in names:
        raise InvalidParameter(f"model_error '{error}': no {kind} '{element}'. Valid: {', '.join(filter(None, names))}")
    index = names.index(element)
    if field.startswith("dof_"):
        start = model.jnt_dofadr[index]
        width = {0: 6, 1: 3}.get(int(model.jnt_type[index]), 1)
        return slice(start, start + width)
    return slice(index, index + 1)
