"""The embedded digits: a stratified, fixed split that decodes back to scikit-learn's scans."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from acmix.data.decode import decode
from acmix.data.digits import digits


def test_splits_are_disjoint_complete_and_stratified():
    train, val = digits("train"), digits("val")
    assert set(train.names).isdisjoint(val.names)
    assert len(train) + len(val) == 1797
    assert train.classes == val.classes == tuple("0123456789")
    share = np.bincount(val.labels) / np.bincount(train.labels + val.labels)
    assert np.all((share > 0.19) & (share <= 0.2))


def test_scans_survive_encoding_and_keep_their_labels():
    scans = load_digits()
    val = digits("val")
    for i in range(0, len(val), 37):
        original = int(val.names[i].split()[1])
        pixels = np.asarray(decode(val.read(i), 1)).astype(float)
        assert np.abs(pixels * 16 / 255 - scans.images[original]).max() < 0.04
        assert val.labels[i] == scans.target[original]
