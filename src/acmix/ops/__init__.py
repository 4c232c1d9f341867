"""Stateless functions of the operators: tensors in, tensors out."""
