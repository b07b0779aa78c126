"""TensorRT 10 and 11: serialized engines on the NVIDIA GPU that built them."""
