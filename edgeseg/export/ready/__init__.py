"""Networks that come as graphs: `.onnx`, TorchScript and `.pt2` files, and trusted pickled modules."""
