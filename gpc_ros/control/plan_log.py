"""Replans kept on disk, to improve a policy after deployment (arXiv 2502.13406, V-B): bounded files of numpy arrays.

Letters: P pairs, K knots, nu actuators, ny observation.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from gpc_ros import archive
from gpc_ros.control.previous import Grid, converted
from gpc_ros.errors import GpcError
from gpc_ros.sampling.spline import Interpolation
from gpc_ros.signals import Array

_ROWS = 500  # of a file: ten seconds at 50 Hz are lost at most
_FILES = 200  # of a folder; the oldest go first
_ARRAYS = ("observation", "before", "after")
_PATTERN = "plans_*.npz"


@dataclass(frozen=True, slots=True)
class Pairs:
    """``observation`` (P, ny), plans ``before`` and ``after`` the replan (P, K, nu) [actuator units]."""

    observation: Array
    before: Array
    after: Array


class Recorder:
    """Writes the replans of one process to files in ``folder``, each whole or not at all, and keeps the newest ones.

    Raises:
        GpcError: if the folder cannot be made.
    """

    def __init__(self, folder: Path, robot: str) -> None:
        self._folder, self._robot = folder, robot
        self._rows: list[tuple[Array, Array, Array]] = []
        self._grid: Grid | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise GpcError(f"spc.record = {folder}: {error.strerror}") from None
        numbers = [file.stem.split("_")[1] for file in folder.glob(_PATTERN)]
        self._number = 1 + max((int(number) for number in numbers if number.isdecimal()), default=-1)

    def add(self, observation: Array, before: Array, after: Array, grid: Grid) -> None:
        """Note one replan: observation (ny,), plans (K, nu) on ``grid``."""
        if grid != self._grid:
            self.flush()
            self._grid = grid
        self._rows.append((observation.copy(), before.copy(), after.copy()))
        if len(self._rows) >= _ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what has been noted. A full disk loses pairs, never the robot."""
        if not self._rows or self._grid is None:
            return
        rows, self._rows = self._rows, []
        arrays = {name: np.array(column) for name, column in zip(_ARRAYS, zip(*rows, strict=True), strict=True)}
        # The number puts the files in order; the process keeps those that record at the same time apart.
        file = self._folder / f"plans_{self._number:09d}_{os.getpid()}.npz"
        self._number += 1
        try:
            archive.write(file, {"robot": self._robot, **asdict(self._grid)}, arrays, sync=False)
            for old in sorted(self._folder.glob(_PATTERN))[:-_FILES]:
                old.unlink(missing_ok=True)
        except OSError:
            pass


def read(folder: Path, robot: str, grid: Grid, widths: tuple[int, int]) -> Pairs:
    """All pairs in ``folder``, oldest first, with the plans' knots on ``grid``.

    Args:
        folder: where a ``Recorder`` wrote.
        robot: whose replans they must be.
        grid: of the plans that are wanted.
        widths: (ny, nu) of that robot.

    Raises:
        GpcError: if there are none, or a file is damaged or of another robot.
    """
    files = sorted(folder.glob(_PATTERN))
    if not files:
        raise GpcError(f"{folder}: no recorded plans ({_PATTERN}); record some with -p spc.record=DIR")
    pairs = [_read(file, robot, grid, widths) for file in files]
    return Pairs(*(np.concatenate([getattr(each, name) for each in pairs]) for name in _ARRAYS))


def _read(file: Path, robot: str, grid: Grid, widths: tuple[int, int]) -> Pairs:
    about, arrays = archive.read(file)
    if (found := about.get("robot")) != robot:
        raise GpcError(f"{file} was recorded on {found}, not on {robot}")
    try:
        old = Grid(int(about["count"]), int(about["period_ns"]), Interpolation(about["interpolation"]))
        pairs = Pairs(*(arrays[name].astype(np.float64) for name in _ARRAYS))
        if min(old.count, old.period_ns) < 1:
            raise ValueError(f"{old.count} knots, {old.period_ns} ns apart")
    except (KeyError, TypeError, ValueError) as error:
        raise GpcError(f"{file}: damaged: {' '.join(str(error).split())}") from None
    count, (observation, actuators) = pairs.observation.shape[:1], widths
    plans = (*count, old.count, actuators)
    for name, shape in zip(_ARRAYS, ((*count, observation), plans, plans), strict=True):
        values = getattr(pairs, name)
        if values.shape != shape or not np.isfinite(values).all():
            raise GpcError(f"{file}: {name} has shape {values.shape}, {robot} needs finite values of shape {shape}")
    return Pairs(pairs.observation, converted(pairs.before, old, grid), converted(pairs.after, old, grid))
