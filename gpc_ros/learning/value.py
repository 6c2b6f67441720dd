"""A learned cost-to-go, to plan with in place of the task's terminal cost: so that a plan sees beyond its horizon.

V(y) = |g(y)|^2 with a small network g, so that it can also be polished. It is fitted to the costs of the teacher's
plans, which end in V themselves: value iteration with steps as long as a plan. Letters: N any leading batch shape.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from gpc_ros.signals import Array
from gpc_ros.tasks.base import States, Task

_WIDTHS = (64, 64, 4)
_SMALLEST_STD = 1e-3


class TerminalValueNetwork:
    """The network of one task; ``fit`` in torch, evaluated in numpy by the threads of the rollouts."""

    def __init__(self, task: Task, observation: int, *, seed: int) -> None:
        self._task = task
        generator = torch.Generator().manual_seed(seed)
        widths = (observation, *_WIDTHS)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight, generator=generator)
            nn.init.zeros_(layer.bias)
        self.mean, self.std = np.zeros(observation), np.ones(observation)
        self._weights: list[tuple[Array, Array]] = []

    def fit(self, observation: Array, cost: Array, *, steps: int, seed: np.random.SeedSequence) -> float:
        """Fit |g(y)| to the root of ``cost`` (N,) at ``observation`` (N, ny); the mean loss of the last steps."""
        fine = np.isfinite(cost)
        observation, target = observation[fine], np.sqrt(cost[fine])
        std = observation.std(axis=0)
        self.mean, self.std = observation.mean(axis=0), np.where(std > _SMALLEST_STD, std, 1.0)
        inputs = torch.from_numpy(((observation - self.mean) / self.std).astype(np.float32))
        targets = torch.from_numpy(target.astype(np.float32))
        optimizer = torch.optim.AdamW(self.layers.parameters(), lr=1e-3)
        generator = torch.Generator().manual_seed(int(seed.generate_state(1)[0]))
        losses = []
        for _ in range(steps):
            rows = torch.randint(len(inputs), (256,), generator=generator)
            x = inputs[rows]
            for layer in self.layers[:-1]:
                x = functional.silu(layer(x))
            loss = functional.huber_loss(self.layers[-1](x).norm(dim=1), targets[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        self._freeze()
        return float(np.mean(losses[-100:]))

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights and normalizer, by name; empty before the first fit."""
        if not self._weights:
            return {}
        return {**self.layers.state_dict(), "mean": torch.from_numpy(self.mean), "std": torch.from_numpy(self.std)}

    def restore(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Take what ``tensors`` gave."""
        weights = dict(tensors)
        self.mean, self.std = weights.pop("mean").numpy(), weights.pop("std").numpy()
        self.layers.load_state_dict(weights)
        self._freeze()

    def _freeze(self) -> None:
        """Use the layers' present weights from now on."""
        self._weights = [
            (layer.weight.detach().double().numpy().T.copy(), layer.bias.detach().double().numpy().copy())
            for layer in self.layers
        ]

    def __call__(self, states: States, goal: Array) -> tuple[Array, ...]:
        """The components of g at ``states`` (N): residuals whose squares sum to V."""
        with np.errstate(over="ignore", invalid="ignore"):  # of diverged candidates
            x = (self._task.observe(states, goal) - self.mean) / self.std
            for weight, bias in self._weights[:-1]:
                x = x @ weight + bias
                x = x / (1.0 + np.exp(-x))
            weight, bias = self._weights[-1]
            return tuple(np.moveaxis(x @ weight + bias, -1, 0))
