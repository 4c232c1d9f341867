"""The version, alone in its file so that packaging can read it without importing MindSpore."""

__version__ = "0.1.0"
