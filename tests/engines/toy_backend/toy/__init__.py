"""A whole backend, as small as one can be: ONNX Runtime under another name."""
