"""``gpc rerun``: the estimator or a planner once more on a recording, compared with what was recorded."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console

from gpc_ros import config, registry, spec
from gpc_ros.cli import arguments, recordings
from gpc_ros.control.base import Planner
from gpc_ros.control.lead import Lead
from gpc_ros.control.previous import unfit
from gpc_ros.errors import InvalidSignal, UnknownName
from gpc_ros.estimation.assembly import Assembly
from gpc_ros.estimation.ekf import Ekf
from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.recording import history, rerun
from gpc_ros.recording.reader import Recording
from gpc_ros.signals import NS_PER_S, Array, Estimate, Measurement, Samples
from gpc_ros.statistics import Counts
from gpc_ros.tasks.base import Task

_ESTIMATOR = "estimator"
_PLANNING_NODES = ("spc", "policy_server")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "rerun", help="run the estimator or a planner again on a recording, and compare"
    )
    recordings.add_file(parser)
    parser.add_argument("what", metavar="WHAT", help="estimator, or a planner whose plans were recorded")
    recordings.add_robot(parser)
    arguments.add_json(parser, "the comparison")
    arguments.add_overrides(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Run and tell how the results compare; the exit code.

    Raises:
        GpcError: if the recording cannot be read, or does not hold what it takes.
    """
    from gpc_ros.cli.doctor import require_ros

    require_ros()  # its messages of time are what the codec needs; nothing is sent
    recording = recordings.opened(args)
    bench = Bench(recording, recordings.task_of(recording, args), arguments.overrides(args))
    figures = bench.figures(args.what)
    recordings.tell_refused(recording, bench.refused)
    Console().print("\n".join(_lines(figures)), highlight=False, soft_wrap=True)
    arguments.write_json(args.json, figures)
    return 0


def _lines(figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"{figures['what']}: {figures['equal']} of {figures['compared']} results equal bit for bit"
    if figures["first_difference_s"] is not None:
        yield (
            f"the first other one is at {figures['first_difference_s']:.3f} s; "
            f"the largest difference of a value is {figures['largest_difference']:.3g}"
        )
    for name, value in figures.get("rms_error", {}).items():
        yield f"error against ground_truth (rms over all coordinates), {name}: {value:.4g}"


class Bench:
    """A recording, and what runs on it.

    Args:
        recording: the file.
        task: of its robot.
        overrides: parameters by node that stand over the recorded ones.
    """

    def __init__(self, recording: Recording, task: Task, overrides: Mapping[str, Mapping[str, Any]]) -> None:
        from gpc_ros.nodes.codec import Codec

        self.refused = Counts()
        self._recording = recording
        self._task = task
        self._overrides = overrides
        self._codec = Codec(task.model)
        topics = map(recording.name, recording.channels)
        self._planners = [planner for planner in map(spec.planner_of, topics) if planner]

    def figures(self, what: str) -> dict[str, Any]:
        """How ``what``, the estimator or a planner, compares.

        Raises:
            UnknownName: if nothing of it was recorded; lists the valid names.
        """
        if what == _ESTIMATOR:
            found, more = self._estimator()
        elif what in self._planners:
            found, more = self._planner(what), {}
        else:
            raise UnknownName("part of the recording", what, [_ESTIMATOR, *self._planners])
        first = found.first_difference_ns
        return {
            "what": what,
            "robot": self._task.name,
            "compared": found.compared,
            "equal": found.equal,
            "largest_difference": found.largest_difference,
            "first_difference_s": None if first is None else (first - found.begin_ns) / NS_PER_S,
            **more,
        }

    def _estimator(self) -> tuple[rerun.Comparison, dict[str, Any]]:
        codec, found = self._codec, rerun.Comparison()
        sent = self._signals("state_estimate", codec.decode_estimate)
        old = {each.key: each for each in sent if not each.signal.coasted}
        truth = {each.key: each.signal for each in self._signals("ground_truth", codec.decode_estimate)}
        commands = [each.signal for each in self._signals("command", codec.decode_command)]
        settings = rerun.Settings(self._recording, [_ESTIMATOR])
        squares: dict[str, list[float]] = {"recorded": [], "run again": []}
        for measurement, new in rerun.estimates(self._measurements(), commands, settings, self._filter):
            key = measurement.epoch, measurement.stamp_ns
            if key in old:
                before = old[key]
                values = self._values(before.signal), self._values(new)
                found.add(before, codec.encode_estimate(new), values)
                if key in truth:
                    for name, estimate in (("recorded", before.signal), ("run again", new)):
                        error = self._values(estimate) - self._values(truth[key])
                        squares[name].append(float(np.mean(error * error)))
        rms = {name: float(np.sqrt(np.mean(values))) for name, values in squares.items() if values}
        return found, {"rms_error": rms}

    def _planner(self, name: str) -> rerun.Comparison:
        codec, found, recording, scene = self._codec, rerun.Comparison(), self._recording, self._scene()
        plans = [
            plan
            for planner in self._planners
            for plan in self._signals(spec.plan_topic(planner), partial(codec.decode_plan, planner=planner))
        ]
        known = {each.key: each.signal for each in self._signals("state_estimate", codec.decode_estimate)}
        settings = rerun.Settings(recording, _PLANNING_NODES)
        lead = Lead(self._task, self._loaded("spc", recording.initial("spc")).period_ns)
        seeded = name == "seeded_spc" and bool(scene.samples)  # with what the policy gave, it is not asked again
        make = partial(self._made, "spc" if seeded else name)
        again = rerun.Replanner(name, make, settings, lead, scene, seeds=_seeds if seeded else _no_seeds)
        for before, new in again.run(plans, known):
            found.add(before, codec.encode_plan(new), (before.signal.knots, new.knots))
        return found

    def _signals(self, name: str, decode: Any) -> list[rerun.Recorded]:
        read = rerun.readable(self._recording, name, lambda message: decode(message.data), self.refused)
        return [rerun.Recorded(message.sent_ns, signal, message.data) for message, signal in read]

    def _said(self, name: str, decode: Any) -> list[tuple[int, Any]]:
        return [(each.sent_ns, each.signal) for each in self._signals(name, decode)]

    def _measurements(self) -> Iterator[tuple[int, Measurement]]:
        """Measurements as the estimator had them, put together, with times of sending [ns]."""
        from gpc_ros.nodes import odometry

        codec, joints = self._codec, self._codec.free_joints
        tolerance_s = self._loaded(_ESTIMATOR, self._recording.initial(_ESTIMATOR)).odometry_tolerance_s
        assembly = Assembly(joints, round(tolerance_s * NS_PER_S))
        topics = {spec.TOPICS[odometry.TOPIC].of(joint): joint for joint in joints}
        for message in self._recording.messages({"joint_states", *topics}):
            joint = topics.get(self._recording.name(message.channel.topic))
            try:
                if joint is None:
                    ready = assembly.add_states(codec.decode_measurement(message.data))
                else:
                    ready = assembly.add_part(joint, odometry.decode(message.data, joint))
            except InvalidSignal as error:
                self.refused[f"{message.channel.topic}: {error.reason}"] += 1
                continue
            yield from ((message.sent_ns, measurement) for measurement in ready)

    def _scene(self) -> rerun.Scene:
        from gpc_ros.nodes import cdr

        recording, codec = self._recording, self._codec
        poses = rerun.readable(recording, "goal_pose", partial(history.pose, cdr=cdr), self.refused)
        return rerun.Scene(
            goals=history.goals_of((pose for _, pose in poses), self._task) if self._task.goal else [],
            wanted=self._said("controller/wanted", lambda data: cdr.Reader(data).text().split(",")),
            drivers=self._said("controller/active", lambda data: cdr.Reader(data).text()),
            commands=self._said("command", codec.decode_command),
            samples=self._said("policy/samples", codec.decode_samples),
        )

    def _values(self, estimate: Estimate) -> Array:
        """Coordinates and velocities (2nv,)."""
        return np.concatenate((self._codec.coordinates.to_tangent(estimate.qpos), estimate.qvel))

    def _loaded(self, node: str, values: Mapping[str, Any]) -> Any:
        given = {**values, **self._overrides.get(node, {}), "robot": self._task.name}
        return config.load(self._task.name, node, PARAMETERS[node], **given)

    def _filter(self, values: Mapping[str, Any]) -> tuple[Ekf, int]:
        parameters = self._loaded(_ESTIMATOR, values)
        ekf = Ekf(self._task.model, parameters, parameters.period_ns)
        return ekf, round(parameters.actuation_delay_s * NS_PER_S)

    def _made(self, planner: str, values: Mapping[str, Mapping[str, Any]]) -> Planner:
        parameters = {node: self._loaded(node, values[node]) for node in _PLANNING_NODES}
        parameters["spc"] = parameters["spc"].model_copy(update={"record": ""})  # not into the data of the run
        kind: type[Planner] = registry.load("control", planner, Planner)
        return kind.make(self._task, parameters)


def _seeds(planner: Any, samples: Samples, estimate: Estimate, start_ns: int) -> Array | None:
    """As the node ``spc`` makes them."""
    found: Array = planner.seeds(samples, start_ns)
    return None if unfit(samples, estimate, planner.parameters.seed_age_ns) else found


def _no_seeds(planner: Any, samples: Samples, estimate: Estimate, start_ns: int) -> None:
    """For planners that take none."""
