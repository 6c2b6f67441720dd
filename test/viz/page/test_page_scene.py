"""What is drawn: the robot where the model has it, lines where plans lead, the view that holds it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import mujoco
import numpy as np
import pytest

pytest.importorskip("viser", reason="needs viser")

from gpc_ros import registry
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Array, Estimate, Plan, Samples
from gpc_ros.tasks.base import Task
from gpc_ros.viz.geometry import Kinematics, shapes
from gpc_ros.viz.page import camera, meshes
from gpc_ros.viz.page.camera import tracked_body
from gpc_ros.viz.page.follow import Follower
from gpc_ros.viz.page.paths import Paths, colours_of
from gpc_ros.viz.page.robot import Robot
from gpc_ros.viz.preview import Preview

ROBOTS = registry.names("tasks")


class Scene:
    """Stands in for viser's: keeps what is added."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {}

    def __getattr__(self, kind: str) -> Any:
        def add(name: str, *_: Any, **properties: Any) -> Any:
            self.nodes[name] = SimpleNamespace(kind=kind, **{"visible": True, **properties})
            return self.nodes[name]

        return add


def task_of(robot: str) -> Task:
    return registry.load("tasks", robot, Task)()


def random_qpos(model: mujoco.MjModel, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    qpos = np.array(model.qpos0)
    mujoco.mj_integratePos(model, qpos, rng.normal(size=model.nv), 1.0)
    return qpos


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_robot_is_where_the_model_has_it(robot: str) -> None:
    """A shape's pose below its body's, and the body's in the world, make up that of the geom."""
    task, scene = task_of(robot), Scene()
    model = task.model
    drawn, kinematics = Robot(scene, task, "/robot"), Kinematics(model)
    qpos = random_qpos(model, 3)
    drawn.show(qpos)
    for shape, position, wxyz in zip(shapes(model), *kinematics.poses(qpos), strict=True):
        body = scene.nodes[f"/robot/body {shape.body}"]
        node = scene.nodes[f"/robot/body {shape.body}/{shape.name}"]
        place, attitude = np.empty(3), np.empty(4)
        mujoco.mju_rotVecQuat(place, node.position, body.wxyz)
        mujoco.mju_mulQuat(attitude, body.wxyz, node.wxyz)
        assert body.position + place == pytest.approx(position, abs=1e-9)
        assert abs(attitude @ wxyz) == pytest.approx(1.0)


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_ghost_is_what_moves_and_nothing_else(robot: str) -> None:
    model, scene = task_of(robot).model, Scene()
    Robot(scene, task_of(robot), "/truth", ghost=True)
    drawn = {name.rsplit("/", 1)[-1] for name, node in scene.nodes.items() if node.kind != "add_frame"}
    before, after = (Kinematics(model).poses(qpos) for qpos in (np.array(model.qpos0), random_qpos(model, 5)))
    moves = np.abs(before[0] - after[0]).max(axis=1) + np.abs(before[1] - after[1]).max(axis=1) > 1e-9
    assert {shape.name for shape, moved in zip(shapes(model), moves, strict=True) if moved} <= drawn
    assert not any(shape.fixed for shape in shapes(model) if shape.name in drawn)


def test_a_pose_that_is_no_news_is_not_sent() -> None:
    scene = Scene()
    robot = Robot(scene, task_of("cart_pole"), "/robot")
    qpos = np.array([0.5, 0.1])
    robot.show(qpos)
    first = scene.nodes["/robot/body 1"].position
    robot.show(qpos.copy())
    assert scene.nodes["/robot/body 1"].position is first


@pytest.mark.parametrize(("shift", "seen"), [(0.0, False), (1e-4, False), (0.2, True)])
@pytest.mark.parametrize("joint", [0, 1])
def test_the_eye_tells_large_differences_only(joint: int, shift: float, seen: bool) -> None:
    robot = Robot(Scene(), task_of("cart_pole"), "/robot")
    qpos = np.array([0.3, 0.7])
    assert robot.differs(qpos, qpos + shift * np.eye(2)[joint]) is seen


def test_a_capsule_looks_outward_and_has_its_size() -> None:
    radius, half_length = 0.3, 0.7
    vertices, faces = meshes.capsule(radius, half_length)
    a, b, c = vertices[faces].transpose(1, 0, 2)
    volume = np.einsum("fi,fi->", a, np.cross(b, c)) / 6.0
    exact = np.pi * radius**2 * (2 * half_length + 4.0 / 3.0 * radius)
    assert 0.95 * exact < volume < exact
    distance = np.linalg.norm(vertices - np.clip(vertices * [0, 0, 1], -half_length, half_length), axis=1)
    assert distance == pytest.approx(radius)


@pytest.mark.parametrize("robot", ROBOTS)
def test_the_first_view_holds_the_robot(robot: str) -> None:
    """At its named start, every moving shape lies inside the picture of a square window."""
    task = task_of(robot)
    position, look_at, fov = camera.view(task.model)
    forward = (look_at - position) / np.linalg.norm(look_at - position)
    centers, _ = Kinematics(task.model).poses(task.start(task.named_start).qpos)
    for shape, center in zip(shapes(task.model), centers, strict=True):
        if not shape.fixed:
            away = center - position
            angle = np.arccos(away @ forward / np.linalg.norm(away))
            assert angle < 0.55 * fov, shape.name


def test_a_model_without_a_camera_is_seen_as_a_whole() -> None:
    model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='2'/></worldbody></mujoco>")
    position, look_at, fov = camera.view(model)
    assert np.tan(0.5 * fov) * np.linalg.norm(look_at - position) > 0.5 * model.stat.extent


def estimate() -> Estimate:
    return Estimate(10_000_000, np.array([0.0, np.pi]), np.zeros(2))


def plan_of(value: float, knots: int = 10) -> Plan:
    return Plan(10_000_000, 10_000_000, 100_000_000, np.full((knots, 1), value), Interpolation.LINEAR)


def test_the_line_of_a_plan_begins_at_the_robot_and_hides_when_there_is_none() -> None:
    task, scene = task_of("cart_pole"), Scene()
    paths = Paths(scene, Preview(task))
    assert not scene.nodes["/plan"].visible
    paths.show_plan(estimate(), plan_of(0.5))
    line = scene.nodes["/plan"]
    expected = Preview(task).path(estimate().qpos, estimate().qvel, plan_of(0.5), estimate().stamp_ns)
    assert line.visible
    assert line.points[0, 0] == pytest.approx(expected[0, 0], abs=1e-6)
    assert np.array_equal(line.points[1:, 0], line.points[:-1, 1])  # one line, without gaps
    assert line.colors.shape == line.points.shape
    for nothing in (None, plan_of(0.5, knots=0)):
        paths.show_plan(estimate(), nothing)
        assert not line.visible


def test_candidates_that_diverge_are_left_out_and_costs_are_colours() -> None:
    task, scene = task_of("cart_pole"), Scene()
    paths = Paths(scene, Preview(task))
    knots = np.stack([plan_of(value).knots for value in (0.1, 0.9, -0.5)])
    samples = Samples(10_000_000, 100_000_000, knots, Interpolation.LINEAR)
    paths.show_candidates(estimate(), (samples, np.array([3.0, 1.0, 2.0])))
    lines = scene.nodes["/candidates"]
    assert lines.visible
    first = lines.colors[:: len(lines.colors) // 3, 0].astype(int)
    assert first[1, 1] > first[1, 0]  # the cheapest is green
    assert first[0, 0] > first[0, 1]  # the dearest red
    knots = knots.copy()
    knots[1] = np.nan
    paths.show_candidates(estimate(), (Samples(10_000_000, 100_000_000, knots), np.array([3.0, 1.0, 2.0])))
    assert np.isfinite(lines.points).all()
    paths.show_candidates(estimate(), None)
    assert not lines.visible


@pytest.mark.parametrize("count", [0, 1, 3])
def test_when_all_candidates_diverge_or_none_came_there_is_no_line(count: int) -> None:
    task, scene = task_of("cart_pole"), Scene()
    paths = Paths(scene, Preview(task))
    some = Samples(10_000_000, 100_000_000, plan_of(0.1).knots[np.newaxis], Interpolation.LINEAR)
    paths.show_candidates(estimate(), (some, np.zeros(1)))
    assert scene.nodes["/candidates"].visible
    nowhere = Samples(10_000_000, 100_000_000, np.full((count, 10, 1), np.nan), Interpolation.LINEAR)
    paths.show_candidates(estimate(), (nowhere, np.zeros(count)))
    assert not scene.nodes["/candidates"].visible


def test_colours_go_by_rank_and_need_no_spread() -> None:
    costs = np.array([1.0, 1e9, 2.0])
    assert np.array_equal(colours_of(costs), colours_of(np.array([1.0, 3.0, 2.0])))
    assert len(colours_of(np.array([4.0]))) == 1
    assert colours_of(np.empty(0)).shape == (0, 3)


def test_a_robot_that_travels_stays_in_view_and_on_the_floor() -> None:
    """The world moves below it; nothing that stands on the floor seems to slide over its lines."""
    task, scene = task_of("walker"), Scene()
    robot = Robot(scene, task, "/world/robot")
    follower = Follower(scene, task.model, robot)
    floor = next(node for name, node in scene.nodes.items() if name.endswith("/floor"))
    first = np.array(floor.position)
    for travelled in (0.0, 0.3, 7.77, 31.4, -12.0):
        qpos = task.start(task.named_start).qpos.copy()
        qpos[task.model.joint("x").qposadr[0]] += travelled
        robot.show(qpos)
        follower.show()
        world = np.array(scene.nodes["/world"].position)
        assert (robot.positions[tracked_body(task.model)] + world)[:2] == pytest.approx(
            robot.positions[tracked_body(task.model)][:2] - [travelled, 0.0], abs=1e-9
        )
        moved = np.array(floor.position) - first
        assert np.abs(moved + world).max() <= floor.section_size  # it is below the robot
        assert moved / floor.section_size == pytest.approx(np.round(moved / floor.section_size))


def test_a_robot_that_stays_is_not_followed() -> None:
    task, scene = task_of("cart_pole"), Scene()
    robot = Robot(scene, task, "/world/robot")
    follower = Follower(scene, task.model, robot)
    robot.show(np.array([1.0, 0.0]))
    follower.show()
    assert not hasattr(scene.nodes["/world"], "position")
