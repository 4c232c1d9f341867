"""Convert weights from and to PyTorch, with the names of the official implementations."""

from acmix.convert.dialects import Official
from acmix.convert.families import describe_head
from acmix.convert.files import check_state_file, read_state, write_state
from acmix.convert.state import (
    Report,
    classes_of,
    count_classes,
    load_torch_state,
    official_state,
    torch_names,
    torch_state,
)
from acmix.convert.with_backbone import BACKBONE

__all__ = [
    "BACKBONE",
    "Official",
    "Report",
    "check_state_file",
    "classes_of",
    "count_classes",
    "describe_head",
    "load_torch_state",
    "official_state",
    "read_state",
    "torch_names",
    "torch_state",
    "write_state",
]
