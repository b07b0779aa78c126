"""OpenVINO: compiled models on processors and Intel GPUs."""
