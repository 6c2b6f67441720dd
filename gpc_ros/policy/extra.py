"""ONNX and ONNX Runtime: an extra, which other planners do without. Where it is missing, one line says what to do."""

from gpc_ros.errors import InvalidModel

try:
    import onnx
    import onnxruntime
except ImportError as error:
    raise InvalidModel(f"a policy needs {error.name}: python3 -m pip install 'gpc_ros[policy]'") from None

__all__ = ["onnx", "onnxruntime"]
