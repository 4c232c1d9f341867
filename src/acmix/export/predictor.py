"""Load exported files as functions from images to outputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from acmix.errors import check
from acmix.export.formats import FORMATS
from acmix.export.outputs import Outputs
from acmix.export.sidecar import SideCar, read_sidecar
from acmix.utils.files import sha256_of


class Predictor:
    """Exported network: a function from images float32 (B, C, H, W) to outputs.

    The images must be preprocessed by the transform ``sidecar.preprocess``.
    """

    def __init__(self, run: Callable[[np.ndarray], Outputs], sidecar: SideCar):
        self._run = run
        self.sidecar = sidecar

    def __call__(self, images: np.ndarray) -> Outputs:
        """Return the outputs for ``images``; a tuple if the network has several.

        Raises:
            UserError: the shape differs from the exported one. MindIR would accept a wrong batch
                size silently, and could compute with shapes folded into the graph.
        """
        images = np.ascontiguousarray(images, dtype=self.sidecar.input_dtype)
        self.sidecar.check_input_shape(images.shape)
        return self._run(images)


def load_exported(path: str | Path) -> Predictor:
    """Load a file written by :func:`acmix.export.export_model`.

    Args:
        path: model file next to its metadata file (side-car) ``<path>.json``.

    Raises:
        UserError: a file is missing, the metadata is invalid or belongs to another model file, or
            no installed package can run the format.
    """
    path = Path(path)
    check(path.is_file(), f"model: {path} does not exist; 'acmix export' writes one.")
    sidecar = read_sidecar(path)
    check(
        sha256_of(path) == sidecar.sha256,
        f"model: {path} is not the file its side-car describes (sha256 differs); "
        "copy both again, or export again.",
    )
    return Predictor(FORMATS[sidecar.format].load_runner(path), sidecar)
