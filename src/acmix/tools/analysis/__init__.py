"""Counting networks, and looking into trained ones."""
