"""Worker processes: the same batches as threads, and no end without a word or with a remnant."""

from __future__ import annotations
