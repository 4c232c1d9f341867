"""Export formats by name; a new format is one module in this folder.

Importing this package imports all its modules, which registers their classes under
``@register_format``. They import MindSpore inside methods only, because the command line lists the
formats and must start quickly.
"""

from importlib import import_module
from pkgutil import iter_modules

from acmix.export.formats.base import FORMATS, Format, format_of, register_format

__all__ = ["FORMATS", "Format", "format_of", "register_format"]

for _module in iter_modules(__path__, prefix=f"{__name__}."):
    import_module(_module.name)
