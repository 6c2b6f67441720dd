"""Turns plans into commands: which planner drives, what happens when it fails, and the last limits before the robot.

Times here are of two kinds: ``now_ns`` is on the steady clock and only measures silence; stamps are on the clock of
the measurements and are what plans are read at. In lock-step ``now_ns`` is the stamp itself.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from gpc_ros import actuators, registry
from gpc_ros.config import Parameters, parameter
from gpc_ros.control.hold import Hold
from gpc_ros.control.limits import Limiter
from gpc_ros.control.previous import EARLY_NS
from gpc_ros.errors import UnknownName
from gpc_ros.signals import NS_PER_S, Array, Command, Estimate, Health, Plan
from gpc_ros.statistics import Counts
from gpc_ros.tasks.base import Task

STOP = "stop"
"""The last rung: the safe command, without looking at any state."""
HOLD = "hold"
POLICY = "policy"
_CLOCK_SET_BACK = 100  # older estimates in a row, after which the older clock is believed
_AHEAD_NS = 100_000_000  # a plan may know of a later estimate than the one that has come here, but not of the future


class ExecutiveParameters(Parameters):
    """Who drives, and when that ends."""

    planner: str = parameter("spc", "planner that drives")
    fallback: str = parameter("", "planner that drives when the first one fails; empty: none but hold and stop")
    blend_time_s: float = parameter(0.05, "a change of driver is blended over this time", unit="s", ge=0, le=2)
    switch_timeout_s: float = parameter(1.0, "a new planner must give a plan within this time", unit="s", gt=0, le=30)
    estimate_timeout_s: float = parameter(0.02, "without an estimate for this long: stop", unit="s", gt=0, le=1)
    plan_timeout_s: float = parameter(0.5, "a plan older than this drives no more", unit="s", gt=0, le=10)
    plan_grace_s: float = parameter(
        0.05, "a planner that answers that it has no plan goes on by its last one up to this age", unit="s", ge=0, le=1
    )
    recover_time_s: float = parameter(
        0.1, "a planner that failed must be well for this long to drive again", unit="s", ge=0
    )
    slew_rate: float = parameter(0.0, "largest change of a command; 0: unlimited", unit="ctrlranges per s", ge=0)
    plan_rate_hz: float = parameter(
        50.0, "in lock-step: replans to wait for, as the planner's", unit="Hz", gt=0, le=1000
    )
    policy_rate_hz: float = parameter(
        0.0, "in lock-step: the policy's plans to wait for; 0: one per estimate", unit="Hz", ge=0, le=1000
    )


@dataclass(frozen=True, slots=True)
class Event:
    """The driver changed at ``stamp_ns``, and why."""

    stamp_ns: int
    before: str
    after: str
    reason: str


class Executive:
    """Selects a command from the plans by a ladder: active planner, fallback planner, hold, stop.

    Each tick takes the first rung that is able; ``Command.reason`` names why the ones above were not. Commands are
    finite, inside ctrlrange and slew-limited. A planner that failed drives again on its own once it has been well
    for ``recover_time_s``.
    """

    def __init__(self, task: Task, parameters: ExecutiveParameters, *, period_ns: int) -> None:
        self._task = task
        self._period_ns = period_ns
        self._limiter = Limiter.of(task, period_ns)
        self._hold = Hold(task, period_ns)
        self.counts = Counts()
        self.events: deque[Event] = deque(maxlen=100)
        self.stopped = False
        self.driver = ""
        self.pending = ""
        self.refusal = ""
        self._deadline_ns = 0
        self._asked_ns = 0
        self._older = 0
        self._failed_at: int | None = None
        self._had_plan = False
        self._estimate: Estimate | None = None
        self._arrived_ns = 0
        self._answers: dict[str, Plan] = {}  # the latest, which may be that there is no plan
        self._plans: dict[str, Plan] = {}  # the latest that say something
        check_planner(parameters.planner, "planner")
        self.active = parameters.planner
        self.configure(parameters)

    def configure(self, parameters: ExecutiveParameters) -> None:
        """Take new parameters; ``planner`` is left to ``request``.

        Raises:
            UnknownName: for a fallback that is no planner; lists the valid ones.
        """
        if parameters.fallback:
            check_planner(parameters.fallback, "fallback")
        self.parameters = parameters
        self._limiter.slew_rate = parameters.slew_rate

    @property
    def wanted(self) -> list[str]:
        """Planners that shall plan now: the active one, one asked for, the fallback."""
        names = (self.active, self.pending, self.parameters.fallback)
        return [name for name in dict.fromkeys(names) if name and name != HOLD]

    def request(self, planner: str, now_ns: int) -> None:
        """Ask for a change of planner: it happens when a plan of the new one is there, or is refused by a timeout.

        Raises:
            UnknownName: if there is no such planner; lists the valid ones.
        """
        check_planner(planner, "planner")
        self.pending, self.refusal, self._asked_ns = planner, "", self.stamp_ns
        self._deadline_ns = now_ns + round(self.parameters.switch_timeout_s * NS_PER_S)

    def cancel_request(self) -> None:
        """Forget a change of planner that has not happened yet."""
        self.pending = ""

    @property
    def stamp_ns(self) -> int:
        """Stamp of the present estimate; 0 before the first."""
        return self._estimate.stamp_ns if self._estimate else 0

    def accept_estimate(self, estimate: Estimate, now_ns: int) -> bool:
        """Take an estimate; False (and counted by reason) for a duplicate, an older stamp or epoch, a bad value.

        When nothing but older ones come, the clock was set back: they are taken after all, as after a reset.
        """
        if not (np.isfinite(estimate.qpos).all() and np.isfinite(estimate.qvel).all()):
            return self._refuse("estimate: nonfinite")
        last = self._estimate
        if reason := self._behind(estimate):
            self._older += reason != "estimate: duplicate"
            if self._older < _CLOCK_SET_BACK:
                return self._refuse(reason)
        if last is not None and (reason or estimate.epoch != last.epoch):
            self._answers.clear()
            self._plans.clear()
            self._hold.release()
            self._had_plan = False
        if last is None or reason or estimate.epoch != last.epoch:  # the robot is not where it was
            self._limiter.seat(actuators.rest(self._task.model, estimate.qpos))
        self._older = 0
        self._estimate, self._arrived_ns = estimate, now_ns
        return True

    def answered(self, estimate: Estimate) -> bool:
        """Whether ``estimate`` is the present one come again: a question asked again, not news."""
        last = self._estimate
        same = last is not None and (estimate.stamp_ns, estimate.epoch) == (last.stamp_ns, last.epoch)
        return same and last is not None and last.coasted <= estimate.coasted

    def _behind(self, estimate: Estimate) -> str:
        """Why ``estimate`` is no news, or an empty text. A measured one supersedes those that were coasted."""
        last = self._estimate
        if (
            last is None
            or estimate.epoch > last.epoch
            or (estimate.epoch == last.epoch and last.coasted > estimate.coasted)
        ):
            return ""
        if estimate.epoch < last.epoch:
            return "estimate: old epoch"
        if estimate.stamp_ns == last.stamp_ns:
            return "estimate: duplicate"
        return "estimate: old stamp" if estimate.stamp_ns < last.stamp_ns else ""

    def accept_plan(self, plan: Plan) -> bool:
        """Take a plan; False (and counted by reason) for a bad size or value, an older stamp or epoch."""
        if plan.knots.ndim != 2 or plan.knots.shape[1] != self._task.model.nu:
            return self._refuse(f"{plan.planner} plan: size")
        if not np.isfinite(plan.knots).all():
            return self._refuse(f"{plan.planner} plan: nonfinite")
        if self._estimate is not None and plan.epoch < self._estimate.epoch:
            return self._refuse(f"{plan.planner} plan: old epoch")
        if self._estimate is not None and plan.stamp_ns > self._estimate.stamp_ns + _AHEAD_NS:
            return self._refuse(f"{plan.planner} plan: future stamp")
        last = self._answers.get(plan.planner)
        if last is not None and (plan.epoch, plan.stamp_ns) <= (last.epoch, last.stamp_ns):
            return self._refuse(f"{plan.planner} plan: old stamp")
        self._answers[plan.planner] = plan
        if len(plan.knots):
            self._plans[plan.planner] = plan
        return True

    def due(self, planner: str) -> bool:
        """Whether ``planner`` is to plan from the present estimate: the policy has a rate of its own."""
        rate_hz = self.parameters.policy_rate_hz if planner == POLICY else self.parameters.plan_rate_hz
        return plan_due(self.stamp_ns, rate_hz, self._period_ns)

    def waiting(self) -> bool:
        """In lock-step: whether the plan that is due at the present estimate's tick has not come yet."""
        if self._estimate is None or self.stopped or self.active == HOLD or not self.due(self.active):
            return False
        plan = self._answers.get(self.active)
        return plan is None or (plan.stamp_ns, plan.epoch) != (self._estimate.stamp_ns, self._estimate.epoch)

    def select(self, now_ns: int) -> Command:
        """The command (nu,) for now."""
        time_ns = self._time(now_ns)
        self._settle_request(time_ns, now_ns)
        reasons: list[str] = []
        rungs = [] if self.stopped else list(dict.fromkeys((self.active, self.parameters.fallback, HOLD)))
        if self.stopped:
            reasons.append("stop requested")
        for rung in filter(None, rungs):
            ctrl, reason = self._try(rung, time_ns, now_ns)
            if ctrl is not None:
                return self._command(time_ns, rung, ctrl, "; ".join(reasons))
            reasons.append(f"{rung}: {reason}")
        return self._command(time_ns, STOP, self._limiter.safe, "; ".join(reasons))

    def _time(self, now_ns: int) -> int:
        """The stamp to read plans at: the estimate's, and in its silence that plus the steady time since."""
        if self._estimate is None:
            return 0
        silence = now_ns - self._arrived_ns
        return self._estimate.stamp_ns + (silence // self._period_ns * self._period_ns if silence > 0 else 0)

    def _try(self, rung: str, time_ns: int, now_ns: int) -> tuple[Array | None, str]:
        estimate, limits = self._estimate, self.parameters
        if estimate is None:
            return None, "no estimate yet"
        if now_ns - self._arrived_ns > limits.estimate_timeout_s * NS_PER_S:
            return None, f"no estimate for {limits.estimate_timeout_s * 1e3:.0f} ms"
        if estimate.health is Health.UNHEALTHY:
            return None, "estimate unhealthy"
        if rung == HOLD:
            plan = self._hold.plan(estimate)
            return (plan.knots[0], "") if plan else (None, "no finite state")
        if estimate.health is Health.STARTING:
            return None, "estimate starting"
        ctrl, reason = self._read(rung, time_ns, estimate.epoch)
        if rung != self.active:
            return ctrl, reason
        if ctrl is None:
            self._failed_at = time_ns if self._had_plan else None
            return None, reason
        return self._after_failure(ctrl, time_ns)

    def _read(self, planner: str, time_ns: int, epoch: int) -> tuple[Array | None, str]:
        plan = self._plans.get(planner)
        if plan is None or plan.epoch != epoch:
            return None, "no plan yet"
        age = time_ns - plan.stamp_ns
        if age > self.parameters.plan_timeout_s * NS_PER_S:
            return None, f"plan older than {self.parameters.plan_timeout_s:g} s"
        if self._answers[planner] is not plan and age > self.parameters.plan_grace_s * NS_PER_S:
            return None, "no plan any more"
        early_ns = plan.start_ns - time_ns
        ctrl = plan.at(plan.start_ns if 0 < early_ns <= EARLY_NS else time_ns)
        return ctrl, "" if ctrl is not None else "plan has ended" if age > 0 else "plan begins later"

    def _after_failure(self, ctrl: Array, time_ns: int) -> tuple[Array | None, str]:
        if self._failed_at is not None and time_ns - self._failed_at < self.parameters.recover_time_s * NS_PER_S:
            return None, "recovering"
        self._failed_at, self._had_plan = None, True
        return ctrl, ""

    def _settle_request(self, time_ns: int, now_ns: int) -> None:
        if not self.pending:
            return
        epoch = self._estimate.epoch if self._estimate else 0
        fresh = self._is_fresh(self._plans.get(self.pending))
        if self.pending == HOLD or (fresh and self._read(self.pending, time_ns, epoch)[0] is not None):
            self.active, self._failed_at = self.pending, None
            self._had_plan = False
            self.pending = ""
        elif now_ns > self._deadline_ns:
            limit_s, plan = self.parameters.switch_timeout_s, self._answers.get(self.pending)
            said = " (it answers that it has none)" if plan is not None and not len(plan.knots) else ""
            self.refusal = f"no plan from '{self.pending}' within {limit_s:g} s{said}; '{self.active}' drives on"
            self.pending = ""

    def _is_fresh(self, plan: Plan | None) -> bool:
        """Whether it was made since it was asked for: one of an earlier turn knows nothing of what others did since."""
        return plan is not None and (plan.stamp_ns >= self._asked_ns or plan.planner == self.active)

    def _command(self, time_ns: int, rung: str, ctrl: Array, reason: str) -> Command:
        if rung != self.driver:
            self.events.append(Event(time_ns, self.driver, rung, reason))
            if reason and self.driver == self.active:
                self.counts["fallbacks"] += 1
            if rung != HOLD:
                self._hold.release()
            blend_s = 0.0 if rung == STOP or not self.driver else self.parameters.blend_time_s
            self._limiter.begin_blend(time_ns, round(blend_s * NS_PER_S))
            self.driver = rung
        epoch = self._estimate.epoch if self._estimate else 0
        return Command(time_ns, self._limiter.apply(ctrl, time_ns), rung, reason, epoch)

    def _refuse(self, reason: str) -> bool:
        self.counts[reason] += 1
        return False


def plan_divisor(plan_rate_hz: float, period_ns: int) -> int:
    """Loop periods per plan, at least 1; a rate of 0 means one plan per period."""
    return max(1, round(NS_PER_S / period_ns / plan_rate_hz)) if plan_rate_hz else 1


def plan_due(stamp_ns: int, plan_rate_hz: float, period_ns: int) -> bool:
    """Whether a plan is due at the tick of ``stamp_ns``, in lock-step: there everybody must find the same."""
    return stamp_ns // period_ns % plan_divisor(plan_rate_hz, period_ns) == 0


class Pace:
    """When a plan is due in real time, where stamps are those of a driver, on no grid.

    A plan is due when all but half a loop period has passed since the last: so neither jitter nor the phase of the
    stamps, nor a lost one, makes a gap or a burst. A stamp asked about again is due again; so is an older one, as after
    a clock was set back.
    """

    def __init__(self) -> None:
        self._last_ns = 0

    def due(self, stamp_ns: int, plan_rate_hz: float, period_ns: int) -> bool:
        """Whether a plan is due from the measurement of ``stamp_ns``."""
        every_ns = plan_divisor(plan_rate_hz, period_ns) * period_ns
        if 0 < stamp_ns - self._last_ns < every_ns - period_ns // 2:
            return False
        self._last_ns = stamp_ns
        return True


def check_planner(name: str, what: str) -> None:
    """Raise UnknownName unless ``name`` is a planner."""
    if name not in registry.names("control"):
        raise UnknownName(what, name, registry.names("control"))
