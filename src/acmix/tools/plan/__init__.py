"""Memory, communication and time of training on a cluster, by formulas."""
