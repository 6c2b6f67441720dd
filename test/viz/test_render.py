"""Pictures without a screen: they show the robot, files are small and play, what is missing is said in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

from gpc_ros import registry
from gpc_ros.cli.main import main
from gpc_ros.errors import GpcError, UnknownName
from gpc_ros.tasks.base import Task
from gpc_ros.viz import render
from gpc_ros.viz.render import Camera

SIZE = {"width": 160, "height": 90}
BALL = "<mujoco><worldbody><geom size='.1' rgba='1 0 0 1'/></worldbody></mujoco>"


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return registry.load("tasks", "double_cart_pole", Task)().load_model()


@pytest.fixture(scope="module")
def gl(model: mujoco.MjModel) -> None:
    """Skips where no picture can be made."""
    try:
        Camera(model, width=16, height=16).close()
    except GpcError as error:
        pytest.skip(str(error))


def at(model: mujoco.MjModel, *qpos: float) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_forward(model, data)
    return data


def test_a_picture_shows_the_robot_where_it_is(gl: None, model: mujoco.MjModel) -> None:
    with Camera(model, **SIZE) as camera:
        left, right, again = (camera.take(at(model, x, 0.0, 0.0)) for x in (-2.0, 2.0, -2.0))
    assert left.shape == (90, 160, 3)
    assert left.std() > 10  # not blank
    np.testing.assert_array_equal(left, again)
    blue = [np.argwhere(picture[..., 2] > 1.5 * picture[..., 0].clip(1))[:, 1].mean() for picture in (left, right)]
    assert blue[0] < 80 < blue[1]  # the cart is on its side
    assert left[:20].mean() > left[-20:].mean()  # sky above, floor below


def test_a_model_without_cameras_is_seen_too(gl: None) -> None:
    ball = mujoco.MjModel.from_xml_string(BALL)
    with Camera(ball, **SIZE) as camera:
        picture = camera.take(at(ball)).astype(int)
    assert (picture[..., 0] - picture[..., 1]).max() > 50  # it is red


def test_a_camera_that_follows_goes_first(gl: None) -> None:
    text = BALL.replace("<geom", "<camera name='a' pos='0 0 9'/><camera name='b' mode='targetbody' target='x'/>{}<geom")
    model = mujoco.MjModel.from_xml_string(text.format("<body name='x' pos='0 0 -1'/>"))
    with Camera(model, **SIZE) as by_default, Camera(model, **SIZE, name="b") as second:
        np.testing.assert_array_equal(by_default.take(at(model)), second.take(at(model)))
    with pytest.raises(UnknownName, match=r"unknown camera 'c'.* Valid: a, b"):
        Camera(model, **SIZE, name="c")


def test_the_model_is_left_as_it_is(gl: None, model: mujoco.MjModel) -> None:
    before = model.vis.global_.offwidth, model.vis.quality.shadowsize
    Camera(model, **SIZE).close()
    assert (model.vis.global_.offwidth, model.vis.quality.shadowsize) == before


def test_zoom_makes_things_larger(gl: None, model: mujoco.MjModel) -> None:
    red = []
    for zoom in (1.0, 2.0):
        ball = mujoco.MjModel.from_xml_string(BALL.replace("<geom", "<camera pos='0 0 1'/><geom"))
        with Camera(ball, **SIZE, zoom=zoom) as camera:
            picture = camera.take(at(ball)).astype(int)
        red.append(np.count_nonzero(picture[..., 0] - picture[..., 1] > 50))
    assert 3 < red[1] / red[0] < 6


def test_a_small_thing_keeps_its_colour_in_a_gif(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    picture = rng.integers(120, 250, (200, 300, 1), dtype=np.uint8).repeat(3, axis=2)  # many greys
    picture[10:13, 10:13] = (230, 120, 40)
    render.save([picture], tmp_path / "a.gif", rate_hz=20.0)
    with Image.open(tmp_path / "a.gif") as gif:
        np.testing.assert_allclose(gif.convert("RGB").getpixel((11, 11)), (230, 120, 40), atol=12)


@pytest.mark.parametrize("library", [None, "broken"])
def test_without_opengl_it_says_what_to_install(
    model: mujoco.MjModel, monkeypatch: pytest.MonkeyPatch, library: str | None
) -> None:
    def broken(name: str) -> None:
        raise AttributeError("'NoneType' object has no attribute 'glGetError'")

    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(render.ctypes.util, "find_library", lambda name: library)
    monkeypatch.setattr(render.importlib, "import_module", broken)
    with pytest.raises(GpcError, match=r"^[^\n]*EGL[^\n]*apt install libegl1[^\n]*libosmesa6[^\n]*$"):
        Camera(model, **SIZE)


PICTURES = [np.full((12, 16, 3), 30 * i, np.uint8) for i in range(5)]


def test_a_gif_plays_all_pictures_at_the_rate(tmp_path: Path) -> None:
    from PIL import Image

    file = tmp_path / "a.gif"
    render.save(PICTURES, file, rate_hz=20.0)
    with Image.open(file) as gif:
        assert gif.n_frames == 5
        assert gif.info["loop"] == 0
        shades = []
        for frame in range(5):
            gif.seek(frame)
            assert gif.info["duration"] == 50
            shades.append(gif.convert("RGB").getpixel((3, 3))[0])
    np.testing.assert_allclose(shades, (0, 30, 60, 90, 120), atol=4)


def test_a_png_is_the_last_picture(tmp_path: Path) -> None:
    from PIL import Image

    render.save(PICTURES, tmp_path / "a.png", rate_hz=20.0)
    with Image.open(tmp_path / "a.png") as png:
        np.testing.assert_array_equal(np.asarray(png), PICTURES[-1])


@pytest.mark.parametrize("name", ["a.mp4", "a", "no/a.gif"])
def test_a_file_that_cannot_be_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(GpcError, match=name):
        render.check_file(tmp_path / name)


def test_without_pillow_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(GpcError, match="pip install pillow"):
        render.check_file(tmp_path / "a.gif")


def test_the_command_makes_an_animation(gl: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    file = tmp_path / "a.gif"
    size = ("--size", "64x36", "--fps", "10", "--seconds", "0.3")
    assert main(["render", "particle", "--planner", "spc", *size, "--out", str(file)]) == 0
    assert "4 pictures" in capsys.readouterr().out
    with Image.open(file) as gif:
        assert (gif.n_frames, gif.size) == (4, (64, 36))
        assert np.asarray(gif.convert("RGB")).std() > 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["elbow"], ("unknown robot 'elbow'", "cart_pole")),
        (["particle", "--planner", "elbow"], ("unknown planner 'elbow'", "spc")),
        (["particle", "--out", "a.mp4"], ("a.mp4", ".gif or .png")),
        (["particle", "--size", "9x9"], ("--size 9x9", "at least 16")),
        (["particle", "--size", "large"], ("--size large", "480x270")),
        (["particle", "--zoom", "nan"], ("--zoom nan", "0.1 to 10")),
        (["particle", "--seconds", "0"], ("0", "above 0")),
        (["particle", "--camera", "elbow"], ("unknown camera 'elbow'", "fixed")),
    ],
)
def test_mistakes_are_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: tuple[str, ...]
) -> None:
    assert main(["render", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in words), line
