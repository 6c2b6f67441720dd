"""Fits a flow policy to the teacher's plans by AdamW, with a moving average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gpc_ros.learning.flow_matching import knot_weights, loss
from gpc_ros.learning.networks import FlowPolicy
from gpc_ros.learning.parameters import FitParameters
from gpc_ros.signals import Array


@dataclass(frozen=True, slots=True)
class Data:
    """What there is to learn from: ``observation`` (N, ny), plans ``before`` and ``after`` the replan (N, K, nu)."""

    observation: Tensor
    before: Tensor
    after: Tensor


class Fit:
    """A policy in training.

    Args:
        policy: the network.
        parameters: of the fit.
        mirror: matrices (ny, ny) and (nu, nu) of the task's symmetry, if it has one.

    Attributes:
        policy: what the gradient moves.
        average: what is used: the moving average of its weights, or the policy itself without one.
    """

    def __init__(
        self, policy: FlowPolicy, parameters: FitParameters, *, mirror: tuple[Array, Array] | None = None
    ) -> None:
        self._parameters = parameters
        self._mirror: list[Tensor] = []
        if mirror is not None and parameters.mirror:
            self._mirror = [torch.tensor(matrix.T, dtype=torch.float32, device=policy.device) for matrix in mirror]
        self._knots = knot_weights(policy.shape[0], parameters.first_knot).to(policy.device)
        self.policy = policy
        self.average = copy.deepcopy(policy) if parameters.average else policy
        self.optimizer = torch.optim.AdamW(
            policy.parameters(), lr=parameters.learning_rate, weight_decay=parameters.weight_decay, fused=True
        )

    def step(self, data: Data, count: int, *, done: float, seed: np.random.SeedSequence) -> float:
        """``count`` gradient steps on ``data``; the mean loss.

        Args:
            data: observations and plans.
            count: gradient steps.
            done: share of the training that is done, which sets the learning rate.
            seed: of the batches and the noise.
        """
        p = self._parameters
        generator = torch.Generator().manual_seed(int(seed.generate_state(1)[0]))
        falling = 0.5 * (1.0 + math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = p.final_learning_rate + (p.learning_rate - p.final_learning_rate) * falling
        total = 0.0
        for _ in range(count):
            rows = torch.randint(len(data.observation), (p.batch,), generator=generator)
            batch = self._mirrored(Data(data.observation[rows], data.before[rows], data.after[rows]), generator)
            start = self._start(batch.before, generator)
            time = torch.rand(p.batch, 1, generator=generator).to(start.device)
            error = loss(
                self.policy, batch.observation, batch.after, batch.before, start, time, gamma=p.gamma, knots=self._knots
            )
            self.optimizer.zero_grad(set_to_none=True)
            error.backward()
            if p.clip:
                torch.nn.utils.clip_grad_norm_(self.policy.parameters(), p.clip)
            self.optimizer.step()
            self._follow()
            total += error.item()
        return total / count

    def _mirrored(self, batch: Data, generator: torch.Generator) -> Data:
        """``batch`` with half of its samples, by chance, in the mirror."""
        if not self._mirror:
            return batch
        seen, driven = self._mirror
        flip = (torch.rand(len(batch.observation), 1, 1, generator=generator) < 0.5).to(batch.after.device)
        return Data(
            torch.where(flip[:, 0], batch.observation @ seen, batch.observation),
            torch.where(flip, batch.before @ driven, batch.before),
            torch.where(flip, batch.after @ driven, batch.after),
        )

    def _start(self, before: Tensor, generator: torch.Generator) -> Tensor:
        """Where the flow starts: noise, or in a share of samples a mix with the plan in force, as if warm-started."""
        noise = torch.randn(before.shape, generator=generator).to(before.device)
        share = self._parameters.coupling
        if not share:
            return noise
        level = torch.rand(len(before), 1, 1, generator=generator)
        level = torch.where(torch.rand(len(before), 1, 1, generator=generator) < share, level, 0.0).to(before.device)
        if blur := self._parameters.coupling_noise:
            before = before + blur * torch.randn(before.shape, generator=generator).to(before.device)
        return (1.0 - level) * noise + level * before

    def normalize(self, observation: Tensor) -> None:
        """Take mean and spread of ``observation`` (N, ny) as the normalizer of both policies."""
        for policy in {id(self.policy): self.policy, id(self.average): self.average}.values():
            policy.normalize(observation.mean(dim=0), observation.std(dim=0))

    def _follow(self) -> None:
        if self.average is not self.policy:
            with torch.no_grad():
                torch._foreach_lerp_(
                    list(self.average.parameters()), list(self.policy.parameters()), 1.0 - self._parameters.average
                )

    def tensors(self) -> dict[str, Tensor]:
        """Weights, normalizer and the optimizer's moments, by name."""
        found = {f"policy.{name}": value for name, value in self.policy.state_dict().items()}
        found |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            found |= {f"optimizer.{index}.{name}": value for name, value in moments.items()}
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take what ``tensors`` gave."""
        self.policy.load_state_dict(_below("policy", tensors))
        self.average.load_state_dict(_below("average", tensors))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _below("optimizer", tensors).items():
            index, key = name.split(".")
            moments.setdefault(int(index), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}
