"""Logs of a run beside ``metrics.jsonl``, by name; a new one is one module in this folder.

Importing this package imports all its modules, which registers their classes under
``@register_log``. They import packages that acmix does without inside methods only.
"""

from importlib import import_module
from pkgutil import iter_modules

from acmix.engine.logs.base import LOGS, Log, open_logs, register_log

__all__ = ["LOGS", "Log", "open_logs", "register_log"]

for _module in iter_modules(__path__, prefix=f"{__name__}."):
    import_module(_module.name)
