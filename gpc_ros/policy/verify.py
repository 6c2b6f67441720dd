"""Reads a policy file and believes nothing: size, form, digest, operators, constants, inputs and outputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from gpc_ros.config import make
from gpc_ros.errors import GpcError, InvalidModel
from gpc_ros.policy.extra import onnx
from gpc_ros.policy.graph import OPERATORS, OPSET
from gpc_ros.policy.metadata import FORMAT, KEY, PolicyMetadata, digest

_MAX_BYTES = 64 * 2**20
_PLAIN = {onnx.AttributeProto.INT, onnx.AttributeProto.FLOAT, onnx.AttributeProto.INTS}


def read(file: Path) -> tuple[bytes, PolicyMetadata]:
    """The bytes of a policy file, for ONNX Runtime, and what it says of itself.

    Raises:
        InvalidModel: one line that names the file and what is wrong with it.
    """
    try:
        data = _bytes(file)
        model = _parsed(data)
        metadata = _metadata(model)
        if (found := digest(data, metadata.sha256)) != metadata.sha256:
            raise InvalidModel(f"changed since it was written: sha256 is {found}, the file says {metadata.sha256}")
        _check_operators(model)
        _check_constants(model.graph)
        _check_ends(model.graph, metadata)
    except InvalidModel as error:
        raise InvalidModel(f"{file}: {error}") from None
    return data, metadata


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidModel(error.strerror or str(error)) from None
    if len(data) > _MAX_BYTES:
        raise InvalidModel(f"larger than {_MAX_BYTES // 2**20} MiB, no policy is")
    return data


def _parsed(data: bytes) -> onnx.ModelProto:
    try:
        return onnx.load_model_from_string(data)
    except Exception:  # of protobuf, which is no direct requirement
        raise InvalidModel("not an ONNX file, or damaged or cut off") from None


def _metadata(model: onnx.ModelProto) -> PolicyMetadata:
    texts = [entry.value for entry in model.metadata_props if entry.key == KEY]
    if len(texts) != 1:
        raise InvalidModel(f"not a policy of gpc_ros (no metadata '{KEY}'), or cut off")
    try:
        values = json.loads(texts[0])
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise InvalidModel(f"metadata '{KEY}' are not a JSON object")
    if (found := values.get("format_version")) != FORMAT:
        raise InvalidModel(f"format_version is {found!r}, this version of gpc_ros reads {FORMAT}")
    try:
        return make(PolicyMetadata, values, "metadata")
    except GpcError as error:
        raise InvalidModel(str(error)) from None


def _check_operators(model: onnx.ModelProto) -> None:
    domains = {entry.domain: entry.version for entry in model.opset_import}
    if domains != {"": OPSET}:
        raise InvalidModel(f"operator sets are {domains}, a policy has { ({'': OPSET}) }")
    if model.functions or model.training_info or model.graph.sparse_initializer:
        raise InvalidModel("holds functions, training steps or sparse constants, a policy none")
    for node in model.graph.node:
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        if name not in OPERATORS:
            raise InvalidModel(f"operator '{name}' is not allowed. Allowed: {', '.join(sorted(OPERATORS))}")
        for attribute in node.attribute:
            if attribute.type not in _PLAIN or attribute.ref_attr_name:
                raise InvalidModel(f"operator '{name}': attribute '{attribute.name}' is more than numbers")


def _check_constants(graph: onnx.GraphProto) -> None:
    for tensor in graph.initializer:
        name = f"constant '{tensor.name}'"
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise InvalidModel(f"{name} lies in another file, a policy is one file")
        if tensor.data_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.INT64):
            raise InvalidModel(f"{name} is neither float32 nor int64")
        try:
            values = onnx.numpy_helper.to_array(tensor)
        except (ValueError, TypeError) as error:
            raise InvalidModel(f"{name} is damaged: {' '.join(str(error).split())[:200]}") from None
        if not np.isfinite(values).all():
            raise InvalidModel(f"{name} is not finite")


def _check_ends(graph: onnx.GraphProto, metadata: PolicyMetadata) -> None:
    plan = ("B", *metadata.shape)
    expected = [("start", *plan), ("observation", "B", metadata.observation_size), ("plan", *plan)]
    found = [(value.name, *_shape(value)) for value in (*graph.input, *graph.output)]
    if found != expected:
        raise InvalidModel(f"inputs and output are {found}, by its metadata {expected}")


def _shape(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    tensor = value.type.tensor_type
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        raise InvalidModel(f"'{value.name}' is not float32")
    return tuple(axis.dim_param or axis.dim_value for axis in tensor.shape.dim)
