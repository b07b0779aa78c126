"""ONNX Runtime: sessions on the processor, or on the execution provider of a device."""
