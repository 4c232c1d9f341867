"""Helpers that know nothing of networks: tables, files."""
