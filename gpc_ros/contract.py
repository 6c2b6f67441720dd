"""What a robot must keep for the stack to estimate, plan and learn with it, asked in a moment: ``gpc check ROBOT``.

Every command asks it of its robot first, so that a slip in a new one is a line, and not a riddle in a planner.
Letters: N states of any batch shape.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np

from gpc_ros import actuators, config, registry
from gpc_ros.coordinates import Coordinates
from gpc_ros.errors import GpcError, InvalidModel, UnknownName
from gpc_ros.node_parameters import PARAMETERS
from gpc_ros.signals import NS_PER_S, Array
from gpc_ros.tasks.base import States, Task

Shape = tuple[int, ...]

_SHAPES: tuple[Shape, ...] = ((), (3,), (2, 1, 4))  # a state, candidates, domains by candidates by time
_WEIGHTS = ("running_weights", "terminal_weights")
_SECTIONS = (*PARAMETERS, "train")


def check(robot: str) -> Task:
    """The task of ``robot``, if all is well with it and with its parameter file.

    Raises:
        UnknownName: if there is no such robot.
        GpcError: what is wrong first, in one line.
    """
    kind = registry.load("tasks", robot, Task)
    try:
        task: Task = kind()
    except Exception as error:  # whatever the code of another package may raise
        raise GpcError(f"{robot}: {kind.__name__}() raises {_told(error, kind)}") from error
    _sections(robot)
    for complaint in complaints(task):
        raise GpcError(f"{robot}: {complaint}")
    return task


def complaints(task: Task) -> Iterator[str]:
    """What ``task`` breaks, a line each; nothing is asked that builds on what is broken."""
    for question in (_settings, _model, _starts, _shapes, _values):
        try:
            found = list(question(task))
        except GpcError as error:
            found = [str(error)]
        yield from found
        if found:
            return


def _sections(robot: str) -> None:
    """Refuse sections of the parameter file that nobody would read. What is in them, each node checks."""
    file = config.file_of(robot)
    for node, values in config.read(file).items():
        if node not in _SECTIONS:
            raise GpcError(f"{file}: {UnknownName('node', node, _SECTIONS)}")
        if (named := values.get("robot", robot)) != robot:
            raise GpcError(f"{file}: the robot of {node} must be {robot}, is {named}")


def _settings(task: Task) -> Iterator[str]:
    for name in _WEIGHTS:
        for term, weight in getattr(task, name, {}).items():
            if not (np.isfinite(weight) and weight >= 0):
                yield f"{name}: {term} = {weight}, must be a number of at least 0"
    yield from (f"{name} is not set" for name in (*_WEIGHTS, "named_start") if not hasattr(task, name))
    if len(set(task.goal_names[: len(task.goal)])) != len(task.goal):
        yield f"goal_names {task.goal_names} must name each of the {len(task.goal)} numbers of the goal"


def _model(task: Task) -> Iterator[str]:
    model, file = task.model, task.model_file
    try:
        Coordinates(model)
    except InvalidModel as error:
        yield f"{file}: {error}"
    if not all(actuators.names(model)):
        yield f"{file}: every actuator needs a name"
    if model.na:
        yield f"{file}: actuators with an activation state (dyntype) cannot be estimated"
    period_ns = NS_PER_S * model.opt.timestep
    if abs(period_ns - round(period_ns)) > 1e-3:
        yield f"{file}: timestep {model.opt.timestep!r} must be a whole number of nanoseconds"


def _starts(task: Task) -> Iterator[str]:
    sizes = {"qpos": task.model.nq, "qvel": task.model.nv, "goal": len(task.goal)}
    draws = [_call(task, "reset", np.random.default_rng(1)) for _ in range(2)]
    for name, size in sizes.items():
        first, again = (np.asarray(getattr(draw, name, None)) for draw in draws)
        if first.shape != (size,):
            yield f"reset() gives a {name} of shape {first.shape}, must be ({size},)"
        elif not np.isfinite(first).all():
            yield f"reset() gives a {name} that is not finite"
        elif not np.array_equal(first, again):
            yield f"reset() must draw its {name} from the generator that it is given, and from nothing else"


def _shapes(task: Task) -> Iterator[str]:
    """Stops at the first batch shape with complaints: those of the others say the same."""
    for shape in _SHAPES:
        states, ctrl, goal = _batch(task, shape)
        goals = [goal]
        if goal.size and len(shape) > 1:
            goals.append(np.broadcast_to(goal, (shape[1], 1, len(goal))))  # one for each candidate
        if found := [line for each in goals for line in _shapes_of(task, states, ctrl, each)]:
            yield from dict.fromkeys(found)
            return


def _shapes_of(task: Task, states: States, ctrl: Array, goal: Array) -> Iterator[str]:
    shape = states.qpos.shape[:-1]
    for kind, given in (("running", (states, ctrl, goal)), ("terminal", (states, goal))):
        residuals = _call(task, f"{kind}_residuals", *given)
        if set(residuals) != set(weights := getattr(task, f"{kind}_weights")):
            yield f"{kind}_residuals() has the terms {_listed(residuals)}, {kind}_weights {_listed(weights)}"
        for term, components in residuals.items():
            if not isinstance(components, tuple):
                yield f"{kind}_residuals(): {term} must be a tuple of components, as (x,)"
                continue
            wrong = [np.shape(component) for component in components if np.shape(component) != shape]
            yield from (f"{kind}_residuals(): {term}: {_misshapen(each, shape, shape)}" for each in wrong[:1])
    seen = np.shape(_call(task, "observe", states, goal))
    if len(seen) != len(shape) + 1 or seen[:-1] != shape:
        yield f"observe(): {_misshapen(seen, shape, (*shape, 'ny'))}"
    reached = np.asarray(_call(task, "at_goal", states, goal))
    if reached.shape != shape:
        yield f"at_goal(): {_misshapen(reached.shape, shape, shape)}"
    elif reached.dtype != bool:
        yield f"at_goal() must be bool, is {reached.dtype}"


def _values(task: Task) -> Iterator[str]:
    """A state has the same values alone as among others, and what is not a number is no success."""
    states, ctrl, goal = _batch(task, (3,))
    alone = States(states.qpos[1], states.qvel[1], None if states.sensors is None else states.sensors[1])
    for name, many, single in (
        ("observe", (states, goal), (alone, goal)),
        ("running_cost", (states, ctrl, goal), (alone, ctrl[1], goal)),
        ("terminal_cost", (states, goal), (alone, goal)),
        ("at_goal", (states, goal), (alone, goal)),
    ):
        among, value = np.asarray(_call(task, name, *many))[1], np.asarray(_call(task, name, *single))
        if not np.isfinite(value).all():
            yield f"{name}() of a start is not finite"
        elif not np.allclose(among, value, rtol=1e-9, atol=1e-12):
            yield f"{name}() of a state must not depend on the others of its batch"
    yield from _mirrored(task, np.size(_call(task, "observe", alone, goal)))
    sensors = None if alone.sensors is None else np.full_like(alone.sensors, np.nan)
    nowhere = States(np.full_like(alone.qpos, np.nan), np.full_like(alone.qvel, np.nan), sensors)
    if _call(task, "at_goal", nowhere, goal):
        yield "at_goal() must be False where the state is not a number"


def _mirrored(task: Task, ny: int) -> Iterator[str]:
    matrices = _call(task, "mirror")
    wanted = ((ny, ny), (task.model.nu, task.model.nu))
    if matrices is not None and (shapes := tuple(map(np.shape, matrices))) != wanted:
        yield f"mirror() gives matrices of shapes {shapes}, must be {wanted}"


def _batch(task: Task, shape: Shape) -> tuple[States, Array, Array]:
    """Starts (*shape), controls (*shape, nu) and a goal (ng,), read-only as those of the planners may be."""
    rng, model, data = np.random.default_rng(0), task.model, mujoco.MjData(task.model)
    rows = []
    for _ in range(int(np.prod(shape, dtype=int))):
        start = _call(task, "reset", rng)
        data.qpos[:], data.qvel[:] = start.qpos, start.qvel
        mujoco.mj_forward(model, data)
        rows.append((data.qpos.copy(), data.qvel.copy(), data.sensordata.copy()))
    low, high = model.actuator_ctrlrange.T
    drawn = (*map(np.array, zip(*rows, strict=True)), rng.uniform(low, high, (len(rows), model.nu)))
    qpos, qvel, sensors, ctrl = (values.reshape(*shape, values.shape[-1]) for values in drawn)
    goal = np.array(start.goal, dtype=float)
    for array in (qpos, qvel, sensors, ctrl, goal):
        array.setflags(write=False)
    return States(qpos, qvel, sensors if task.needs_sensors else None), ctrl, goal


def _call(task: Task, name: str, *arguments: Any) -> Any:
    """What the task's method says; its errors as a line that tells where they come from."""
    try:
        with np.errstate(all="ignore"):
            return getattr(task, name)(*arguments)
    except Exception as error:  # whatever the code of another package may raise
        raise GpcError(f"{name}() raises {_told(error, type(task))}") from error


def _told(error: Exception, kind: type[Task]) -> str:
    """The error with the last place in the file of the task that led to it."""
    places = traceback.extract_tb(error.__traceback__)
    place = next((each for each in reversed(places) if each.filename == inspect.getfile(kind)), places[-1])
    return f"{type(error).__name__}: {' '.join(str(error).split())} ({place.filename}:{place.lineno})"


def _misshapen(found: Shape, batch: Shape, wanted: tuple[int | str, ...]) -> str:
    text = ", ".join(map(str, wanted)) + ("," if len(wanted) == 1 else "")
    return f"shape {found} for {f'states of shape {batch}' if batch else 'one state'}, must be ({text})"


def _listed(names: Any) -> str:
    return ", ".join(names) or "none"
