"""What is seen in 3-D."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpc_ros.signals import Estimate
from gpc_ros.tasks.base import Task
from gpc_ros.viz.page.follow import WORLD, Follower
from gpc_ros.viz.page.goal import goal_control
from gpc_ros.viz.page.paths import Paths
from gpc_ros.viz.page.port import News, Port
from gpc_ros.viz.page.robot import Robot
from gpc_ros.viz.page.server import Server
from gpc_ros.viz.preview import Preview

_ZENITH_RGB, _HORIZON_RGB = (205, 221, 236), (250, 251, 252)


class Scene:
    """The robot of ``task`` in viser's scene, where it really is, where plans lead, and its goal."""

    def __init__(self, server: Server, task: Task, port: Port) -> None:
        scene = server.scene
        scene.configure_default_lights(cast_shadow=True)
        scene.set_background_image(_sky(), format="png")
        self._robot = Robot(scene, task, f"{WORLD}/robot")
        self._ghost = Robot(scene, task, f"{WORLD}/truth", ghost=True)
        self._ghost.set_visible(visible=False)
        self._paths = Paths(scene, Preview(task), below=WORLD)
        self._goal = goal_control(task, scene, server.gui, below=WORLD)
        self._follower = Follower(scene, task.model, self._robot)
        self._port = port

    def show(self, news: News) -> None:
        """Move the robot, and give the goal that a browser has made."""
        if self._goal is not None and (wanted := self._goal.take()) is not None:
            self._port.go_to(wanted)
        if self._goal is not None and news.goal is not None:
            self._goal.show(news.goal)
            self._robot.place_goal(news.goal)
        if news.estimate is None:
            return
        self._robot.show(news.estimate.qpos)
        self._follower.show()
        self._show_truth(news.truth, news.estimate)

    def show_plan(self, news: News) -> None:
        """Draw the plan of whoever drives."""
        if news.estimate is not None:
            self._paths.show_plan(news.estimate, news.plan)

    def show_candidates(self, news: News) -> None:
        """Draw some of what the search has tried."""
        if news.estimate is not None:
            self._paths.show_candidates(news.estimate, news.candidates)

    def _show_truth(self, truth: Estimate | None, estimate: Estimate) -> None:
        """The ghost: only where it can be told from the robot, for two surfaces in one place flicker."""
        visible = truth is not None and self._ghost.differs(truth.qpos, estimate.qpos)
        self._ghost.set_visible(visible=visible)
        if truth is not None and visible:
            self._ghost.show(truth.qpos)


def _sky() -> NDArray[np.uint8]:
    """A picture (height, width, 3) that fades from the zenith to the horizon, which is in the middle."""
    share = np.clip(np.linspace(0.0, 2.0, 256), 0.0, 1.0)[:, np.newaxis, np.newaxis]
    sky = (1.0 - share) * np.array(_ZENITH_RGB) + share * np.array(_HORIZON_RGB)
    return np.repeat(sky, 2, axis=1).astype(np.uint8)
