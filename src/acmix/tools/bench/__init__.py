"""Benchmarks: candidates in interleaved rounds, raw samples as JSON, tables rendered from it."""
