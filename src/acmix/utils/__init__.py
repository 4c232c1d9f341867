"""Helpers that are independent of networks: tables, files, parameters, targets."""
