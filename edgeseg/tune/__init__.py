"""Make the engines that a machine can run of a network, and keep the fastest that is accurate enough."""
