"""Between actuator units and those of the networks."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from gpc_ros.learning.scaling import Scaling  # noqa: E402

MODEL = mujoco.MjModel.from_xml_string("""
<mujoco><worldbody><body><joint name="x"/><joint name="y"/><geom size="0.1"/></body></worldbody>
<actuator><motor joint="x" ctrlrange="-1 3"/><motor joint="y" ctrlrange="-0.2 0.2"/></actuator></mujoco>
""")


def test_the_ends_of_the_ctrlrange_are_one() -> None:
    scaling = Scaling(MODEL)
    plans = np.array([[[-1.0, -0.2], [3.0, 0.2], [1.0, 0.0]]])
    np.testing.assert_allclose(scaling.to_tensor(plans), [[[-1, -1], [1, 1], [0, 0]]], atol=1e-7)
    assert scaling.to_tensor(plans).dtype == torch.float32
    np.testing.assert_allclose(scaling.to_plans(scaling.to_tensor(plans)), plans, atol=1e-7)


def test_plans_are_inside_the_ctrlrange_and_of_double_precision() -> None:
    plans = Scaling(MODEL).to_plans(torch.tensor([[[5.0, -1.0000001]]], requires_grad=True))
    np.testing.assert_array_equal(plans, [[[3.0, -0.2]]])
    assert plans.dtype == np.float64
