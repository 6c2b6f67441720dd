"""The flow policy at run time: one ONNX file, checked, and ONNX Runtime. No torch here."""
