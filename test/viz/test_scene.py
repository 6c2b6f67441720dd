"""What is drawn: forms where the shapes are, stable ids, nothing left behind of what has vanished."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import mujoco
import numpy as np
import pytest

from gpc_ros import registry
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Estimate, Plan, Samples
from gpc_ros.tasks.base import Task
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.particle import Particle
from gpc_ros.tasks.push_t import PushT
from gpc_ros.viz import markers
from gpc_ros.viz.geometry import Kinematics, shapes
from gpc_ros.viz.markers import Board, Kind, Marker
from gpc_ros.viz.scene import Frame, Scene

NS = 1_000_000_000
MS = 1_000_000
ESTIMATE = Estimate(NS, np.array([0.1, 0.5]), np.array([0.2, -0.3]))
PLAN = Plan(NS, NS, 100 * MS, np.full((6, 1), 0.3), Interpolation.LINEAR, "spc")
SAMPLES = Samples(NS, 100 * MS, np.random.default_rng(0).uniform(-1, 1, (12, 6, 1)), Interpolation.LINEAR)
SHAPES = """
<mujoco><worldbody>
  <geom name="floor" type="plane" size="2 3 1"/>
  <body name="many" pos="1 2 3" quat="0.5 0.5 0.5 0.5"><freejoint name="free"/>
    <geom name="sphere" type="sphere" size="0.1"/>
    <geom name="ellipsoid" type="ellipsoid" size="0.1 0.2 0.3"/>
    <geom name="cylinder" type="cylinder" size="0.1 0.4" euler="10 20 30"/>
    <geom name="capsule" type="capsule" size="0.1 0.4" pos="0 1 0" euler="10 20 30"/>
    <geom name="box" type="box" size="0.1 0.2 0.3"/>
  </body>
</worldbody></mujoco>
"""


def spaces(frame: Frame) -> Counter[str]:
    return Counter(marker.space for marker in frame.drawn)


def inside(marker: Marker, points: np.ndarray, slack_m: float) -> np.ndarray:
    """Whether each of ``points`` (n, 3) is inside ``marker``, grown by ``slack_m``."""
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, marker.quat_wxyz)
    x, y, z = ((points - marker.position) @ turn.reshape(3, 3)).T
    a, b, c = (length / 2 + slack_m for length in marker.scale)
    match marker.kind:
        case Kind.SPHERE:
            return (x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 < 1
        case Kind.CYLINDER:
            return ((x / a) ** 2 + (y / b) ** 2 < 1) & (np.abs(z) < c)
        case _:
            return (np.abs(x) < a) & (np.abs(y) < b) & (np.abs(z) < c)


@pytest.mark.parametrize("name", ["sphere", "ellipsoid", "cylinder", "capsule", "box"])
def test_forms_fill_the_shapes_that_mujoco_has(name: str) -> None:
    """Rays from outside hit MuJoCo's geom on the surface of the markers."""
    model = mujoco.MjModel.from_xml_string(SHAPES)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    found = shapes(model)
    index = [shape.name for shape in found].index(name)
    positions, quats_wxyz = Kinematics(model).poses(model.qpos0)
    drawn = markers.bodies("robot", [found[index]], positions[index : index + 1], quats_wxyz[index : index + 1])
    center, rng = data.geom(name).xpos, np.random.default_rng(1)
    model.geom_rgba[:, 3] = 0.0  # of the others, through which rays pass
    model.geom_rgba[found[index].geom, 3] = 1.0
    for direction in rng.standard_normal((50, 3)):
        direction /= np.linalg.norm(direction)
        start = center + 2.0 * direction
        distance = mujoco.mj_ray(model, data, start, -direction, None, 1, -1, np.zeros(1, dtype=np.int32))
        surface = start - distance * direction
        assert any(inside(marker, surface[np.newaxis], 1e-6)[0] for marker in drawn)
        assert not any(inside(marker, surface[np.newaxis], -1e-6)[0] for marker in drawn)


def test_a_plane_lies_below_its_height() -> None:
    model = mujoco.MjModel.from_xml_string(SHAPES)
    positions, quats_wxyz = Kinematics(model).poses(model.qpos0)
    (floor,) = markers.bodies("world", shapes(model)[:1], positions[:1], quats_wxyz[:1])
    assert floor.scale[:2] == (4.0, 6.0)
    assert floor.position[2] + floor.scale[2] / 2 == pytest.approx(0.0)


@pytest.mark.parametrize("robot", registry.names("tasks"))
def test_every_robot_is_drawn_with_ids_of_its_own(robot: str) -> None:
    task = registry.load("tasks", robot, Task)()
    scene, rng = Scene(task), np.random.default_rng(0)
    frames = []
    for _ in range(2):
        start = task.reset(rng)
        scene.place_goal(start.goal)
        estimate = Estimate(NS, start.qpos, start.qvel)
        frames.append(scene.frame(estimate, truth=estimate))
    first, second = ([(marker.space, marker.id) for marker in frame.drawn] for frame in frames)
    assert first == second
    assert len(set(first)) == len(first)
    assert spaces(frames[0])["robot"] == spaces(frames[0])["truth"] > 0
    assert frames[1].gone == []


def test_what_is_given_is_drawn_and_vanishes_when_it_is_given_no_more() -> None:
    scene = Scene(CartPole(), candidates=4)
    every = scene.frame(ESTIMATE, truth=ESTIMATE, plan=PLAN, candidates=SAMPLES)
    assert set(spaces(every)) == {"world", "robot", "truth", "plan", "candidates"} == Scene.spaces - {"goal"}
    assert (spaces(every)["plan"], spaces(every)["candidates"]) == (1, 4)
    bare = scene.frame(ESTIMATE, fixed=False)
    assert set(spaces(bare)) == {"robot"}
    assert set(bare.gone) == {(m.space, m.id) for m in every.drawn if m.space in ("truth", "plan", "candidates")}
    assert scene.frame(ESTIMATE, fixed=False).gone == []


def test_a_new_viewer_is_not_told_of_what_others_saw() -> None:
    scene = Scene(CartPole())
    scene.frame(ESTIMATE, plan=PLAN)
    scene.frame(ESTIMATE, candidates=SAMPLES)
    scene.clear()
    found = scene.frame(ESTIMATE, candidates=SAMPLES)
    assert found.gone == []
    assert spaces(found)["candidates"] == 8


def test_the_ghost_is_where_the_plant_is_and_its_colour_its_own() -> None:
    truth = replace(ESTIMATE, qpos=ESTIMATE.qpos + np.array([0.5, 0.0]))
    frame = Scene(CartPole()).frame(ESTIMATE, truth=truth)
    of = {space: {m.id: m for m in frame.drawn if m.space == space} for space in ("robot", "truth")}
    for number, ghost in of["truth"].items():
        assert ghost.rgba == markers.GHOST
        np.testing.assert_allclose(ghost.position, of["robot"][number].position + np.array([0.5, 0.0, 0.0]), atol=1e-9)


def test_the_plan_begins_at_the_robot() -> None:
    frame = Scene(CartPole()).frame(ESTIMATE, plan=PLAN)
    (line,) = [marker for marker in frame.drawn if marker.space == "plan"]
    angle, cart = ESTIMATE.qpos[1], ESTIMATE.qpos[0]
    np.testing.assert_allclose(line.points[0], [cart - np.sin(angle), 0.0, 1.0 - np.cos(angle)], atol=1e-9)
    assert line.kind is Kind.LINE


@pytest.mark.parametrize(
    "stale",
    [{"plan": replace(PLAN, epoch=1)}, {"plan": replace(PLAN, start_ns=1)}]
    + [{"candidates": replace(SAMPLES, **wrong)} for wrong in ({"epoch": 1}, {"stamp_ns": NS // 4})],
)
def test_what_is_of_another_moment_is_not_drawn(stale: dict[str, object]) -> None:
    frame = Scene(CartPole()).frame(ESTIMATE, **stale)  # type: ignore[arg-type]
    assert set(spaces(frame)) == {"world", "robot"}


def test_candidates_are_rolled_out_once_and_coloured_from_cheap_to_dear(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, rolled = Scene(CartPole(), candidates=5), []
    paths = scene._preview.paths
    monkeypatch.setattr(scene._preview, "paths", lambda *given: rolled.append(given) or paths(*given))
    frame = scene.frame(ESTIMATE, candidates=SAMPLES)
    greens = [marker.rgba[1] for marker in frame.drawn if marker.space == "candidates"]
    assert greens == sorted(greens, reverse=True)
    assert len(set(greens)) == 5
    for _ in range(3):
        again = scene.frame(ESTIMATE, candidates=SAMPLES)
        assert spaces(again)["candidates"] == 0  # they stay as they are
        assert again.gone == []
    assert len(rolled) == 1
    np.testing.assert_array_equal(rolled[0][2].knots[[0, -1]], SAMPLES.knots[[0, -1]])
    scene.candidates = 0
    assert spaces(scene.frame(ESTIMATE, candidates=replace(SAMPLES)))["candidates"] == 0


def test_the_goal_is_a_space_of_its_own() -> None:
    task = Particle()
    scene, start = Scene(task), task.start("corner")
    scene.place_goal(np.array([0.1, -0.2]))
    frame = scene.frame(Estimate(NS, start.qpos, start.qvel))
    goals = [marker for marker in frame.drawn if marker.space == "goal"]
    assert len(goals) == 2
    for marker in goals:
        assert marker.position[:2].tolist() == [0.1, -0.2]


def test_a_goal_that_is_turned_is_drawn_turned() -> None:
    task = PushT()
    scene, start = Scene(task), task.start(task.named_start)
    scene.place_goal(np.array([0.1, -0.2, 0.5]))
    frame = scene.frame(Estimate(NS, start.qpos, start.qvel))
    goals = [marker for marker in frame.drawn if marker.space == "goal"]
    assert goals
    for marker in goals:
        np.testing.assert_allclose(marker.quat_wxyz, [np.cos(0.25), 0.0, 0.0, np.sin(0.25)], atol=1e-9)


def test_lines_that_the_physics_cannot_follow_are_not_drawn() -> None:
    positions = np.zeros((3, 5, 2, 3))
    positions[1, 3, 0] = np.nan
    found = markers.paths("candidates", positions, markers.by_rank(3), width_m=0.1)
    assert [marker.id for marker in found] == [0, 1, 3, 4, 5]
    assert markers.paths("candidates", positions[:, :1], markers.by_rank(3), width_m=0.1) == []


def test_a_board_tells_what_has_gone() -> None:
    board = Board()
    some = [Marker("robot", number, Kind.CUBE, (1, 1, 1), (1, 1, 1, 1)) for number in range(3)]
    assert board.show("robot", some) == []
    assert board.show("truth", some[:1]) == []
    assert board.show("robot", some[:1]) == [1, 2]
    assert board.show("robot", some) == []
    assert board.show("truth", []) == [0]
