"""Export networks to files with metadata for deployment, and load such files."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acmix.export.exported import Exported
    from acmix.export.exporter import ExportReport, check_export, export_model
    from acmix.export.formats import FORMATS, Format, register_format
    from acmix.export.fusion import fuse
    from acmix.export.predictor import Predictor, load_exported
    from acmix.export.sidecar import SideCar, read_sidecar, sidecar_path
    from acmix.export.verify import check_fused

__all__ = [
    "FORMATS",
    "ExportReport",
    "Exported",
    "Format",
    "Predictor",
    "SideCar",
    "check_export",
    "check_fused",
    "export_model",
    "fuse",
    "load_exported",
    "read_sidecar",
    "register_format",
    "sidecar_path",
]

# Imported on use, so that the command line can list formats without importing MindSpore.
_MODULES = {
    "exported": ("Exported",),
    "exporter": ("ExportReport", "check_export", "export_model"),
    "formats": ("FORMATS", "Format", "register_format"),
    "fusion": ("fuse",),
    "predictor": ("Predictor", "load_exported"),
    "sidecar": ("SideCar", "read_sidecar", "sidecar_path"),
    "verify": ("check_fused",),
}


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"acmix.export.{module}"), name)
    raise AttributeError(f"module 'acmix.export' has no attribute '{name}'")
