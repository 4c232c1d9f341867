"""The formats a network can be exported to, by name. A new format is one file in this folder.

Every module here is imported, so that its class under ``@register_format`` is known. MindSpore is
imported inside methods only: the command line reads the names and must start quickly.
"""

from importlib import import_module
from pkgutil import iter_modules

from acmix.export.formats.base import FORMATS, Format, format_of, register_format

__all__ = ["FORMATS", "Format", "format_of", "register_format"]

for _module in iter_modules(__path__, prefix=f"{__name__}."):
    import_module(_module.name)
