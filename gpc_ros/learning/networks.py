"""Velocity networks v(U, y, t) of the flow, and the policy that they make with their normalizer.

Letters: B batch, K knots, nu actuators, ny observation, F waves, H hidden width, C channels, E embedding.
Plans U are in normalized units: -1 and 1 are the ends of the ctrlrange.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from gpc_ros.policy.architecture import Architecture, Kind, Prediction

_SMALLEST_STD = 1e-3


class Mlp(nn.Module):
    """Fully connected on [U, y, t], with swish, or with swish as the gate of another value: for few knots.

    Args:
        layers: shape (out, in) of each.
        gated: whether each hidden layer gives values and as many gates.
    """

    def __init__(self, layers: Sequence[tuple[int, int]], *, gated: bool) -> None:
        super().__init__()
        self.gated = gated
        self.layers = nn.ModuleList(nn.Linear(inputs, outputs) for outputs, inputs in layers)

    def forward(self, plan: Tensor, observation: Tensor, time: Tensor) -> Tensor:
        """Output (B, K, nu) at ``plan`` (B, K, nu), normalized ``observation`` (B, ny), ``time`` (B, 1)."""
        x = torch.cat([plan.flatten(1), observation, time], dim=1)
        for layer in self.layers[:-1]:
            x = layer(x)
            if self.gated:
                x, gate = x.chunk(2, dim=1)
                x = x * functional.silu(gate)
            else:
                x = functional.silu(x)
        return self.layers[-1](x).view_as(plan)


class Block(nn.Module):
    """Residual convolution over the knots with FiLM: the condition scales and shifts each channel."""

    def __init__(self, inputs: int, outputs: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs, outputs, 3, padding=1)
        self.film = nn.Linear(condition, 2 * outputs)
        self.second = nn.Conv1d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv1d(inputs, outputs, 1)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Channels (B, outputs, K) from ``x`` (B, inputs, K) and ``condition`` (B, condition)."""
        scale, shift = self.film(condition).unsqueeze(-1).chunk(2, dim=1)
        hidden = functional.silu((1.0 + scale) * self.first(x) + shift)
        return self.second(hidden) + self.skip(x)


class Cnn(nn.Module):
    """1-D convolutions over the knots, conditioned on [y, embedding of t] in every block."""

    def __init__(self, actuators: int, observation: int, hidden: list[int], embedding: int) -> None:
        super().__init__()
        channels = [actuators, *hidden, actuators]
        self.blocks = nn.ModuleList(Block(a, b, observation + embedding) for a, b in itertools.pairwise(channels))
        self.register_buffer("orders", torch.pi * torch.arange(1, embedding // 2 + 1), persistent=False)

    def forward(self, plan: Tensor, observation: Tensor, time: Tensor) -> Tensor:
        """Output (B, K, nu) at ``plan`` (B, K, nu), normalized ``observation`` (B, ny), ``time`` (B, 1)."""
        angles = time * self.orders
        condition = torch.cat([observation, angles.sin(), angles.cos()], dim=1)
        x = plan.transpose(1, 2)
        for block in self.blocks:
            x = block(x, condition)
        return x.transpose(1, 2)


class FlowPolicy(nn.Module):
    """A velocity network and the normalizer of its observations.

    Args:
        architecture: family and sizes of the network.
        knots: K.
        actuators: nu.
        observation: ny.
    """

    def __init__(self, architecture: Architecture, *, knots: int, actuators: int, observation: int) -> None:
        super().__init__()
        self.shape = (knots, actuators)
        features = architecture.features(observation)
        size = knots * actuators
        self.network: nn.Module
        if architecture.kind is Kind.CNN:
            self.network = Cnn(actuators, features, architecture.hidden, architecture.embedding)
        else:
            layers = architecture.layers(size + features + 1, size)
            self.network = Mlp(layers, gated=architecture.kind is Kind.GLU)
        self.predicts_plan = architecture.predicts is Prediction.PLAN
        self.has_waves = architecture.waves > 0
        if self.has_waves:
            self.register_buffer("waves", architecture.wave_scale * torch.randn(architecture.waves, observation))
        self.register_buffer("observation_mean", torch.zeros(observation))
        self.register_buffer("observation_std", torch.ones(observation))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def normalize(self, mean: Tensor, std: Tensor) -> None:
        """Take ``mean`` (ny,) and ``std`` (ny,) of the observations; what hardly varies is left at its scale."""
        self.observation_mean.copy_(mean)
        self.observation_std.copy_(torch.where(std > _SMALLEST_STD, std, torch.ones_like(std)))

    def velocity(self, plan: Tensor, observation: Tensor, time: Tensor) -> Tensor:
        """Velocity (B, K, nu) at ``plan`` (B, K, nu), raw ``observation`` (B, ny), flow ``time`` (B, 1) in [0, 1)."""
        output = self.network(plan, self._features(observation), time)
        return (output - plan) / (1.0 - time.unsqueeze(-1)) if self.predicts_plan else output

    def _features(self, observation: Tensor) -> Tensor:
        """What the network sees of raw ``observation`` (B, ny): normalized, and waves of it (B, ny + 2 F)."""
        seen = (observation - self.observation_mean) / self.observation_std
        if not self.has_waves:
            return seen
        angles = seen @ self.waves.T
        return torch.cat([seen, angles.sin(), angles.cos()], dim=1)

    @torch.no_grad()
    def sample(self, start: Tensor, observation: Tensor, steps: int) -> Tensor:
        """Plans (B, K, nu) from ``start`` (B, K, nu) by ``steps`` Euler steps, each clipped to [-1, 1]."""
        plan = start
        for step in range(steps):
            time = plan.new_full((len(plan), 1), step / steps)
            plan = (plan + self.velocity(plan, observation, time) / steps).clamp(-1.0, 1.0)
        return plan
