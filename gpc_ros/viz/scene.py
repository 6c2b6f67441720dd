"""All that is drawn of a running stack, frame by frame: what to draw, and what to take away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from gpc_ros.signals import NS_PER_S, Array, Estimate, Plan, Samples
from gpc_ros.tasks.base import Task
from gpc_ros.viz import markers
from gpc_ros.viz.geometry import GOAL, Kinematics, Shape, shapes
from gpc_ros.viz.markers import Board, Marker
from gpc_ros.viz.preview import Preview

_STALE_NS = NS_PER_S // 2  # candidates older than that are of another moment


@dataclass(frozen=True, slots=True)
class Frame:
    """``drawn`` stands in place of what had the same space and id, ``gone`` (space, id) is to be taken away.

    What is in neither stays as it is.
    """

    drawn: list[Marker]
    gone: list[tuple[str, int]]


class Scene:
    """Draws a task's robot, each part of the picture in one of ``spaces``, which a viewer can hide.

    Args:
        task: the robot.
        candidates: how many of them are drawn at most.
    """

    spaces: ClassVar[frozenset[str]] = frozenset(("world", "robot", "truth", "plan", "candidates", "goal"))

    def __init__(self, task: Task, candidates: int = 8) -> None:
        self.candidates = candidates
        self._kinematics = Kinematics(task.model, task.goal_names)
        self._preview = Preview(task)
        self._shapes = shapes(task.model)
        goal = [i for i, shape in enumerate(self._shapes) if task.model.body(shape.body).name == GOAL]
        fixed = [i for i, shape in enumerate(self._shapes) if shape.fixed]
        robot = [i for i in range(len(self._shapes)) if i not in {*goal, *fixed}]
        self._places = {"world": fixed, "robot": robot, "truth": robot, "goal": goal}
        self._width_m = markers.line_width(task.model)
        self._board = Board()
        self._candidates_shown: Samples | None = None

    def clear(self) -> None:
        """Begin anew, as for a new viewer."""
        self._board.clear()
        self._candidates_shown = None

    def place_goal(self, goal: Array) -> None:
        """Draw ``goal`` (ng,) from now on."""
        self._kinematics.place_goal(goal)

    def frame(
        self,
        estimate: Estimate,
        *,
        truth: Estimate | None = None,
        plan: Plan | None = None,
        candidates: Samples | None = None,
        fixed: bool = True,
    ) -> Frame:
        """The robot at ``estimate``, and what is given of the plant's true state, the plan and candidates by rank.

        With ``fixed``, also what never moves.
        """
        poses = self._kinematics.poses(estimate.qpos)
        drawn = {space: self._bodies(space, *poses) for space in ("robot", "goal", *(["world"] if fixed else []))}
        drawn["truth"] = []
        if truth is not None:
            drawn["truth"] = self._bodies("truth", *self._kinematics.poses(truth.qpos), rgba=markers.GHOST)
        drawn["plan"] = self._plan(estimate, plan)
        if (lines := self._candidates(estimate, candidates)) is not None:
            drawn["candidates"] = lines
        gone = [(space, each) for space, some in drawn.items() for each in self._board.show(space, some)]
        return Frame([marker for some in drawn.values() for marker in some], gone)

    def _bodies(
        self, space: str, positions: Array, quats_wxyz: Array, *, rgba: markers.Rgba | None = None
    ) -> list[Marker]:
        places = self._places[space]
        some: list[Shape] = [self._shapes[i] for i in places]
        return markers.bodies(space, some, positions[places], quats_wxyz[places], rgba=rgba)

    def _plan(self, estimate: Estimate, plan: Plan | None) -> list[Marker]:
        if plan is None or plan.epoch != estimate.epoch:
            return []
        path = self._preview.path(estimate.qpos, estimate.qvel, plan, estimate.stamp_ns)
        return markers.paths("plan", path[np.newaxis], [markers.PLAN], width_m=2 * self._width_m)

    def _candidates(self, estimate: Estimate, samples: Samples | None) -> list[Marker] | None:
        """Lines of new candidates; None while those that are shown are still the newest, none once they are old."""
        if samples is None or samples.epoch != estimate.epoch or abs(estimate.stamp_ns - samples.stamp_ns) > _STALE_NS:
            self._candidates_shown = None
            return []
        if samples is self._candidates_shown:
            return None
        self._candidates_shown = samples
        count = len(samples.knots)
        kept = np.linspace(0, count - 1, min(self.candidates, count)).round().astype(int)
        some = replace(samples, knots=samples.knots[kept])
        found = self._preview.paths(estimate.qpos, estimate.qvel, some, estimate.stamp_ns)
        return markers.paths("candidates", found, markers.by_rank(len(found)), width_m=self._width_m)
