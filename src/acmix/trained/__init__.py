"""Small networks that come with this package, trained by its own recipes.

Where a file of weights is asked for, their names stand for the files: ``acmix predict NAME``,
``acmix.load(NAME)``, ``pretrained=NAME``. ``acmix list --trained`` shows them. The index and the
files are written by ``scripts/keep_trained.py``.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from acmix.errors import check
from acmix.utils.files import sha256_of

FOLDER = Path(__file__).parent
INDEX = "index.json"


class Trained(NamedTuple):
    """A network of the index."""

    file: str
    """Name of the file in the folder of this package."""
    sha256: str
    """Digest of the file."""
    bytes: int
    """Size of the file."""
    recipe: str
    """Configuration in the repository that trained it."""
    data: str
    """Name of the data set."""
    network: str
    """Registered name."""
    parameters: int
    """Number of trained parameters."""
    metric: str
    """Title of the metric."""
    value: float
    """Its value on the validation split."""
    epochs: float
    """Length of the training."""
    machine: str
    """Where it was trained."""
    commit: str | None
    """Version of the package that trained it."""


@cache
def trained_networks() -> dict[str, Trained]:
    """Return the networks of the index by name."""
    file = FOLDER / INDEX
    content: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.is_file() else {}
    return {name: Trained(**entry) for name, entry in content.items()}


def weights_path(name: str | Path) -> Path:
    """Return the file of a trained network; other paths, and names of existing files, as they are.

    Raises:
        UserError: the file of the trained network is missing or damaged.
    """
    path = Path(name)
    entry = trained_networks().get(str(name))
    if entry is None or path.exists():
        return path
    file = FOLDER / entry.file
    check(
        file.is_file() and sha256_of(file) == entry.sha256,
        f"{file} is missing or damaged; install acmix again, or train {name} by {entry.recipe}.",
    )
    return file
