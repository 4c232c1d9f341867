"""Networks as files for other machines, with what is needed to feed them, and back."""

from acmix.export.exporter import ExportReport, check_export, export_model
from acmix.export.fusion import fuse
from acmix.export.predictor import Predictor, load_exported
from acmix.export.sidecar import FORMATS, SideCar, read_sidecar, sidecar_path
from acmix.export.verify import check_fused
from acmix.export.writer import Exported

__all__ = [
    "FORMATS",
    "ExportReport",
    "Exported",
    "Predictor",
    "SideCar",
    "check_export",
    "check_fused",
    "export_model",
    "fuse",
    "load_exported",
    "read_sidecar",
    "sidecar_path",
]
