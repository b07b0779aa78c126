"""Convert a portable float32 model to fp16 or int8 within the same contract; no torch.

Precision lives in the graph, not in a builder's flags, so that the same file serves every backend. `half`
and `quantise` change the graph, `calibration` measures what they must know, `sensitivity` measures the result
in the words of the task, `lowering` does it all, and `report` holds what was done and why.
"""
