"""What the nodes that plan share: who is wanted, towards which goal, from which plan on, and the same answer twice."""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import Any, ClassVar

from std_msgs.msg import String

from gpc_ros import spec
from gpc_ros.control import lead
from gpc_ros.control.base import no_plan
from gpc_ros.control.previous import KEPT, Previous
from gpc_ros.nodes import goals
from gpc_ros.nodes.shell import Shell
from gpc_ros.signals import Array, Command, Estimate, Plan


class PlanningShell(Shell):
    """Base of the nodes that plan."""

    serves: ClassVar[tuple[str, ...]]
    """Planners that the node makes plans for, or a part of them."""

    def __init__(self, loop: Any, context: Any) -> None:
        super().__init__(loop, context)
        entry = spec.NODES[self.name]
        self.wanted: tuple[str, ...] = ()
        self.has_goal = not self.task.goal or not self.value.lockstep  # in lock-step not a tick without the right one
        self.goal: Array | None = None
        self._previous = Previous()
        self._lock = threading.Lock()
        self._sent: dict[str, tuple[tuple[int, int], bytes]] = {}
        self._answers = {topic: self.publisher(topic) for topic in entry.outputs if topic != "/diagnostics"}
        self.on_event("controller/wanted", self._on_wanted)
        self._goals = goals.Goals(self, self._on_goal) if self.task.goal else None
        self._heard: dict[str, deque[bytes]] = {}
        kept = KEPT if self.value.lockstep else 2  # in real time the newest matter
        for planner in filter(None, map(spec.planner_of, entry.inputs)):
            self._heard[planner] = deque(maxlen=kept)
            self.on_data(spec.plan_topic(planner), partial(self._hear, planner))

    @property
    def asked(self) -> list[str]:
        """Those of its planners that shall plan now; none before the goal is known."""
        return [name for name in self.serves if name in self.wanted] if self.has_goal else []

    def set_goal(self, goal: Array) -> None:
        """Take the task's goal (ng,)."""
        raise NotImplementedError

    def previous(self, planner: str, estimate: Estimate) -> Plan | None:
        """The plan that ``planner`` is to go on from."""
        with self._lock:
            self._read_heard()
            return self._previous.of(planner, estimate)

    def driving(self, driver: str, command: Command | None, estimate: Estimate) -> Plan | None:
        """What the robot does from ``estimate`` on, as ``control.lead`` has it."""
        with self._lock:
            self._read_heard()
            return lead.driving(driver, self._previous, command, estimate)

    def _read_heard(self) -> None:
        for name, heard in self._heard.items():
            read = self.refusing(spec.plan_topic(name), partial(self._read, name))
            while heard:
                read(heard.popleft(), None)

    def answered(self, topic: str, estimate: Estimate) -> bool:
        """Whether ``estimate`` has been answered on ``topic`` before: then the same answer goes out again."""
        question, data = self._sent.get(topic, (None, b""))
        if question != (estimate.stamp_ns, estimate.epoch):
            return False
        self._answers[topic].publish(data)
        return True

    def answer(self, topic: str, estimate: Estimate, data: bytes) -> None:
        """Answer ``estimate`` on ``topic``."""
        self._sent[topic] = (estimate.stamp_ns, estimate.epoch), data
        self._answers[topic].publish(data)

    def answer_with_plan(self, planner: str, estimate: Estimate, plan: Plan | None) -> Plan:
        """Answer with ``plan``, or say with an empty one that there is none; the plan that went out."""
        if plan is None:
            plan = no_plan(estimate, self.task.model.nu, planner)
        with self._lock:
            self._previous.add(plan)
        self.answer(spec.plan_topic(planner), estimate, self.codec.encode_plan(plan))
        return plan

    def _on_wanted(self, message: String) -> None:
        with self._lock:
            self.wanted = tuple(message.data.split(","))
            self._previous.want(self.wanted)

    def _on_goal(self, goal: Array) -> None:
        self.set_goal(goal)
        self.goal, self.has_goal = goal, True

    def _hear(self, planner: str, data: bytes, info: Any) -> None:
        self._heard[planner].append(data)  # decoded when it is needed: most are not

    def _read(self, planner: str, data: bytes, info: Any) -> None:
        self._previous.add(self.codec.decode_plan(data, planner))
