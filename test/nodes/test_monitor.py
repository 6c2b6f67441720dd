"""The monitor on real DDS: figures from stamps and times of sending, one status a second, markers for who listens."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs the ROS package rclpy")
pytest.importorskip("visualization_msgs.msg", reason="needs the ROS package visualization_msgs")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped
from rclpy.serialization import deserialize_message
from rig import Peer, Rig
from std_msgs.msg import String
from visualization_msgs.msg import Marker, MarkerArray

from gpc_ros.nodes import transforms
from gpc_ros.nodes.monitor import Monitor
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Command, Estimate, Measurement, Plan, Samples

pytestmark = pytest.mark.ros
NS = 1_000_000_000
MS = 1_000_000


class Desk:
    """The monitor, and a peer that plays the stack."""

    def __init__(self, node: Rig, peer: Peer) -> None:
        self.node, self.peer, self.codec = node, peer, node.codec
        self.home = node.shell.task.start(node.shell.task.named_start)
        self.nu = node.shell.task.model.nu

    def estimate(self, stamp_ns: int = NS, *, epoch: int = 0) -> Estimate:
        return Estimate(stamp_ns, self.home.qpos, self.home.qvel, epoch=epoch)

    def tick(self, stamp_ns: int) -> None:
        """One turn of the stack."""
        position = self.home.qpos[self.node.shell.task.model.jnt_qposadr[self.codec.scalar_joints]]
        measurement = Measurement(stamp_ns, {"position": position})
        self.peer.say("joint_states", self.codec.encode_measurement(measurement))
        self.peer.say("state_estimate", self.codec.encode_estimate(self.estimate(stamp_ns)))
        self.peer.say("command", self.codec.encode_command(Command(stamp_ns, np.zeros(self.nu))))

    def plan(self, stamp_ns: int = NS) -> Plan:
        return Plan(stamp_ns, stamp_ns, 100 * MS, np.full((6, self.nu), 0.3), Interpolation.LINEAR, "spc")

    def drives(self, planner: str) -> None:
        self.peer.say("controller/active", String(data=planner))
        self.peer.until(lambda: self.node.shell.pipeline.journey.active == planner, "the active planner")

    def report(self, node: str, *, level: bytes = DiagnosticStatus.OK, message: str = "running", **values: str) -> None:
        pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
        status = DiagnosticStatus(name=f"gpc_ros/{node}", level=level, message=message, values=pairs)
        self.peer.say("/diagnostics", DiagnosticArray(status=[status]))

    @property
    def statuses(self) -> list[DiagnosticStatus]:
        messages = [deserialize_message(data, DiagnosticArray) for data in self.peer.heard["/diagnostics"]]
        return [status for message in messages for status in message.status if status.name == "gpc_ros/monitor"]

    def frame(self, condition: Callable[[dict[str, list[Marker]]], bool]) -> dict[str, list[Marker]]:
        """The first frame that meets ``condition``, by space; DELETEALL has none."""

        def find() -> Any:
            for data in self.peer.heard["markers"]:
                found: dict[str, list[Marker]] = {}
                for marker in deserialize_message(data, MarkerArray).markers:
                    found.setdefault(marker.ns, []).append(marker)
                if condition(found):
                    return found
            return None

        return self.peer.until(find, "a frame")


@pytest.fixture
def desk(start: Callable[..., Rig], peer: Peer) -> Desk:
    return Desk(start(Monitor, marker_rate_hz=50.0), peer)


def test_latencies_are_told_in_diagnostics_and_forgotten(desk: Desk) -> None:
    desk.peer.hear("/diagnostics")
    journey = desk.node.shell.pipeline.journey
    stamp_ns = NS

    def answered() -> bool:
        nonlocal stamp_ns
        stamp_ns += 2 * MS
        desk.tick(stamp_ns)
        return journey.answered.total > 20

    desk.peer.until(answered, "latencies")

    def values() -> dict[str, str]:
        answered()
        found = desk.statuses[-1].values if desk.statuses else []
        return {pair.key: pair.value for pair in found}

    told = desk.peer.until(lambda: values() if "sensor_to_command_ms p99" in values() else None, "a report")
    for leg in ("sensor_to_estimate", "estimate_to_command", "sensor_to_command", "command_period"):
        middle, high, most = (float(told[f"{leg}_ms {key}"]) for key in ("p50", "p99", "max"))
        assert 0 <= middle <= high <= most
    assert float(told["rate_hz command"]) > 0
    assert float(told["cpu_percent"]) >= 0


def test_it_warns_of_its_own_cost_beyond_a_tenth_of_a_core_and_what_drawing_may_take(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell, cost = desk.node.shell, 9.0
    monkeypatch.setattr(Monitor, "cpu_percent", property(lambda self: cost))
    assert "itself" not in shell.trouble()
    cost = 11.0
    assert "the monitor itself takes 11 % of a core, more than 10" in shell.trouble()
    desk.peer.hear("markers")
    desk.peer.until(lambda: shell._markers.share, "the markers to be drawn")
    assert "itself" not in shell.trouble()
    cost = 19.0
    assert "the monitor itself takes 19 % of a core, more than 16" in shell.trouble()


def test_what_is_wrong_is_named(desk: Desk) -> None:
    desk.peer.hear("/diagnostics")
    desk.report("estimator", level=DiagnosticStatus.WARN, message="estimate degraded", nis="3.2", health="degraded")
    desk.report("controller", executive="fallbacks: 2", driver="hold")
    desk.report("elsewhere", level=DiagnosticStatus.ERROR, message="none of ours")
    desk.report("left/spc", level=DiagnosticStatus.ERROR, message="of another robot")
    shell = desk.node.shell
    desk.peer.until(lambda: shell.reports.figures(0).get("driver"), "the reports")
    desk.peer.until(lambda: "no joint_states" in shell.trouble() or "no command" in shell.trouble(), "a sum")
    assert "estimator: estimate degraded" in shell.trouble()
    assert "none of ours" not in shell.trouble()
    assert "of another robot" not in shell.trouble()
    assert shell.figures()["nis"] == "3.2"
    told = desk.peer.until(lambda: next((s for s in desk.statuses if "degraded" in s.message), None), "a status")
    assert told.level == DiagnosticStatus.WARN


@pytest.mark.parametrize("data", [b"", b"rubbish", b"\x00\x00\x00\x00" + bytes(60), b"\x00\x01\x00\x00" + b"\xff" * 60])
def test_rubbish_is_refused_and_survived(desk: Desk, data: bytes) -> None:
    shell = desk.node.shell
    desk.peer.say("command", data)
    desk.peer.until(lambda: any(name.startswith("command: ") for name in shell.counts), "the refusal")
    desk.tick(NS)
    desk.peer.until(lambda: "command" in shell.latest, "a command")
    assert not shell.loop.counts


def test_nothing_is_drawn_or_asked_for_while_nobody_listens(desk: Desk) -> None:
    desk.tick(NS)
    desk.peer.until(lambda: "state_estimate" in desk.node.shell.latest, "the estimate")
    desk.peer.spin(50)
    assert desk.node.shell.figures()["frame_ms"] == 0.0
    topics = {end.topic_name for end in desk.node.shell.node.subscriptions}
    assert {"/ground_truth", "/spc/candidates"}.isdisjoint(topics)


def test_who_listens_sees_robot_ghost_plan_and_candidates_and_what_vanishes_vanish(desk: Desk) -> None:
    desk.peer.hear("markers")
    desk.drives("spc")
    data = desk.codec.encode_estimate(desk.estimate())
    samples = Samples(NS, 100 * MS, np.full((12, 6, 1), 0.1), Interpolation.LINEAR)

    def all_there(found: dict[str, list[Marker]]) -> bool:
        desk.peer.say("state_estimate", data)
        desk.peer.say("ground_truth", data)
        desk.peer.say("spc/plan", desk.codec.encode_plan(desk.plan()))
        desk.peer.say("spc/candidates", desk.codec.encode_candidates(samples, np.arange(12.0)))
        return {"world", "robot", "truth", "plan", "candidates"} <= found.keys() and len(found["candidates"]) == 8

    found = desk.frame(all_there)
    for marker in (marker for space in found.values() for marker in space):
        assert marker.header.frame_id == "world"
        assert marker.action == Marker.ADD
        assert marker.scale.x > 0
    assert [marker.type for marker in found["plan"]] == [Marker.LINE_STRIP]
    assert len(found["plan"][0].points) > 10
    assert found["plan"][0].points[0].z == pytest.approx(0.0, abs=1e-9)  # the tip hangs
    desk.drives("hold")
    gone = desk.frame(lambda found: any(marker.action == Marker.DELETE for marker in found.get("plan", [])))
    assert {(marker.ns, marker.id) for marker in gone["plan"]} == {("plan", 0)}


def test_a_new_viewer_begins_with_a_clean_board(desk: Desk) -> None:
    desk.peer.hear("markers")
    desk.peer.until(lambda: desk.peer.heard["markers"], "the first message")
    (first,) = deserialize_message(desk.peer.heard["markers"][0], MarkerArray).markers
    assert first.action == Marker.DELETEALL


def test_the_goal_is_drawn_where_it_is(start: Callable[..., Rig], peer: Peer) -> None:
    desk = Desk(start(Monitor, robot="particle", marker_rate_hz=50.0), peer)
    peer.hear("markers")
    goal = PoseStamped()
    goal.pose.position.x, goal.pose.position.y = 0.1, -0.2
    peer.say("goal_pose", goal)

    def there(found: dict[str, list[Marker]]) -> bool:
        peer.say("state_estimate", desk.codec.encode_estimate(desk.estimate()))
        return any(marker.pose.position.x == 0.1 for marker in found.get("goal", []))

    for marker in desk.frame(there)["goal"]:
        assert (marker.pose.position.x, marker.pose.position.y) == (0.1, -0.2)


def test_the_description_is_there_for_who_comes_late(desk: Desk) -> None:
    desk.peer.hear("robot_description", raw=False)
    (message,) = desk.peer.until(lambda: desk.peer.heard["robot_description"], "the description")
    assert ET.fromstring(message.data).attrib["name"] == "cart_pole"


def test_without_tf2_msgs_it_says_so_and_goes_on(
    start: Callable[..., Rig], peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setitem(__import__("sys").modules, "tf2_msgs.msg", None)
    monkeypatch.setattr(Monitor, "say", lambda self, level, text, key="": said.append(text))
    node = start(Monitor)
    assert said == ["no /tf: tf2_msgs is not installed"]
    assert "/tf" not in {end.topic_name for end in node.shell.node.publishers}


def test_tf_is_that_of_the_bodies(start: Callable[..., Rig], peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for tf2_msgs, which the wheels lack: a MarkerArray with transforms."""
    sent: list[Any] = []

    class TFMessage(MarkerArray):
        def __init__(self, transforms: list[Any]) -> None:
            super().__init__()
            sent.append(transforms)

    module = ModuleType("tf2_msgs.msg")
    module.TFMessage = TFMessage  # type: ignore[attr-defined]
    monkeypatch.setattr(transforms, "import_module", lambda name: module)
    desk = Desk(start(Monitor, marker_rate_hz=50.0), peer)
    peer.node.create_subscription(MarkerArray, "/tf", lambda message: None, 10)

    def told() -> bool:
        peer.say("state_estimate", desk.codec.encode_estimate(desk.estimate()))
        return bool(sent)

    peer.until(told, "transforms")
    found = {each.child_frame_id: each for each in sent[0]}
    assert set(found) == {"cart", "pole"}
    assert found["pole"].header.frame_id == "world"
    assert found["pole"].transform.translation.z == 1.0
