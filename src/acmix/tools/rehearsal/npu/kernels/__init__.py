"""Kernels of CANN's operators, a file for each family; each registers itself when it is imported."""
