"""Model repositories for Triton: the network in its ONNX Runtime backend, the way around it in Python's."""
