"""Makes CIFAR's files, small, in both published forms, for the tests of acmix.data."""

from __future__ import annotations

import pickle
import struct

import numpy as np

FILES = {
    "cifar10": {"train": [f"data_batch_{n}" for n in range(1, 6)], "val": ["test_batch"]},
    "cifar100": {"train": ["train"], "val": ["test"]},
}
FOLDERS = {
    "cifar10": ("cifar-10-batches-bin", "cifar-10-batches-py"),
    "cifar100": ("cifar-100-binary", "cifar-100-python"),
}
NAMES = {
    "label_names": [f"class {n}" for n in range(10)],
    "fine_label_names": [f"fine {n}" for n in range(100)],
    "coarse_label_names": [f"coarse {n}" for n in range(20)],
}


def content(name, split, count=4):
    """Pixels (n, 3, 32, 32) uint8 and labels (n, 1 or 2) of each file."""
    rng = np.random.default_rng([len(name), len(split)])
    kinds = (10,) if name == "cifar10" else (20, 100)
    return [
        (
            rng.integers(256, size=(count, 3, 32, 32), dtype=np.uint8),
            np.stack([rng.integers(kind, size=count) for kind in kinds], axis=1),
        )
        for _ in FILES[name][split]
    ]


def write_binary(root, name):
    folder = root / FOLDERS[name][0]
    folder.mkdir(parents=True)
    for split, files in FILES[name].items():
        for file, (pixels, labels) in zip(files, content(name, split), strict=True):
            rows = [labels.astype(np.uint8), pixels.reshape(len(pixels), -1)]
            (folder / f"{file}.bin").write_bytes(np.concatenate(rows, axis=1).tobytes())
    if name == "cifar10":
        (folder / "batches.meta.txt").write_text("\n".join(NAMES["label_names"]) + "\n\n")
    else:
        for kind in ("fine", "coarse"):
            text = "\n".join(NAMES[f"{kind}_label_names"])
            (folder / f"{kind}_label_names.txt").write_text(text)
    return folder


def write_python(root, name, dump=None):
    """``dump``: pickles an object; by default as Python 2 did, see :func:`dump_python_2`."""
    dump = dump or dump_python_2
    folder = root / FOLDERS[name][1]
    folder.mkdir(parents=True)
    for split, files in FILES[name].items():
        for file, (pixels, labels) in zip(files, content(name, split), strict=True):
            tree = {"batch_label": file, "data": pixels.reshape(len(pixels), -1)}
            keys = ("labels",) if name == "cifar10" else ("coarse_labels", "fine_labels")
            tree |= {key: labels[:, place].tolist() for place, key in enumerate(keys)}
            (folder / file).write_bytes(dump(tree))
    if name == "cifar10":
        (folder / "batches.meta").write_bytes(dump({"label_names": NAMES["label_names"]}))
    else:
        meta = {key: value for key, value in NAMES.items() if key != "label_names"}
        (folder / "meta").write_bytes(dump(meta))
    return folder


def dump_python_2(tree):
    """Return the program that Python 2 wrote for a dict: texts and arrays are strings of bytes."""
    items = b"".join(_text(key) + _value(value) for key, value in tree.items())
    return b"\x80\x02}(" + items + b"u."


def dump_python_3(protocol):
    return lambda tree: pickle.dumps(tree, protocol)


def _text(text):
    content = text.encode("latin-1") if isinstance(text, str) else text
    return b"T" + struct.pack("<i", len(content)) + content


def _value(value):
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        one = (lambda each: _text(each)) if isinstance(value[0], str) else _integer
        return b"](" + b"".join(map(one, value)) + b"e"
    shape = _integer(value.shape[0]) + _integer(value.shape[1]) + b"\x86"
    kind = b"cnumpy\ndtype\n(" + _text("u1") + b"K\x00K\x01tR(K\x03" + _text("|") + b"NNN"
    kind += b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + _text("b") + b"tR"
    return array + b"(K\x01" + shape + kind + b"\x89" + _text(value.tobytes()) + b"tb"


def _integer(value):
    return b"J" + struct.pack("<i", value)
