"""Model repositories for Triton: the network in its ONNX Runtime backend, the way around it in Python's.

`repository` writes and proves them, with the `config` of both models; `front` is what the server runs, by
`assets/model.py`, and `stand_in` runs that without a server.
"""
