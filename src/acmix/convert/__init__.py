"""Weights from PyTorch and back, by the names of the official implementations."""

from acmix.convert.state import Report, load_torch_state, torch_state

__all__ = ["Report", "load_torch_state", "torch_state"]
