"""What happened in a recording, as arrays: times, values, latencies, costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mcap", reason="needs mcap")
pytest.importorskip("sensor_msgs.msg", reason="needs the ROS package sensor_msgs")
import tapes

from gpc_ros.errors import GpcError
from gpc_ros.nodes import cdr, cdr_plans
from gpc_ros.recording import figures
from gpc_ros.recording.history import History, goals_of
from gpc_ros.recording.reader import Recording
from gpc_ros.tasks.base import States
from gpc_ros.tasks.cart_pole import CartPole
from gpc_ros.tasks.particle import Particle
from gpc_ros.tasks.push_t import PushT
from gpc_ros.tasks.walker import Walker

MS = tapes.MS


def history(folder: Path, rows: list[tapes.Row]) -> History:
    return History(Recording(tapes.write(folder / "a.mcap", rows)), cdr)


def command(tick: int, value: float) -> bytes:
    return cdr.encode_joint_state((tick + 500) * 2 * MS, "", ("slider_motor",), effort=[value])


def plan(tick: int) -> bytes:
    knots = np.ones((3, 1))
    return cdr_plans.encode_joint_trajectory(
        cdr_plans.JointTrajectory((tick + 500) * 2 * MS, "", ("slider_motor",), "effort", knots, np.arange(3) * MS)
    )


def test_joint_states_become_columns(tmp_path: Path) -> None:
    rows = [("state_estimate", tick * 2 * MS, tapes.state(tick, epoch=tick // 2, value=tick)) for tick in range(4)]
    track = history(tmp_path, rows).tracks["state_estimate"]
    assert track.names == ("slider", "hinge")
    assert track.stamp_ns.tolist() == [(tick + 500) * 2 * MS for tick in range(4)]
    assert track.sent_ns.tolist() == [tapes.BEGIN_NS + tick * 2 * MS - MS // 10 for tick in range(4)]
    assert track.epoch.tolist() == [0, 0, 1, 1]
    assert track.position.tolist() == [[tick, 0.1] for tick in range(4)]
    assert track.values("velocity", ("hinge", "slider")).tolist() == [[tick, 0.0] for tick in range(4)]
    assert np.isnan(track.effort).all()
    with pytest.raises(GpcError, match="recorded are slider, hinge, not elbow, knee"):
        track.values("position", ("slider", "knee", "elbow"))


def test_plans_drivers_and_goals_are_noted_with_their_times(tmp_path: Path) -> None:
    found = history(
        tmp_path,
        [
            ("joint_states", 0, tapes.state(0)),
            ("controller/active", 2 * MS, tapes.text("spc")),
            ("spc/plan", 3 * MS, plan(1)),
            ("goal_pose", 4 * MS, tapes.pose(0.5, -0.25)),
            ("joint_states", 4 * MS, tapes.state(2)),
        ],
    )
    sent = tapes.BEGIN_NS - MS // 10
    assert found.drivers == [(sent + 2 * MS, "spc")]
    assert [times.tolist() for times in found.plans["spc"]] == [[501 * 2 * MS], [sent + 3 * MS]]
    (pose,) = found.poses
    assert (pose.sent_ns, pose.frame) == (sent + 4 * MS, "world")
    assert pose.values.tolist() == [0.5, -0.25, 0.0, 0.0, 0.0, 0.0, 1.0]
    assert found.stamp_at(sent + 2 * MS) == 501 * 2 * MS
    assert found.seconds(np.array([501 * 2 * MS])) == pytest.approx(0.002)


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    rows = [("command", 0, b"\0\1\0\0no"), ("controller/active", 1, b"?"), ("joint_states", 2, tapes.state(0))]
    found = history(tmp_path, rows)
    assert found.refused == {"command": 1, "controller/active": 1}
    assert found.tracks.keys() == {"joint_states"}


def test_messages_with_other_names_are_left_out(tmp_path: Path) -> None:
    other = cdr.encode_joint_state(1, "", ("x",), [1.0])
    rows = [("joint_states", 0, tapes.state(0)), ("joint_states", 1, other), ("joint_states", 2, tapes.state(1))]
    assert len(history(tmp_path, rows).tracks["joint_states"].stamp_ns) == 2


def test_latencies_are_between_messages_of_one_stamp(tmp_path: Path) -> None:
    rows: list[tapes.Row] = []
    for tick in range(5):
        rows.append(("joint_states", tick * 2 * MS, tapes.state(tick)))
        if tick != 3:
            rows.append(("state_estimate", tick * 2 * MS + MS // 2, tapes.state(tick)))
            rows.append(("command", tick * 2 * MS + (1 + tick) * MS // 4 * 3, command(tick, 0.0)))
    rows.append(("spc/plan", 20 * MS, plan(1)))
    found = figures.latencies(history(tmp_path, rows))
    stamps, times = found["joint_states to command"]
    assert stamps.tolist() == [(500 + tick) * 2 * MS for tick in (0, 1, 2, 4)]
    assert times == pytest.approx([0.75, 1.5, 2.25, 3.75])
    assert found["joint_states to state_estimate"][1] == pytest.approx([0.5] * 4)
    assert found["state_estimate to spc/plan"][1] == pytest.approx([17.5])


def test_what_is_asked_again_counts_from_the_last_time_and_is_answered_the_first(tmp_path: Path) -> None:
    rows = [("joint_states", time * MS, tapes.state(0)) for time in (0, 100, 200)]
    rows += [("command", time * MS, command(0, 0.0)) for time in (201, 300)]
    assert figures.latencies(history(tmp_path, rows))["joint_states to command"][1] == pytest.approx([1.0])


def test_costs_are_those_of_the_task_at_the_true_state(tmp_path: Path) -> None:
    rows: list[tapes.Row] = []
    for tick in range(3):
        rows.append(("ground_truth", tick * MS, tapes.state(tick, value=0.1 * tick)))
        rows.append(("state_estimate", tick * MS, tapes.state(tick, value=9.0)))
        rows.append(("command", tick * MS, command(tick, 0.5 * tick)))
    rows.append(("ground_truth", 9 * MS, tapes.state(3)))  # not answered
    task = CartPole()
    costs = figures.costs(history(tmp_path, rows), task)
    assert costs is not None
    states = States(np.array([[0.1 * tick, 0.1] for tick in range(3)]), np.array([[0.0, tick] for tick in range(3)]))
    ctrl = 0.5 * np.arange(3)[:, np.newaxis]
    assert costs.total == pytest.approx(task.running_cost(states, ctrl, np.array([])))
    assert costs.terms.keys() == task.running_weights.keys()
    assert costs.stamp_ns.tolist() == [(500 + tick) * 2 * MS for tick in range(3)]


def test_costs_follow_the_goal(tmp_path: Path) -> None:
    def at(tick: int, names: tuple[str, ...]) -> bytes:
        return cdr.encode_joint_state((500 + tick) * MS, "", names, [0.0, 0.0], [0.0, 0.0], [0.0, 0.0])

    task = Particle()
    joints = tuple(task.model.joint(i).name for i in range(2))
    motors = tuple(task.model.actuator(i).name for i in range(2))
    rows: list[tapes.Row] = []
    for tick in range(4):
        rows += [("state_estimate", tick * MS, at(tick, joints)), ("command", tick * MS, at(tick, motors))]
    rows += [("goal_pose", MS - 1, tapes.pose(0.2, 0.0)), ("goal_pose", 2 * MS - 1, tapes.pose(0.0, 0.1))]
    costs = figures.costs(history(tmp_path, sorted(rows, key=lambda row: row[1])), task)
    assert costs is not None
    weight = task.running_weights["distance"]
    assert costs.terms["distance"] == pytest.approx(weight * np.array([0.04, 0.04, 0.01, 0.01]))


def test_without_state_or_command_there_is_no_cost(tmp_path: Path) -> None:
    assert figures.costs(history(tmp_path, [("joint_states", 0, tapes.state(0))]), CartPole()) is None


def test_goals_are_those_that_the_nodes_take(tmp_path: Path) -> None:
    """A click is no speed, and of what a simulator repeats the time that counts is that of the first saying."""
    half = np.sqrt(0.5)
    turned = (1.0, 2.0, 3.0, 0.0, 0.0, half, half)
    rows = [("goal_pose", time * MS, tapes.pose(*turned, frame=frame)) for time, frame in ((0, "world"), (1, "speed"))]
    found = history(tmp_path, [*rows, ("joint_states", 2 * MS, tapes.state(0))])
    ((time_ns, goal),) = goals_of(found.poses, Walker())
    assert (time_ns, goal.tolist()) == (tapes.BEGIN_NS - MS // 10 + MS, [1.0])
    ((_, goal),) = goals_of(found.poses, PushT())
    assert goal == pytest.approx([1.0, 2.0, np.pi / 2])
