"""The live view: what it shows of what the nodes say, whatever they leave out, and the last thing that happened."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gpc_ros import spec
from gpc_ros.cli.board import Board

FIGURES = {
    "simulator": {
        "ticks": "1200", "deadline_misses": "2", "overruns": "0", "latency_ms p50": "0.7", "latency_ms p99": "1"
    },
    "estimator": {"health": "ok", "nis": "1.02", "update_ms p50": "0.081", "update_ms p99": "0.12"},
    "policy_server": {"state": "answers policy", "inference_ms p50": "0.04", "inference_ms p99": "0.06"},
    "spc": {"state": "idle: not wanted"},
    "controller": {"active": "policy", "driver": "policy", "executive": "none", "select_ms p50": "0.05"},
    "monitor": {
        "rate_hz joint_states": "500.2", "rate_hz state_estimate": "499.6", "rate_hz command": "500",
        "rate_hz policy/plan": "250", "cpu_percent": "8.1", "deadline_misses": "3", "window_s": "5.2",
        "sensor_to_command_ms p50": "0.6412", "sensor_to_command_ms p99": "0.95",
        "sensor_to_estimate_ms p50": "0.31", "sensor_to_estimate_ms p99": "0.5",
    },
    "web": {"page": "http://127.0.0.1:8080", "browsers": "1"},
    "recorder": {"messages": "9000", "megabytes": "4.5", "dropped": "0", "lost": "0", "file": "a.mcap"},
}  # fmt: skip


def shown(board: Board, now_s: float = 1.0, width: int = 120) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    console.print(board.table("cart_pole", now_s))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def row(board: Board, node: str, now_s: float = 1.0) -> str:
    """The line of ``node``, its words a space apart."""
    (line,) = (line for line in shown(board, now_s) if line.startswith(f"{node} "))
    return " ".join(line.split())


@pytest.fixture
def board() -> Board:
    board = Board()
    for node, values in FIGURES.items():
        board.take(node, "", values, 0.0)
    return board


def test_each_node_has_a_line_with_its_rate_times_and_state(board: Board) -> None:
    assert row(board, "simulator") == "simulator ok 500 1200 ticks, 2 misses, 0 overruns"
    assert row(board, "estimator") == "estimator ok 500 0.08 0.12 health ok, NIS 1.02"
    assert row(board, "policy_server") == "policy_server ok 250 0.04 0.06 answers policy"
    assert row(board, "spc") == "spc ok idle: not wanted"
    assert row(board, "controller") == "controller ok 500 0.05 policy drives"
    assert row(board, "web") == "web ok http://127.0.0.1:8080, 1 looking"
    assert row(board, "recorder").endswith(": a.mcap")
    assert shown(board)[0] == "cart_pole  policy is to drive  (Ctrl-C stops)"
    assert shown(board)[-1] == "measurement to command 0.64 / 0.95 ms (estimate 0.31 / 0.50); 3 misses in 5 s"


def test_it_does_without_observers() -> None:
    board = Board()
    for node in spec.CONTROL:
        board.take(node, "", FIGURES[node], 0.0)
    assert {line.split()[0] for line in shown(board)[2:-1]} == set(spec.CONTROL)
    assert shown(board)[-1] == "measurement to command 0.70 / 1.00 ms"  # the simulator's own


def test_before_the_first_word_it_says_so() -> None:
    board = Board()
    assert shown(board) == ["starting ..."]
    board.take("spc", "", {}, 0.0)
    assert row(board, "estimator") == "estimator starting"
    assert row(board, "spc") == "spc ok"


@pytest.mark.parametrize("value", ["", "nan", "inf", "-", "1e999", "[bold]", "{ticks}", "\\"])
def test_whatever_is_no_number_is_a_blank(board: Board, value: str) -> None:
    for node, values in FIGURES.items():
        board.take(node, "", dict.fromkeys(values, value), 1.0)
    assert not [line for line in shown(board) if "nan / " in line or "inf / " in line]
    assert [line for line in shown(board) if line.startswith("measurement")] == []


def test_words_that_look_like_markup_stand_as_they_are(board: Board) -> None:
    board.take("spc", "no [red]plan[/red] [/]", {}, 1.0)
    assert "no [red]plan[/red] [/]" in row(board, "spc")
    assert board.event == "spc: no [red]plan[/red] [/]"


def test_no_line_is_wider_than_the_terminal(board: Board) -> None:
    board.take("recorder", "", {**FIGURES["recorder"], "file": "long/" * 50}, 0.0)
    board.take("controller", "word " * 50, {}, 0.0)
    for width in (60, 80, 120):
        lines = shown(board, width=width)
        assert max(map(len, lines)) <= width
        assert len(lines) == len(shown(board, width=400))


def test_trouble_and_its_end_are_events(board: Board) -> None:
    board.take("estimator", "estimate degraded", FIGURES["estimator"], 2.0)
    assert board.event == "estimator: estimate degraded"
    assert row(board, "estimator").startswith("estimator warn ")
    assert shown(board, now_s=5.0)[-1] == "3 s ago: estimator: estimate degraded"
    board.take("estimator", "estimate degraded", FIGURES["estimator"], 4.0)
    assert shown(board, now_s=5.0)[-1] == "3 s ago: estimator: estimate degraded"  # the same still
    board.take("estimator", "", FIGURES["estimator"], 5.0)
    assert board.event == "estimator: well again (was: estimate degraded)"


def test_what_is_wrong_from_the_beginning_is_an_event() -> None:
    board = Board()
    board.take("policy_server", "asked for plans, but has no policy", {}, 0.0)
    assert board.event == "policy_server: asked for plans, but has no policy"


def test_the_monitor_does_not_repeat_what_others_have_said(board: Board) -> None:
    board.take("monitor", "estimator: estimate degraded; spc silent for 7 s", FIGURES["monitor"], 1.0)
    assert board.event == ""
    board.take("monitor", "no command; estimator: estimate degraded", FIGURES["monitor"], 2.0)
    assert board.event == "monitor: no command"


def test_a_swap_and_another_policy_are_events(board: Board) -> None:
    board.take("controller", "", {**FIGURES["controller"], "active": "spc", "driver": "spc"}, 1.0)
    assert board.event == "controller: planner policy -> spc"
    board.take("policy_server", "", {"model": "a.onnx"}, 2.0)
    board.take("policy_server", "", {"model": "b.onnx"}, 3.0)
    assert board.event == "policy_server: policy a.onnx -> b.onnx"


def test_a_fallback_that_is_over_already_is_an_event(board: Board) -> None:
    board.take("controller", "", {**FIGURES["controller"], "executive": "fallbacks: 2, policy plan: old stamp: 7"}, 1.0)
    assert board.event == "controller: fell back, policy drives again"


def test_silence_and_return_are_events(board: Board) -> None:
    for node in spec.NODES:
        if node not in ("estimator", "web"):
            board.take(node, "", FIGURES[node], 4.0)
    assert row(board, "estimator", now_s=6.0).startswith("estimator silent 6 s")
    assert board.event == "estimator, web: silent"
    board.take("estimator", "", FIGURES["estimator"], 7.0)
    assert board.event == "estimator: is back"
    assert row(board, "estimator", now_s=7.0).startswith("estimator ok ")


def test_strangers_are_not_shown(board: Board) -> None:
    before = shown(board)
    board.take("some/lidar", "hot", {"a": "b"}, 1.0)
    assert shown(board) == before
