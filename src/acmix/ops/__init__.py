"""Stateless functions: the mathematics of ACmix on tensors, importing only MindSpore and NumPy."""
