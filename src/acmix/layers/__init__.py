"""Cells: the ACmix operator, its attention modes, its convolution path, and building blocks."""
