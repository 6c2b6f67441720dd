"""Settings of training, in the section ``train`` of a robot's parameter file."""

from __future__ import annotations

from pydantic import field_validator

from gpc_ros.config import Parameters, parameter
from gpc_ros.policy.architecture import Architecture
from gpc_ros.sampling.objective import not_negative
from gpc_ros.sampling.polish import LEAST_DAMPING
from gpc_ros.sampling.spline import Interpolation


class CollectionParameters(Parameters):
    """How data are made."""

    environments: int = parameter(64, "robots simulated at once", ge=1, le=4096)
    episode_s: float = parameter(4.0, "simulated time per robot and iteration", unit="s", gt=0, le=60)
    plan_rate_hz: float = parameter(
        20.0, "replans, and data, per simulated second; 0: one per physics step, as published", unit="Hz", ge=0
    )
    horizon_s: float = parameter(0.0, "length of a plan; 0: as the planner's", unit="s", ge=0, le=10)
    knots: int = parameter(0, "knots of a plan; 0: as the planner's", ge=0, le=200)
    interpolation: Interpolation = parameter(
        Interpolation.ZERO, "between knots; of a plan that is held the first knot, which drives, is the best determined"
    )
    samples: int = parameter(6, "random candidates per replan, the plan in force included", ge=1, le=10_000)
    noise: float = parameter(0.3, "their standard deviation", unit="of half the ctrlrange", gt=0, le=10)
    policy_samples: int = parameter(4, "further candidates drawn from the policy", ge=0, le=10_000)
    warm_start: float = parameter(0.0, "warm-start level of those (eq. 35)", ge=0, le=1)
    polish: int = parameter(1, "Gauss-Newton steps per replan; 0: none, as published", ge=0, le=20)
    damping: float = parameter(
        LEAST_DAMPING,
        "least factor of the polish's steps: 1e-7 teaches the feedback where a plant amplifies what is done to it",
        unit="of the largest curvature",
        gt=0,
        lt=1,
    )
    running_weights: dict[str, float] = parameter(
        {}, "weights of running cost terms while plans are made to learn from, in place of the planner's"
    )
    goal_gain: float = parameter(
        0.0, "plans to learn from are for the goal times this; 0: times the planner's gain", ge=0, le=10
    )
    shift: bool = parameter(True, "move the plan in time between replans; false: as published")
    teacher_share: float = parameter(
        1.0, "share of the time that sampling drives; else the policy does (0: as published)", ge=0, le=1
    )
    stretch_s: float = parameter(
        0.0, "mean time that the policy drives before sampling takes over; 0: whole episodes", unit="s", ge=0
    )
    nearby: int = parameter(
        0, "states beside each replan's for which the polish's linear model gives plans too; 0: none", ge=0, le=64
    )
    nearby_spread: float = parameter(0.03, "their standard deviation", unit="of that of the starts", gt=0, le=1)
    exploration: float = parameter(
        0.0, "standard deviation of noise on the controls, held over a replan", unit="of half the ctrlrange", ge=0
    )
    named_share: float = parameter(0.05, "share of episodes that begin at the named start", ge=0, le=1)
    restart_share: float = parameter(
        0.0,
        "share of episodes that begin near states of low cost of the last iteration, where precision counts",
        ge=0,
        le=1,
    )
    goal_s: float = parameter(
        0.0, "mean time after which a robot gets a new goal within its episode; 0: never", unit="s", ge=0
    )
    settled_s: float = parameter(
        0.0, "mean time at the goal after which a robot begins a new episode; 0: it stays", unit="s", ge=0, le=60
    )
    terminal_value: bool = parameter(False, "learn a cost-to-go and plan with it in place of the terminal cost")

    _weights = field_validator("running_weights")(not_negative)


class FitParameters(Parameters):
    """How the network is fitted."""

    batch: int = parameter(256, "samples per gradient step", ge=1)
    gradient_steps: int = parameter(5000, "gradient steps per iteration", ge=1)
    learning_rate: float = parameter(1e-3, "of AdamW, at the start", gt=0)
    final_learning_rate: float = parameter(1e-4, "at the end of training, reached along a cosine", gt=0)
    clip: float = parameter(0.0, "largest norm of the gradient; 0: not clipped", ge=0)
    weight_decay: float = parameter(1e-4, "of AdamW", ge=0)
    replay: int = parameter(3, "iterations whose data are used; 1: as published", ge=1)
    gamma: float = parameter(0.0, "decay of the loss weight with the angle of eq. 33; 0: plain flow matching", ge=0)
    first_knot: float = parameter(
        1.0,
        "weight of a plan's first knot in the loss, over that of the last: with a plan per tick only the first drives",
        ge=1,
    )
    coupling: float = parameter(
        0.0, "share of samples whose flow starts from the plan in force instead of noise; 0: as published", ge=0, le=1
    )
    coupling_noise: float = parameter(
        0.0,
        "standard deviation of noise on the plan in force there: who sees it exactly learns to repeat it, and sways",
        unit="of half the ctrlrange",
        ge=0,
        le=10,
    )
    mirror: bool = parameter(True, "learn every sample's mirror image as well, where the task is symmetric")
    average: float = parameter(0.999, "decay of the moving average of the weights; 0: none", ge=0, lt=1)


class TrainParameters(CollectionParameters, FitParameters):
    """Algorithm 1 of arXiv 2502.13406 and what goes beyond it; the planner's settings come from the section ``spc``."""

    iterations: int = parameter(8, "rounds of collecting and fitting", ge=1)
    network: Architecture = Architecture()
    flow_steps: int = parameter(10, "Euler steps of the flow", ge=1, le=200)
    validation_starts: int = parameter(100, "starts that judge the policy after each iteration; 0: none", ge=0)
    enough: float = parameter(
        0.0, "share of these, with the named start, whose success ends the training; 0: it goes to its end", ge=0, le=1
    )
    threads: int = parameter(2, "threads for the physics; changes no result", ge=1, le=256)
    fit_threads: int = parameter(
        1, "threads for the gradient steps; 2 suit wide networks, and each number rounds otherwise", ge=1, le=64
    )
    seed: int = parameter(0, "of all random numbers", ge=0)

    @field_validator("network")
    @classmethod
    def _has_layers(cls, network: Architecture) -> Architecture:
        if any(width < 1 for width in network.hidden):
            raise ValueError(f"hidden = {network.hidden}: widths must be at least 1")
        return network
