"""Whatever is wrong with a policy file, it is refused in one line that names the file and the reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from random_policies import metadata_of, random_weights

from gpc_ros.errors import InvalidModel
from gpc_ros.policy import graph, verify
from gpc_ros.policy.metadata import KEY, UNSIGNED, digest

MODEL = graph.build(random_weights(metadata_of()), metadata_of())
WHOLE = MODEL.SerializeToString()


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[bytes], str]:
    """What is said when a file with these bytes is read."""

    def refusal(data: bytes) -> str:
        file = tmp_path / "a.onnx"
        file.write_bytes(data)
        with pytest.raises(InvalidModel) as caught:
            verify.read(file)
        words = str(caught.value)
        assert words.startswith(f"{file}: ")
        assert "\n" not in words
        return words.removeprefix(f"{file}: ")

    return refusal


def signed(change: Callable[[onnx.ModelProto], object], **metadata: Any) -> bytes:
    """The file changed by someone who computes the digest anew; ``metadata`` of value None are left out."""
    model = onnx.ModelProto()
    model.CopyFrom(MODEL)
    change(model)
    values = {**metadata_of().model_dump(mode="json"), **metadata, "sha256": UNSIGNED}
    text = json.dumps({name: value for name, value in values.items() if value is not None})
    helper.set_model_props(model, {KEY: text})
    helper.set_model_props(model, {KEY: text.replace(UNSIGNED, digest(model.SerializeToString(), UNSIGNED))})
    return model.SerializeToString()


def nothing(model: onnx.ModelProto) -> None:
    pass


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.onnx"
    file.write_bytes(WHOLE)
    data, metadata = verify.read(file)
    assert data == WHOLE
    assert metadata.model_copy(update={"sha256": UNSIGNED}) == metadata_of()
    file.write_bytes(signed(nothing))
    assert verify.read(file)[1].task == "cart_pole"


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidModel, match=r"a\.onnx: No such file"):
        verify.read(tmp_path / "a.onnx")
    with pytest.raises(InvalidModel, match="directory"):
        verify.read(tmp_path)


def test_a_file_larger_than_any_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.onnx"
    file.write_bytes(WHOLE)
    monkeypatch.setattr(verify, "_MAX_BYTES", len(WHOLE))
    verify.read(file)
    monkeypatch.setattr(verify, "_MAX_BYTES", len(WHOLE) - 1)
    with pytest.raises(InvalidModel, match=r"a\.onnx: larger than"):
        verify.read(file)


@pytest.mark.parametrize("data", [b"", b"no policy\n", b"\x00" * 500, b"PK\x03\x04" + bytes(range(256))])
def test_no_onnx_file(refusal: Callable[[bytes], str], data: bytes) -> None:
    assert refusal(data).startswith("not a")


@pytest.mark.parametrize("share", np.linspace(0.02, 0.98, 25))
def test_a_file_cut_off(refusal: Callable[[bytes], str], share: float) -> None:
    assert "cut off" in refusal(WHOLE[: round(share * len(WHOLE))])


def test_a_file_cut_off_where_a_field_ends(refusal: Callable[[bytes], str]) -> None:
    """There the format itself notices nothing."""
    model = onnx.load_model_from_string(WHOLE)
    del model.metadata_props[:]
    assert WHOLE.startswith(part := model.SerializeToString()[: WHOLE.index(KEY.encode()) - 4])
    assert "cut off" in refusal(part)


def test_every_flipped_byte_is_noticed(refusal: Callable[[bytes], str]) -> None:
    for place in range(0, len(WHOLE), 7):
        refusal(WHOLE[:place] + bytes([WHOLE[place] ^ 0x10]) + WHOLE[place + 1 :])


def test_a_changed_weight_a_changed_word_and_appended_bytes(refusal: Callable[[bytes], str]) -> None:
    weight = bytearray(WHOLE)
    largest = max((constant.raw_data for constant in MODEL.graph.initializer), key=len)
    weight[WHOLE.index(largest)] ^= 1
    words = WHOLE.replace(b'"period_ns":100000000', b'"period_ns":100000001')
    assert words != WHOLE
    comment = helper.make_model(onnx.GraphProto())
    comment.CopyFrom(MODEL)
    comment.doc_string = "changed"
    for data in (bytes(weight), words, comment.SerializeToString()):
        assert refusal(data).startswith("changed since it was written: sha256 is ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("{", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ("{}", "format_version is None, this version of gpc_ros reads 1"),
        ('{"format_version": 2, "new": 1}', "format_version is 2, this version of gpc_ros reads 1"),
        ('{"format_version": 1}', "metadata: task = .*: Field required"),
    ],
)
def test_metadata_that_cannot_be_read(refusal: Callable[[bytes], str], text: str, words: str) -> None:
    model = onnx.load_model_from_string(WHOLE)
    helper.set_model_props(model, {KEY: text})
    assert re.search(words, refusal(model.SerializeToString()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"knots": "many"}, "metadata: knots = 'many'"),
        ({"architecture": None}, "metadata: architecture = "),
        ({"architecture": {"kind": "rnn"}}, "architecture.kind = 'rnn': Input should be 'mlp', 'glu' or 'cnn'"),
        ({"ctrl_low": []}, "1 actuators, 0 ctrl_low, 1 ctrl_high"),
        ({"unknown": 1}, "unknown parameter of metadata 'unknown'"),
        ({"knots": 5}, "inputs and output are [('start', 'B', 4, 1), "),
        ({"observation_probe": [0.0] * 6}, "by its metadata [('start', 'B', 4, 1), ('observation', 'B', 6), "),
    ],
)
def test_metadata_that_do_not_fit(refusal: Callable[[bytes], str], changes: dict[str, Any], words: str) -> None:
    assert words in refusal(signed(nothing, **changes))


def another_value(name: str, *shape: int | str, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def replace_node(model: onnx.ModelProto, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(model.graph.node[0], name, value)


def replace_constant(model: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    model.graph.initializer[1].CopyFrom(tensor)


def external(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")


def cut(model: onnx.ModelProto) -> None:
    model.graph.initializer[1].raw_data = model.graph.initializer[1].raw_data[:-3]


def not_finite(value: float) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        values = numpy_helper.to_array(model.graph.initializer[1]).copy()
        values.flat[3] = value
        replace_constant(model, numpy_helper.from_array(values, model.graph.initializer[1].name))

    return change


def branch(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [another_value("start", 1)])
    model.graph.node.add().CopyFrom(helper.make_node("If", ["start"], ["y"], then_branch=inner, else_branch=inner))


def hidden_graph(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("body", helper.make_graph([], "inner", [], [])))


def function(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("", "Gemm", ["x"], ["x"], [], [helper.make_opsetid("", graph.OPSET)]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.opset_import.add(domain="com.microsoft", version=1), "operator sets are {'': 17, 'com.microsoft'"),
        (lambda m: setattr(m.opset_import[0], "version", 13), "operator sets are {'': 13}, a policy has {'': 17}"),
        (function, "holds functions, training steps or sparse constants"),
        (lambda m: m.training_info.add(), "holds functions, training steps or sparse constants"),
        (lambda m: m.graph.sparse_initializer.add(), "holds functions, training steps or sparse constants"),
        (lambda m: replace_node(m, op_type="Loop"), "operator 'Loop' is not allowed. Allowed: Add, Clip, Cos, Gemm"),
        (lambda m: replace_node(m, domain="mine"), "operator 'mine.Gemm' is not allowed"),
        (branch, "operator 'If' is not allowed"),
        (hidden_graph, "operator 'Gemm': attribute 'body' is more than numbers"),
        (external, "constant 'c1' lies in another file"),
        (lambda m: replace_constant(m, numpy_helper.from_array(np.zeros(3), "c1")), "neither float32 nor int64"),
        (cut, "constant 'c1' is damaged"),
        (not_finite(np.nan), "constant 'c1' is not finite"),
        (not_finite(-np.inf), "constant 'c1' is not finite"),
        (lambda m: m.graph.input[0].CopyFrom(another_value("start", "B", 3, 1)), "[('start', 'B', 3, 1), "),
        (lambda m: m.graph.input[0].CopyFrom(another_value("start", 1, 4, 1)), "[('start', 1, 4, 1), "),
        (lambda m: m.graph.input[0].CopyFrom(another_value("start", "B", 4, 1, kind=11)), "'start' is not float32"),
        (lambda m: m.graph.input[1].CopyFrom(another_value("other", "B", 5)), "('other', 'B', 5)"),
        (lambda m: m.graph.input.append(another_value("more", "B")), "('more', 'B')"),
        (lambda m: m.graph.output.append(another_value("more", "B")), "('more', 'B')"),
        (lambda m: m.graph.ClearField("output"), "('observation', 'B', 5)], by its metadata"),
    ],
)
def test_what_no_policy_holds(
    refusal: Callable[[bytes], str], change: Callable[[onnx.ModelProto], object], words: str
) -> None:
    assert words in refusal(signed(change))
