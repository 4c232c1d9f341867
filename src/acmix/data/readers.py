"""Functions from the index of a sample to its encoded image.

They are objects instead of closures, since worker processes receive the data set as a pickle.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from acmix.data.files import read_image_file


@dataclass(frozen=True)
class FileReader:
    """Reads image files.

    Attributes:
        files: paths.
        folder: what they are relative to.
    """

    files: Sequence[str]
    folder: str = ""

    def __call__(self, index: int) -> bytes:
        """Return the content of file ``index``.

        Raises:
            OSError: the file cannot be read.
        """
        return read_image_file(os.path.join(self.folder, self.files[index]))


@dataclass(frozen=True)
class Chosen:
    """Reads some of the samples of another reader.

    Attributes:
        read: the other reader.
        indices: of the samples, in their order here.
    """

    read: Callable[[int], bytes]
    indices: Sequence[int]

    def __call__(self, index: int) -> bytes:
        """Return the encoded image of sample ``index`` of those chosen."""
        return self.read(self.indices[index])
