"""Recordings as files: others read them, and what was flushed is read whatever happened to the rest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("mcap", reason="needs mcap")
pytest.importorskip("sensor_msgs.msg", reason="needs the ROS package sensor_msgs")
import tapes
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer

from gpc_ros.errors import GpcError
from gpc_ros.recording import mcap_file
from gpc_ros.recording.mcap_file import McapFile, new_file
from gpc_ros.recording.reader import Recording
from gpc_ros.spec import Qos

MS = tapes.MS
ROWS = [
    (topic, tick * 2 * MS + delay, tapes.state(tick))
    for tick in range(12)
    for delay, topic in ((0, "joint_states"), (MS, "command"))
]
SETTINGS = [("spc", 5, {"samples": 8}), ("spc", 9 * MS, {"samples": 16, "running_weights.upright": 2.5})]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tapes.write(tmp_path_factory.mktemp("files") / "a.mcap", ROWS, SETTINGS, flush_every=5)


def rows(recording: Recording) -> list[tuple[str, int, bytes]]:
    return [(recording.name(m.channel.topic), m.log_ns - tapes.BEGIN_NS, m.data) for m in recording.messages()]


def test_what_is_written_is_read(file: Path) -> None:
    recording = Recording(file)
    assert rows(recording) == ROWS == rows(recording)
    assert recording.counts == {"/joint_states": 12, "/command": 12}
    assert {(c.topic, c.kind) for c in recording.channels.values()} == {
        ("/joint_states", "sensor_msgs/JointState"),
        ("/command", "sensor_msgs/JointState"),
    }
    assert (recording.begin_ns, recording.end_ns) == (tapes.BEGIN_NS, tapes.BEGIN_NS + 23 * MS)
    assert recording.duration_s == pytest.approx(0.023)
    assert recording.about == {"robot": "cart_pole", "namespace": "/"}
    assert [(s.node, s.time_ns - tapes.BEGIN_NS, s.values) for s in recording.settings] == SETTINGS
    assert recording.initial("spc") == {"samples": 8}
    assert recording.flaw == ""
    first = next(iter(recording.messages()))
    assert (first.sequence, first.publish_ns) == (0, tapes.BEGIN_NS - MS // 10)


def test_topics_can_be_chosen_by_their_relative_names(file: Path) -> None:
    recording = Recording(file)
    assert {m.channel.topic for m in recording.messages({"command"})} == {"/command"}
    assert list(recording.messages(())) == []


@pytest.mark.parametrize(
    ("namespace", "topic", "name"),
    [
        ("/", "/joint_states", "joint_states"),
        ("/left", "/left/command", "command"),
        ("/left", "/diagnostics", "diagnostics"),
        ("/left", "command", "command"),
        ("/l", "/left/command", "left/command"),
    ],
)
def test_names_are_without_namespace(file: Path, namespace: str, topic: str, name: str) -> None:
    recording = Recording(file)
    recording.about["namespace"] = namespace
    assert recording.name(topic) == name


def test_the_official_reader_reads_the_same(file: Path) -> None:
    with file.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        summary = reader.get_summary()
        found = [(channel.topic[1:], m.log_time - tapes.BEGIN_NS, m.data) for _, channel, m in reader.iter_messages()]
        assert reader.get_header().profile == "ros2"
        assert {metadata.name for metadata in reader.iter_metadata()} == {"gpc_ros", "parameters"}
    assert found == ROWS
    assert summary is not None
    assert summary.statistics is not None
    assert summary.statistics.message_count == len(ROWS)
    assert {(s.name, s.encoding) for s in summary.schemas.values()} == {("sensor_msgs/msg/JointState", "ros2msg")}
    assert {c.message_encoding for c in summary.channels.values()} == {"cdr"}


def test_the_official_decoder_reads_the_values(file: Path) -> None:
    decoder = pytest.importorskip("mcap_ros2.decoder", reason="needs mcap-ros2-support")
    with file.open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[decoder.DecoderFactory()])
        found = [(m.ros_msg if hasattr(m, "ros_msg") else m.decoded_message) for m in reader.iter_decoded_messages()]
    assert [list(m.velocity) for m in found] == [[0.0, tick] for tick in range(12) for _ in range(2)]
    assert found[0].name == ["slider", "hinge"]


@pytest.mark.parametrize("qos", Qos)
def test_ros2_bag_is_told_how_to_offer_the_topic(tmp_path: Path, qos: Qos) -> None:
    import yaml

    tape = McapFile(tmp_path / "a.mcap")
    tape.channel("/a", "std_msgs/String", qos)
    tape.close()
    with (tmp_path / "a.mcap").open("rb") as stream:
        summary = make_reader(stream).get_summary()
    assert summary is not None
    (profile,) = yaml.safe_load(summary.channels[1].metadata["offered_qos_profiles"])
    best_effort, transient_local = 2, 1  # as rmw numbers them
    assert (profile["reliability"] == best_effort) is (qos is Qos.STATE)
    assert (profile["durability"] == transient_local) is (qos is Qos.LATCHED)
    assert profile["deadline"] == {"sec": 9223372036, "nsec": 854775807}


def test_what_is_flushed_is_there_while_the_file_is_open(tmp_path: Path) -> None:
    tape = McapFile(tmp_path / "a.mcap")
    channel = tape.channel("/a", "std_msgs/String", Qos.EVENT)
    for count in range(1, 4):
        tape.add(mcap_file.Entry(channel, tapes.BEGIN_NS + count, 0, count, tapes.text("x")))
        tape.flush()
        recording = Recording(tape.path)
        assert recording.counts == {"/a": count}
        assert recording.flaw == "cut off"
    tape.abandon()


def ends_of_chunks(content: bytes) -> list[int]:
    """Offsets behind each chunk."""
    found, offset, chunk = [], 8, 6
    while offset < len(content) - 8:
        length = int.from_bytes(content[offset + 1 : offset + 9], "little")
        if content[offset] == chunk:
            found.append(offset + 9 + length)
        offset += 9 + length
    return found


def survivors(file: Path) -> tuple[list[tuple[str, int, bytes]], str]:
    """What can be read of a damaged file, and what is said of it; nothing if it is refused, in one line."""
    try:
        recording = Recording(file)
    except GpcError as refusal:
        return [], str(refusal)
    return rows(recording), recording.flaw


def test_cut_off_at_any_byte_it_holds_all_chunks_before(file: Path, tmp_path: Path) -> None:
    content, cut = file.read_bytes(), tmp_path / "cut.mcap"
    ends = ends_of_chunks(content)
    assert len(ends) == 5
    near = {end + by for end in ends for by in range(-9, 10)}
    for size in sorted(near | set(range(0, len(content), 41))):
        cut.write_bytes(content[:size])
        found, said = survivors(cut)
        assert found == ROWS[: 5 * sum(end <= size for end in ends)]
        assert "\n" not in said
        assert "cut off" in said or "not an MCAP file" in said or size > ends[-1]


def test_of_a_chunk_without_compression_every_whole_message_is_read(tmp_path: Path) -> None:
    file = tmp_path / "plain.mcap"
    with file.open("wb") as stream:
        writer = Writer(stream, compression=CompressionType.NONE)
        writer.start("ros2")
        channel = writer.register_channel("/a", "cdr", writer.register_schema("std_msgs/msg/String", "ros2msg", b""))
        for count in range(5):
            writer.add_message(channel, count, tapes.text(f"message {count}"), count)
        writer.finish()
    content = file.read_bytes()
    (end,) = ends_of_chunks(content)
    counts = []
    for size in [*range(60, end, 4), end]:
        file.write_bytes(content[:size])
        found = [data for _, _, data in survivors(file)[0]]
        assert found == [tapes.text(f"message {count}") for count in range(len(found))]
        counts.append(len(found))
    assert counts == sorted(counts)
    assert set(counts) == set(range(6))


def test_a_damaged_byte_makes_no_message_other_than_it_was(file: Path, tmp_path: Path) -> None:
    content, damaged = file.read_bytes(), tmp_path / "damaged.mcap"
    originals = {data for _, _, data in ROWS}
    for index in range(0, ends_of_chunks(content)[-1], 31):
        damaged.write_bytes(content[:index] + bytes([content[index] ^ 0x41]) + content[index + 1 :])
        assert {data for _, _, data in survivors(damaged)[0]} <= originals


def test_a_damaged_chunk_is_left_out_and_said(file: Path, tmp_path: Path) -> None:
    content, damaged = file.read_bytes(), tmp_path / "damaged.mcap"
    inside = ends_of_chunks(content)[1] - 20
    damaged.write_bytes(content[:inside] + bytes([content[inside] ^ 0xFF]) + content[inside + 1 :])
    recording = Recording(damaged)
    assert rows(recording) == ROWS[:5] + ROWS[10:]
    assert recording.flaw == "1 damaged parts left out"


def test_notes_that_make_no_sense_are_left_out_and_said(tmp_path: Path) -> None:
    tape = McapFile(tmp_path / "a.mcap")
    for values in ({}, {"node": "spc", "time_ns": "x", "values": "{}"}, {"node": "a", "time_ns": "1", "values": "[3"}):
        tape.note("parameters", values)
    tape.note("missing", {"/a": "many"})
    tape.note("of others", {"values": "?"})
    tape.add(mcap_file.Entry(tape.channel("/a", "std_msgs/String", Qos.EVENT), 1, 1, 1, tapes.text("x")))
    tape.close()
    recording = Recording(tape.path)
    assert recording.flaw == "4 damaged parts left out"
    assert recording.settings == []


def test_what_is_no_recording_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.mcap").write_text("hello, this is no recording")
    (tmp_path / "empty.mcap").touch()
    McapFile(tmp_path / "nothing.mcap").close()
    for name, words in (
        ("text.mcap", "not an MCAP file"),
        ("empty.mcap", "not an MCAP file"),
        ("none.mcap", "No such file or directory"),
        (".", "Is a directory"),
        ("nothing.mcap", "holds no messages of ROS 2"),
    ):
        with pytest.raises(GpcError) as refused:
            Recording(tmp_path / name)
        assert str(refused.value) == f"{tmp_path / name}: {words}"


def test_a_file_that_is_there_is_not_written_over(file: Path) -> None:
    with pytest.raises(GpcError, match=f"{file}: File exists"):
        McapFile(file)
    assert rows(Recording(file)) == ROWS


def test_folders_are_made_and_one_that_cannot_be_is_named(tmp_path: Path) -> None:
    McapFile(tmp_path / "a" / "b" / "c.mcap").close()
    assert (tmp_path / "a" / "b" / "c.mcap").exists()
    (tmp_path / "file").touch()
    with pytest.raises(GpcError, match=f"{tmp_path}/file/a.mcap: (Not a directory|File exists)"):
        McapFile(tmp_path / "file" / "a.mcap")


def test_names_say_the_robot_and_are_never_taken(tmp_path: Path) -> None:
    names = []
    for _ in range(3):
        names.append(new_file(tmp_path, "cart_pole"))
        names[-1].touch()
    assert len(set(names)) == 3
    assert all(name.name.startswith("cart_pole_20") and name.suffix == ".mcap" for name in names)


def test_without_mcap_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("gpc_ros.recording.extra", "gpc_ros.recording.records"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "mcap.records", None)
    with pytest.raises(GpcError, match=r"recordings need mcap.*: python3 -m pip install 'gpc_ros\[watch\]'"):
        McapFile(tmp_path / "a.mcap")
    with pytest.raises(GpcError, match="recordings need mcap"):
        Recording(tmp_path / "a.mcap")
    assert list(tmp_path.iterdir()) == []


def test_an_mcap_that_cannot_flush_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gpc_ros.recording.extra", raising=False)
    monkeypatch.delattr(Writer, "flush")
    with pytest.raises(GpcError, match=r"recordings need a newer mcap: .*'mcap>=1\.5'"):
        McapFile(tmp_path / "a.mcap")
