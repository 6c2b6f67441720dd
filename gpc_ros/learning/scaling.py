"""Between actuator units and those of the networks, in which -1 and 1 are the ends of the ctrlrange."""

from __future__ import annotations

import mujoco
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gpc_ros.signals import Array


class Scaling:
    """Plans (..., nu) of one robot, as numpy [actuator units] and as torch [normalized]."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self.low, self.high = model.actuator_ctrlrange.T.copy()
        self.middle, self.half = (self.high + self.low) / 2, (self.high - self.low) / 2

    def normalized(self, plans: Array) -> NDArray[np.float32]:
        """In units of half the ctrlrange around its middle."""
        return ((plans - self.middle) / self.half).astype(np.float32)

    def to_tensor(self, plans: Array) -> Tensor:
        """Normalized."""
        return torch.from_numpy(self.normalized(plans))

    def to_plans(self, tensor: Tensor) -> Array:
        """In actuator units, inside the ctrlrange."""
        return np.clip(self.middle + self.half * tensor.detach().cpu().double().numpy(), self.low, self.high)
