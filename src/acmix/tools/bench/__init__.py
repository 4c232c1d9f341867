"""Measured speed: candidates in turns, raw samples kept, tables made from them."""
