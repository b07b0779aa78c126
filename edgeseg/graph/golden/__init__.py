"""What a portable model carries to be proven by: sampled outputs, and the rules of a detector."""
