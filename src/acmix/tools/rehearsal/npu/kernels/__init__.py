"""Kernels of CANN's operators, a file for each family; importing one registers its kernels."""
