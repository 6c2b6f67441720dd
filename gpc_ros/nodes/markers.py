"""Markers for RViz, at a low rate; nothing is subscribed to or computed for them while nobody listens."""

from __future__ import annotations

import time
from typing import Any

from geometry_msgs.msg import Point
from visualization_msgs.msg import Marker, MarkerArray

from gpc_ros import spec
from gpc_ros.monitoring.budget import Budget
from gpc_ros.nodes.goals import Goals
from gpc_ros.nodes.latest import Latest
from gpc_ros.signals import NS_PER_S, Array, Estimate, Plan, Samples
from gpc_ros.viz import markers
from gpc_ros.viz.scene import Scene

_KINDS = {
    markers.Kind.CUBE: Marker.CUBE,
    markers.Kind.SPHERE: Marker.SPHERE,
    markers.Kind.CYLINDER: Marker.CYLINDER,
    markers.Kind.LINE: Marker.LINE_STRIP,
}
_SHARE = 0.06  # of a core, for all drawing
_LISTENERS_NS = NS_PER_S // 2  # how often to look whether there are any
_FIXED_NS = NS_PER_S  # how often what never moves is sent: somebody may have begun to listen
FRAME = "world"


class MarkerPublisher:
    """``markers``, at ``marker_rate_hz`` or as fast as its share of the processor allows; in the loop's thread."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._publisher = shell.publisher("markers")
        self._scene = Scene(shell.task)
        self._budget = Budget(_SHARE)
        self._on_demand = Latest(shell.node, {"ground_truth": 1, "spc/candidates": 1})
        self._truth: Estimate | None = None
        self._candidates: Samples | None = None
        self._messages: dict[tuple[str, int], Marker] = {}
        self._listened = False
        self._looked_ns = self._fixed_ns = 0
        self.frame_ms = 0.0
        """What the last frame cost [ms of the processor]."""
        Goals(shell, self._take_goal)
        self._deadline = shell.loop.every(self._period_ns, self._draw)

    @property
    def share(self) -> float:
        """Of a core, that drawing may take now."""
        return self._budget.share if self._listened else 0.0

    @property
    def _period_ns(self) -> int:
        return round(NS_PER_S / self._shell.value.marker_rate_hz)

    def _take_goal(self, goal: Array) -> None:
        self._shell.loop.post(lambda: self._scene.place_goal(goal))

    def _draw(self, lateness_ns: int) -> None:
        self._deadline.period_ns = self._period_ns
        now_ns = time.monotonic_ns()
        if now_ns - self._looked_ns >= _LISTENERS_NS:
            self._looked_ns = now_ns
            self._listen(self._publisher.get_subscription_count() > 0)
        if self._listened and (used_ns := self._budget.run(lambda: self._publish(now_ns))):
            self.frame_ms = used_ns / 1e6

    def _listen(self, wanted: bool) -> None:
        """Begin or end: who begins to listen may still show what somebody drew before."""
        if wanted and not self._listened:
            self._on_demand.open()
            self._scene.clear()
            self._messages.clear()
            self._fixed_ns = 0
            self._publisher.publish(MarkerArray(markers=[Marker(action=Marker.DELETEALL)]))
        elif self._listened and not wanted:
            self._on_demand.close()
            self._truth = self._candidates = None
        self._listened = wanted

    def _publish(self, now_ns: int) -> None:
        """One frame of the newest of everything."""
        codec = self._shell.codec
        self._shell.look()
        if (estimate := self._read("state_estimate", codec.decode_estimate)) is None:
            return
        self._truth = self._taken("ground_truth", codec.decode_estimate) or self._truth
        if (found := self._taken("spc/candidates", codec.decode_candidates)) is not None:
            self._candidates = found[0]
        self._scene.candidates = self._shell.value.candidates
        fixed = now_ns - self._fixed_ns >= _FIXED_NS
        frame = self._scene.frame(
            estimate, truth=self._truth, plan=self._plan(), candidates=self._candidates, fixed=fixed
        )
        self._fixed_ns = now_ns if fixed else self._fixed_ns
        gone = [Marker(ns=space, id=number, action=Marker.DELETE) for space, number in frame.gone]
        self._publisher.publish(MarkerArray(markers=[*map(self._message, frame.drawn), *gone]))

    def _plan(self) -> Plan | None:
        active = self._shell.pipeline.journey.active
        return self._read(spec.plan_topic(active), lambda data: self._shell.codec.decode_plan(data, active))

    def _read(self, topic: str, decode: Any) -> Any:
        """What was heard last on a topic of the monitor's, or None."""
        data = self._shell.latest.get(topic)
        return None if data is None else self._decoded(topic, data, decode)

    def _taken(self, topic: str, decode: Any) -> Any:
        """What has come on a topic since the last time, or None."""
        found = [self._decoded(topic, data, decode) for data, _ in self._on_demand.take(topic)]
        return found[-1] if found else None

    def _decoded(self, topic: str, data: bytes, decode: Any) -> Any:
        found: list[Any] = []
        self._shell.refusing(topic, lambda given, _: found.append(decode(given)))(data, None)
        return found[0] if found else None

    def _message(self, marker: markers.Marker) -> Marker:
        """``marker`` as a message: to fill one in is quicker than to make one."""
        message = self._messages.get((marker.space, marker.id))
        if message is None:
            message = self._messages[marker.space, marker.id] = Marker(ns=marker.space, id=marker.id)
            message.header.frame_id = FRAME
            message.type = _KINDS[marker.kind]
            message.scale.x, message.scale.y, message.scale.z = marker.scale
        colour, pose = message.color, message.pose
        colour.r, colour.g, colour.b, colour.a = marker.rgba
        pose.position.x, pose.position.y, pose.position.z = map(float, marker.position)
        turn = pose.orientation
        turn.w, turn.x, turn.y, turn.z = map(float, marker.quat_wxyz)
        if len(marker.points):
            message.points = [Point(x=x, y=y, z=z) for x, y, z in marker.points.tolist()]
        return message
