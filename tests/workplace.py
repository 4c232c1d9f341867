"""A folder with what the documents' examples name: images, and weights of a small Swin-T."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import mindspore as ms
import numpy as np
from data.image_files import encode, make_folder, pattern
from export.random_weights import draw_anew

from acmix.convert import torch_state, write_state
from acmix.models.registry import MODELS, create_model

SMALL = {"embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 2, 2), "window_size": 4}


def make_workplace(folder, monkeypatch):
    """Enter ``folder``, write ``swin_tiny.safetensors``, ``cat.jpg`` and the folder ``animals``.

    Until the test ends, Swin-T and its twin are small under their own names.
    """
    monkeypatch.chdir(folder)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    for name in ("swin_tiny", "acmix_swin_tiny"):
        entry = MODELS[name]
        small = replace(entry, arguments={**entry.arguments, **SMALL})
        monkeypatch.setitem(MODELS._entries, name, small)
    plain = draw_anew(create_model("swin_tiny", num_classes=5), np.random.default_rng(0))
    write_state(torch_state(plain), "swin_tiny.safetensors")
    Path("cat.jpg").write_bytes(encode(pattern(40, 60), "JPEG"))
    make_folder(Path("animals"), size=(32, 40))
