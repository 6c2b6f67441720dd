"""``gpc replay``: a recording on ROS topics again, at the pace at which it was recorded."""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from gpc_ros import spec
from gpc_ros.cli import recordings
from gpc_ros.errors import GpcError, UnknownName
from gpc_ros.recording.playback import play
from gpc_ros.recording.reader import Channel, Message, Recording
from gpc_ros.signals import NS_PER_S


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """The command's arguments."""
    parser: argparse.ArgumentParser = subparsers.add_parser("replay", help="play a recording on its ROS topics again")
    recordings.add_file(parser)
    parser.add_argument("--rate", type=_positive, default=1.0, metavar="X", help="so many times as fast (default: 1)")
    parser.add_argument("--loop", action="store_true", help="begin again at the end, until Ctrl-C")
    parser.add_argument("--from", type=_not_negative, default=0.0, metavar="S", dest="begin_s", help="begin there")
    parser.add_argument("--topics", nargs="+", metavar="TOPIC", help="play these alone (default: all)")
    parser.add_argument(
        "--network", action="store_true", help="open to other hosts (no authentication: trust them all)"
    )
    return parser


def run(args: argparse.Namespace) -> int:
    """Play; the exit code.

    Raises:
        GpcError: if the recording cannot be read or holds no such topic, or must not be played here.
    """
    from gpc_ros.cli.doctor import require_ros

    require_ros()
    from gpc_ros.nodes import network
    from gpc_ros.nodes.leaving import PATIENCE_S, leave_within
    from gpc_ros.nodes.playback import Stage

    network.check_security()
    recording = recordings.opened(args)
    names = _chosen(recording, args.topics)
    if args.begin_s >= recording.duration_s > 0:
        raise GpcError(f"--from {args.begin_s:g}: the recording is {recording.duration_s:.1f} s long")
    os.environ.update(network.environment(opened=args.network))
    if args.network:
        print("gpc replay: open to the network; every host that reaches it hears it", file=sys.stderr)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    meant = [recording.name(topic) for topic in args.topics or ()]
    stage = Stage(names, meant=meant, namespace=recording.about.get("namespace", "/"))
    try:
        print(f"played {_play(recording, names, stage, args, stop)} messages", flush=True)
        leave_within(PATIENCE_S, 0)
    finally:
        stage.close()
    return 0


def _play(recording: Recording, names: dict[Channel, str], stage: Any, args: argparse.Namespace, stop: Any) -> int:
    seconds = recording.duration_s - args.begin_s
    print(f"playing {seconds:.1f} s at {args.rate:g} times the pace, {len(names)} topics (Ctrl-C stops)", flush=True)
    begin_ns = recording.begin_ns + round(args.begin_s * NS_PER_S)
    played = 0
    while not stop.is_set():
        played += play(
            _beginning(recording, names, begin_ns),
            stage.publish,
            begin_ns=begin_ns,
            rate=args.rate,
            wait=stop.wait,
            stopped=stop.is_set,
        )
        if not args.loop:
            break
    return played


def _chosen(recording: Recording, topics: list[str] | None) -> dict[Channel, str]:
    """Channels to play, with their topics' names as ``spec.TOPICS`` has them."""
    names = {channel: recording.name(channel.topic) for channel in recording.channels.values()}
    wanted = set(names.values()) if topics is None else {recording.name(topic) for topic in topics}
    if unknown := wanted - set(names.values()):
        raise UnknownName("recorded topic", min(unknown), names.values())
    return {channel: name for channel, name in names.items() if name in wanted}


def _beginning(recording: Recording, names: dict[Channel, str], begin_ns: int) -> Iterator[Message]:
    """Messages from ``begin_ns`` on; before them, of the latched topics, what had been said last by then."""
    latched: dict[Channel, Message] = {}
    for message in (each for each in recording.messages(set(names.values())) if each.channel in names):
        if message.log_ns >= begin_ns:
            yield from latched.values()
            latched.clear()
            yield message
        elif (entry := spec.TOPICS.get(names[message.channel])) is not None and entry.qos is spec.Qos.LATCHED:
            latched[message.channel] = message


def _not_negative(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise GpcError(f"--from {text}: must be a number of seconds of at least 0")
    return value


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise GpcError(f"--rate {text}: must be a number above 0")
    return value
