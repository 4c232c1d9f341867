"""Analyses: counts of parameters and multiply-adds, and properties of trained networks."""
