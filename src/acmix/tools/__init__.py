"""Measuring and judging networks; nothing below the command line imports these packages."""
