"""Images of one shape share a call of the network; predictions keep the order of the images."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from acmix.errors import UserError
from acmix.workflows.batches import Unreadable, predict_batches
from acmix.workflows.predict import Loaded


class Reader:
    """Images are named ``SHAPE:VALUE``; a prediction is the value that the network saw."""

    def __init__(self):
        self.read_so_far = []

    def read(self, path):
        self.read_so_far.append(path)
        if path == "bad":
            raise UserError("bad is no image.")
        side, value = map(int, path.split(":"))
        return np.full((1, side, side), float(value), np.float32), path

    def interpret(self, path, outputs, context):
        assert context == path
        if np.isnan(outputs[0]):
            raise UserError(f"{path}: NaN")
        return SimpleNamespace(image=path, value=float(outputs[0]), pair=float(outputs[1][0]))


class Network:
    """Returns the mean of each image, and an array with a batch axis."""

    def __init__(self):
        self.calls = []

    def __call__(self, images):
        self.calls.append(images[:, 0, 0, 0].tolist())
        means = images.mean((1, 2, 3))
        return means, np.stack([2 * means, means], 1)


def predicted(names, batch_size):
    network, reader = Network(), Reader()
    found = list(predict_batches(network, reader, names, batch_size))
    return network.calls, found


def values(found):
    return [None if isinstance(one, Unreadable) else one.value for one in found]


@pytest.mark.parametrize(
    ("names", "calls"),
    [
        (["4:1", "4:2", "4:3", "4:4"], [[1, 2], [3, 4]]),
        (["4:1", "4:2", "4:3"], [[1, 2], [3, 3]]),  # the last batch is filled up
        (["4:1", "5:2", "4:3", "5:4"], [[1, 3], [2, 4]]),  # images of one shape meet
        (["4:1", "bad", "4:3"], [[1, 3]]),
        (["bad", "bad"], []),
        ([], []),
    ],
)
def test_each_call_has_different_images_of_one_shape(names, calls):
    made, found = predicted(names, 2)
    assert made == calls
    assert [one.image for one in found] == names
    assert values(found) == [None if n == "bad" else float(n.split(":")[1]) for n in names]
    assert all(one.pair == 2 * one.value for one in found if not isinstance(one, Unreadable))


def test_few_images_are_in_memory_whatever_their_shapes():
    reader, network = Reader(), Network()
    names = [f"{3 + i % 7}:{i}" for i in range(100)]
    for done, prediction in enumerate(predict_batches(network, reader, names, 4)):
        assert prediction.image == names[done]
        assert len(reader.read_so_far) <= done + 4 * 4 + 1
    assert done == 99


def test_images_are_read_while_the_network_computes_and_stay_in_order():
    slow = threading.Event()

    class Slow(Reader):
        def read(self, path):
            if path == "4:2":  # overtaken by what comes after it
                assert slow.wait(30)
            return super().read(path)

    reader = Slow()

    def network(images):
        deadline = time.monotonic() + 30
        while "4:3" not in reader.read_so_far and time.monotonic() < deadline:
            time.sleep(0.001)
        slow.set()
        return Network()(images)

    found = list(predict_batches(network, reader, ["4:1", "4:2", "4:3", "4:4"], 1))
    assert values(found) == [1, 2, 3, 4]
    assert reader.read_so_far.index("4:3") < reader.read_so_far.index("4:2")


def test_a_caller_that_has_seen_enough_ends_the_reading():
    reader = Reader()
    predictions = predict_batches(Network(), reader, (f"4:{i}" for i in range(1000)), 1)
    assert next(predictions).value == 0
    predictions.close()
    assert len(reader.read_so_far) < 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read")]


def test_outputs_that_are_no_numbers_end_the_work():
    with pytest.raises(UserError, match="4:2: NaN"):
        list(
            predict_batches(
                lambda images: (np.full(2, np.nan), np.zeros((2, 1))), Reader(), ["4:2"], 2
            )
        )


@pytest.mark.parametrize(
    ("images", "asked", "expected"),
    [(9, None, 5), (8, None, 8), (3, None, 3), (0, None, 1), (17, None, 6), (9, 2, 2), (1, 4, 1)],
)
def test_images_are_spread_evenly(images, asked, expected):
    loaded = Loaded("x", None, None, 8, is_fixed=False)
    assert loaded.batch_for(["a"] * images, asked) == expected
    assert loaded.batch_for(iter(["a"]), asked) == (asked or 8)


def test_an_exported_batch_size_is_kept():
    loaded = Loaded("net.onnx", None, None, 4, is_fixed=True)
    assert loaded.batch_for(["a"]) == loaded.batch_for(["a"] * 9, 4) == 4
    with pytest.raises(UserError, match=r"--batch-size 2: net\.onnx was exported for 4 images"):
        loaded.batch_for(["a"], 2)
