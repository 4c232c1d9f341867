"""Estimates of memory, communication and time of training on a cluster."""
