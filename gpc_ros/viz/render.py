"""Pictures of a robot without a screen: MuJoCo's renderer, GIF and PNG files."""

from __future__ import annotations

import copy
import ctypes.util
import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from gpc_ros.errors import GpcError, UnknownName

Picture = NDArray[np.uint8]
"""Shape (height, width, 3)."""

_WAYS = {"egl": "EGL", "osmesa": "OSMesa"}
_HOW = "apt install libegl1 libgl1-mesa-dri (EGL) or libosmesa6 (OSMesa)"
_COLOURS = 128  # of a GIF
_RARE = 0.4  # exponent on how often a colour occurs: without, sky and floor take the whole palette


class Camera:
    """Takes pictures of a model, (height, width, 3) each. A context manager: OpenGL wants an end.

    ``name`` is a camera of the model; by default one that follows the robot, else the model's first one. ``zoom``
    makes its picture so many times as large.
    ``MUJOCO_GL=egl`` or ``osmesa`` chooses how; by default what is installed.

    Raises:
        GpcError: if this machine cannot; says what is missing.
        UnknownName: the model has no such camera; lists those it has.
    """

    def __init__(
        self, model: mujoco.MjModel, *, width: int = 480, height: int = 270, name: str = "", zoom: float = 1.0
    ) -> None:
        model = _small(model, width, height)
        model.cam_fovy[:] /= zoom
        self._model = model
        self._view = mujoco.MjvCamera()
        if (chosen := _camera(model, name)) >= 0:
            self._view.type, self._view.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, chosen
        else:
            mujoco.mjv_defaultFreeCamera(model, self._view)
        self._picture = np.empty((height, width, 3), np.uint8)
        self._options = mujoco.MjvOption()
        self._scene = mujoco.MjvScene(model, maxgeom=2000)
        self._gl = _context(width, height)
        self._drawing = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._drawing)

    def take(self, data: mujoco.MjData) -> Picture:
        """The picture of the state in ``data``, as its last kinematics have it."""
        height, width, _ = self._picture.shape
        area = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjv_updateScene(
            self._model, data, self._options, None, self._view, mujoco.mjtCatBit.mjCAT_ALL.value, self._scene
        )
        mujoco.mjr_render(area, self._scene, self._drawing)
        mujoco.mjr_readPixels(self._picture, None, area, self._drawing)
        return self._picture[::-1].copy()  # OpenGL counts rows from below

    def close(self) -> None:
        """Give everything back."""
        self._drawing.free()
        self._gl.free()

    def __enter__(self) -> Camera:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def save(pictures: Sequence[Picture], file: Path, *, rate_hz: float) -> None:
    """Write ``pictures`` to ``file``: all of them as a GIF that repeats at ``rate_hz``, or the last one as a PNG.

    Raises:
        GpcError: for another ending, if Pillow is not installed, or if the file cannot be written.
    """
    writer = check_file(file)
    try:
        if file.suffix == ".png":
            writer.fromarray(pictures[-1]).save(file, optimize=True)
            return
        colours = writer.fromarray(_colours(pictures)[np.newaxis]).quantize(_COLOURS)
        fixed: dict[str, Any] = {"palette": colours, "dither": writer.Dither.NONE}
        first, *others = (writer.fromarray(picture).quantize(**fixed) for picture in pictures)
        first.save(file, save_all=True, append_images=others, duration=round(1e3 / rate_hz), loop=0, optimize=True)
    except OSError as error:
        raise GpcError(f"{file}: {error.strerror or error}") from None


def check_file(file: Path) -> Any:
    """Pillow, for a ``file`` that ``save`` can write, as far as that is known beforehand.

    Raises:
        GpcError: as ``save``.
    """
    if file.suffix not in (".gif", ".png"):
        raise GpcError(f"{file}: pictures end in .gif or .png")
    if not os.access(file.parent, os.W_OK):
        raise GpcError(f"{file}: the folder cannot be written to")
    try:
        from PIL import Image
    except ImportError:
        raise GpcError("pictures need Pillow: pip install pillow") from None
    return Image


def _colours(pictures: Sequence[Picture]) -> Picture:
    """Colours (N, 3) of ``pictures``, each as often as it is to weigh in a palette."""
    some = np.concatenate([picture.reshape(-1, 3) for picture in pictures[:: max(1, len(pictures) // 8)]])
    _, first, counts = np.unique((some >> 3) @ (1024, 32, 1), return_index=True, return_counts=True)
    return some[first].repeat(np.ceil(counts**_RARE).astype(int), axis=0)


def _small(model: mujoco.MjModel, width: int, height: int) -> mujoco.MjModel:
    """A copy whose buffers are no larger than the picture: in software the rest costs seconds."""
    model = copy.copy(model)
    model.vis.global_.offwidth, model.vis.global_.offheight = width, height
    model.vis.quality.shadowsize = min(model.vis.quality.shadowsize, 2048)
    return model


def _camera(model: mujoco.MjModel, name: str) -> int:
    """The camera ``name``; by default one that tracks, else the first; -1 where there is none."""
    names = [model.camera(i).name for i in range(model.ncam)]
    if name:
        if name not in names:
            raise UnknownName("camera", name, names)
        return names.index(name)
    tracking = np.flatnonzero(model.cam_mode != mujoco.mjtCamLight.mjCAMLIGHT_FIXED)
    return int(tracking[0]) if len(tracking) else min(0, model.ncam - 1)


def _context(width: int, height: int) -> Any:
    """An OpenGL context that needs no screen, made current.

    It is not ``mujoco.GLContext``: that is chosen, once and for all, by the environment when mujoco is imported.
    """
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    ways = [wanted] if wanted in _WAYS else [way for way, library in _WAYS.items() if ctypes.util.find_library(library)]
    if not ways:
        raise GpcError(f"pictures need OpenGL without a screen, and there is neither EGL nor OSMesa: {_HOW}")
    try:
        context = importlib.import_module(f"mujoco.{ways[0]}").GLContext(width, height)
        context.make_current()
    except Exception as error:  # PyOpenGL's are of many kinds
        raise GpcError(f"{_WAYS[ways[0]]} makes no picture here ({type(error).__name__}): {_HOW}") from None
    return context
