"""A frame brought into the network's input, and its outputs as a result in the frame's own pixels."""
