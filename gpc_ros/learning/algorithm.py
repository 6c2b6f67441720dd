"""Algorithm 1 of arXiv 2502.13406: sampling improves plans, the policy learns them, its samples help the sampling.

The work is cut into slices, between any two of which the state can be saved and taken up again. All random numbers
come from the seed and the slice's place, so that a training that was interrupted ends like one that was not.

Letters: E environments, R replans of an iteration, K knots, nu actuators, ny observation.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import itertools
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gpc_ros.control.plan_log import Pairs
from gpc_ros.control.spc import SpcParameters
from gpc_ros.errors import GpcError
from gpc_ros.learning import checkpoint
from gpc_ros.learning.collection import Collector, Replan, teacher_parameters
from gpc_ros.learning.fit import Data, Fit
from gpc_ros.learning.networks import FlowPolicy
from gpc_ros.learning.parameters import TrainParameters
from gpc_ros.learning.teacher import MakesTeacher, Teacher
from gpc_ros.learning.validation import Verdict, validate
from gpc_ros.learning.value import TerminalValueNetwork
from gpc_ros.signals import Array
from gpc_ros.tasks.base import Task

_CHUNK = 100  # gradient steps per slice
_VALUE_STEPS = 2000


class Phase(enum.IntEnum):
    """What the next slice does."""

    COLLECT = 0
    FIT = 1
    DONE = 2


@dataclasses.dataclass
class Record:
    """Figures of one iteration; costs are means over all replans, ``success`` and ``cost`` those of the validation.

    ``refined``: it fitted recorded plans as well, and its policy stands whatever the validation says.
    """

    iteration: int
    spc_cost: float = float("nan")
    policy_cost: float = float("nan")
    plan_cost: float = float("nan")
    policy_best: float = float("nan")
    loss: float = float("nan")
    success: float = float("nan")
    named: bool = False
    cost: float = float("nan")
    physics_steps: int = 0
    wall_s: float = 0.0
    refined: bool = False

    @property
    def rank(self) -> tuple[float, float]:
        """By validation; larger is better."""
        return Verdict(self.success, self.named, self.cost).rank


@dataclasses.dataclass
class Progress:
    """Where the training stands; ``place`` counts replans or gradient steps within the phase."""

    phase: Phase = Phase.COLLECT
    iteration: int = 0
    place: int = 0
    wall_s: float = 0.0


class Trainer:
    """Trains one policy, slice by slice; whichever teacher it is that ``teachers`` makes, it learns the same.

    Attributes:
        progress: where the training stands.
        records: figures of the iterations, the present one last.
    """

    def __init__(
        self, task: Task, parameters: TrainParameters, spc: SpcParameters, teachers: MakesTeacher = Teacher
    ) -> None:
        torch.set_num_threads(1)  # but for gradient steps: sharing small work costs more than it saves
        self.task, self.parameters, self.spc = task, parameters, teacher_parameters(parameters, spc)
        self.progress = Progress()
        self.records: list[Record] = []
        self.collector = Collector(task, parameters, self.spc, teachers)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(parameters.seed)
        observation = self.collector.robots.observe().shape[1]
        self.sizes = {
            "knots": self.collector.spline.num_knots,
            "actuators": int(task.model.nu),
            "observation": observation,
        }
        self.fit = self._new_fit()
        self.best = _copy(self.fit.average)
        self.value = (
            TerminalValueNetwork(task, observation, seed=parameters.seed) if parameters.terminal_value else None
        )
        self._blocks: list[dict[str, NDArray[Any]]] = []
        self._data: Data | None = None

    def _new_fit(self) -> Fit:
        policy = FlowPolicy(self.parameters.network, **self.sizes).to(self.device)
        return Fit(policy, self.parameters, mirror=self.task.mirror())

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do."""
        return self.progress.phase is Phase.DONE

    @property
    def fraction(self) -> float:
        """Share of all slices that are done, a collection counted like a fit."""
        p, where = self.parameters, self.progress
        within = where.place / (p.gradient_steps if where.phase is Phase.FIT else self.collector.replans)
        return (where.iteration + 0.5 * (within + (where.phase is Phase.FIT))) / p.iterations

    def advance(self) -> None:
        """Do the next slice of work.

        Raises:
            GpcError: if the loss is no longer finite.
        """
        began, before = time.perf_counter(), self.progress.wall_s
        if self.progress.phase is Phase.COLLECT:
            self._collect()
        elif self.progress.phase is Phase.FIT:
            self._fit()
        self.progress.wall_s = before + time.perf_counter() - began
        self.records[-1].wall_s = self.progress.wall_s

    def _rng(self, *place: int) -> np.random.Generator:
        return np.random.default_rng([self.parameters.seed, self.progress.iteration, *place])

    def _collect(self) -> None:
        where, collector = self.progress, self.collector
        if where.place == 0:
            collector.begin(self._rng(0))
            self.records.append(Record(where.iteration))
            keep = self.parameters.replay - 1
            self._blocks = [*(self._blocks[-keep:] if keep else ()), {}]
        replan = collector.replan(self.fit.average if where.iteration else None, self._rng(1, where.place))
        self._note(replan)
        where.place += 1
        if where.place == collector.replans:
            self._end_collection()

    def _note(self, replan: Replan) -> None:
        scaling, block, place = self.collector.scaling, self._blocks[-1], self.progress.place
        rows: dict[str, NDArray[Any]] = {
            "observation": replan.observation,
            "before": scaling.normalized(replan.before),
            "after": scaling.normalized(replan.after),
            "visited": replan.observation[: len(replan.cost)],
            "cost": replan.cost,
            "drawn": replan.drawn,
            "seed": replan.seed,
        }
        for name, values in rows.items():
            if place == 0:
                block[name] = np.zeros((self.collector.replans, *values.shape), np.float32)
            block[name][place] = values

    def _end_collection(self) -> None:
        where, record, block = self.progress, self.records[-1], self._blocks[-1]
        fine = np.isfinite(block["cost"]) & np.isfinite(block["drawn"])
        record.spc_cost, record.plan_cost = float(block["drawn"][fine].mean()), float(block["cost"][fine].mean())
        if where.iteration:
            record.policy_cost = float(block["seed"][fine & np.isfinite(block["seed"])].mean())
            record.policy_best = float((block["seed"] < block["drawn"]).mean())
        record.physics_steps = self.collector.physics_steps
        if self.value is not None:
            seed = np.random.SeedSequence([self.parameters.seed, where.iteration, 4])
            self.value.fit(self._stacked("visited"), self._stacked("cost"), steps=_VALUE_STEPS, seed=seed)
            self.collector.use_value(self.value)
        self._data = None
        self.fit.normalize(torch.from_numpy(self._stacked("observation")))
        where.phase, where.place = Phase.FIT, 0

    def _stacked(self, name: str) -> Array:
        return np.concatenate([block[name].reshape(-1, *block[name].shape[2:]) for block in self._blocks])

    def _fit(self) -> None:
        where, p = self.progress, self.parameters
        if self._data is None:
            tensors = (torch.from_numpy(self._stacked(name)) for name in ("observation", "before", "after"))
            self._data = Data(*(tensor.to(self.device) for tensor in tensors))
        count = min(_CHUNK, p.gradient_steps - where.place)
        done = (where.iteration + where.place / p.gradient_steps) / p.iterations
        seed = np.random.SeedSequence([p.seed, where.iteration, 2, where.place])
        with _torch_threads(p.fit_threads):
            loss = self.records[-1].loss = self.fit.step(self._data, count, done=done, seed=seed)
        if not np.isfinite(loss):
            raise GpcError(f"the loss is {loss} in iteration {where.iteration + 1}; lower train.learning_rate")
        where.place += count
        if where.place == p.gradient_steps:
            self._end_iteration()

    def _end_iteration(self) -> None:
        where, p, record = self.progress, self.parameters, self.records[-1]
        if p.validation_starts:
            verdict = validate(
                self.fit.average,
                self.task,
                self.collector.spline,
                starts=p.validation_starts,
                flow_steps=p.flow_steps,
                rng=np.random.default_rng([p.seed, 3]),
            )
            record.success, record.named, record.cost = verdict.success, verdict.named, verdict.cost
        if not p.validation_starts or record is self.best_record():
            self.best = _copy(self.fit.average)
        where.iteration, where.place = where.iteration + 1, 0
        enough = p.enough and record.named and record.success >= p.enough
        where.phase = Phase.DONE if enough or where.iteration == p.iterations else Phase.COLLECT

    def learn_from(self, pairs: Pairs) -> None:
        """Fit the best policy once more, to the data there are and to ``pairs`` as well, with the normalizer it has.

        What comes of it is the best policy then, even if the validation, which knows only the nominal simulator,
        finds it worse: that is not where the pairs are from.
        """
        scaling, where = self.collector.scaling, self.progress
        self.fit = self._new_fit()  # the moments of the optimizer are those of the last policy, not of the best one
        for policy in (self.fit.policy, self.fit.average):
            policy.load_state_dict(self.best)
        if where.phase is Phase.COLLECT and where.place:  # cut off: what was not collected yet is zero
            self._blocks[-1] = {name: values[: where.place] for name, values in self._blocks[-1].items()}
        block: dict[str, NDArray[Any]] = {
            "observation": pairs.observation.astype(np.float32),
            "before": scaling.normalized(pairs.before),
            "after": scaling.normalized(pairs.after),
        }
        self._blocks.append({name: values[:, np.newaxis] for name, values in block.items()})
        self._data = None
        new = Record(where.iteration, physics_steps=self.collector.physics_steps, refined=True)
        self.records = [*self.records[: where.iteration], new]
        where.phase, where.place = Phase.FIT, 0

    def best_record(self) -> Record | None:
        """That of the iteration whose policy is the best so far, by validation; those before a refinement are past."""
        return _best(self._since_refinements()[-1])

    def base_record(self) -> Record | None:
        """That of the policy which was refined, if one was."""
        *_, before, _ = ([], *self._since_refinements())
        return _best(before)

    def _since_refinements(self) -> list[list[Record]]:
        """The records, cut before each refinement."""
        cuts = [0, *(index for index, record in enumerate(self.records) if record.refined), len(self.records)]
        return [self.records[begin:end] for begin, end in itertools.pairwise(cuts)]

    def save(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Everything that the rest of the training depends on, as ``checkpoint.write`` takes it."""
        about = {
            "robot": self.task.name,
            "sizes": self.sizes,
            "train": self.parameters.model_dump(mode="json"),
            "spc": self.spc.model_dump(mode="json"),
            "progress": dataclasses.asdict(self.progress),
            "records": [dataclasses.asdict(record) for record in self.records],
            "physics_steps": self.collector.physics_steps,
        }
        arrays = {f"robots/{name}": values for name, values in self.collector.arrays().items()}
        arrays |= checkpoint.flatten("fit", self.fit.tensors())
        arrays |= checkpoint.flatten("best", self.best)
        if self.value is not None:
            arrays |= checkpoint.flatten("value", self.value.tensors())
        for index, block in enumerate(self._blocks):
            arrays |= {f"data/{index}/{name}": values for name, values in block.items()}
        return about, arrays

    def restore(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        """Go on from what ``save`` gave, for the same robot and parameters."""
        where = dict(about["progress"])
        self.progress = Progress(**{**where, "phase": Phase(where["phase"])})
        self.records = [Record(**record) for record in about["records"]]
        self.collector.physics_steps = about["physics_steps"]
        self.collector.restore({n.removeprefix("robots/"): a for n, a in arrays.items() if n.startswith("robots/")})
        self.fit.restore(checkpoint.unflatten("fit", arrays))
        best = checkpoint.unflatten("best", arrays)
        self.best = {name: best[name].to(self.device) for name in self.best}
        if self.value is not None and (tensors := checkpoint.unflatten("value", arrays)):
            self.value.restore(tensors)
            self.collector.use_value(self.value)
        blocks: dict[str, dict[str, Array]] = {}
        for name, values in arrays.items():
            if name.startswith("data/"):
                _, index, key = name.split("/")
                blocks.setdefault(index, {})[key] = values
        self._blocks = [blocks[index] for index in sorted(blocks, key=int)]


@contextlib.contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(1)


def _copy(policy: FlowPolicy) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in policy.state_dict().items()}


def _best(records: list[Record]) -> Record | None:
    return max((record for record in records if np.isfinite(record.success)), key=lambda r: r.rank, default=None)
