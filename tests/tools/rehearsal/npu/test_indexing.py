"""Gathers, scatters and sorts of the software NPU against loops and MindSpore's CPU operators."""

import numpy as np
import pytest
from calls import Scalar, aclnn, aclop
from mindspore import ops
from oracle import close, randn, values


def ints(*numbers, dtype=np.int32):
    return np.array(numbers, dtype)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_slices_that_indices_name(axis):
    x, index = randn(4, 5, 6).swapaxes(0, 1), np.array([[2, 0, -1], [3, 2, 2]])
    wanted = np.stack([np.stack([x.take(int(i), axis) for i in row]) for row in index])
    wanted = np.moveaxis(wanted, (0, 1), (axis % 3, axis % 3 + 1))
    y = np.zeros_like(wanted)
    inputs = {"x": x, "indices": index, "axis": ints(axis, dtype=np.int64)[0]}
    aclop("GatherV2", inputs, {"y": y}, batch_dims=0, negative_index_support=True)
    np.testing.assert_array_equal(y, wanted)
    y[...] = 0
    inputs["indices"] = index % x.shape[axis]
    aclop("GatherV2", inputs, {"y": y}, batch_dims=0)
    np.testing.assert_array_equal(y, wanted)
    del inputs["axis"]
    y[...] = 0
    aclop("GatherV2D", inputs, {"y": y}, axis=axis)
    np.testing.assert_array_equal(y, wanted)
    if axis == 0:
        for name in ("Gather", "aclnnEmbedding"):
            y[...] = 0
            if name == "Gather":
                aclop(name, inputs, {"y": y})
            else:
                aclnn(name, x, inputs["indices"], y)
            np.testing.assert_array_equal(y, wanted)
    one = np.zeros_like(np.take(wanted, 0, axis % 3))
    aclnn("aclnnIndexSelect", x, axis, index[0], one)
    np.testing.assert_array_equal(one, np.take(wanted, 0, axis % 3))


def test_gathers_of_each_batch():
    x, index = randn(3, 5, 4), np.array([[0, 1], [4, 2], [3, 3]])
    y = np.zeros((3, 2, 4), np.float32)
    aclop("GatherV2", {"x": x, "indices": index, "axis": ints(1)[0]}, {"y": y}, batch_dims=1)
    for i, j in np.ndindex(index.shape):
        np.testing.assert_array_equal(y[i, j], x[i, index[i, j]])


@pytest.mark.parametrize(
    ("index", "negative", "worst"), [([0, 4], True, 4), ([-5], True, -5), ([1, -1], False, -1)]
)
def test_indices_outside_of_an_axis_are_refused(index, negative, worst):
    y = np.zeros((len(index), 2), np.float32)
    inputs = {"x": randn(4, 2), "indices": ints(*index), "axis": ints(0)[0]}
    with pytest.raises(AssertionError, match=f"index {worst} is outside of an axis of 4"):
        aclop("GatherV2", inputs, {"y": y}, batch_dims=0, negative_index_support=negative)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_numbers_that_indices_name_and_their_gradient(axis):
    x = randn(3, 4, 5)
    index = np.random.RandomState(1).randint(0, 3, (2, 3, 4))  # shorter than x, with doubles
    wanted, sums = np.zeros(index.shape, np.float32), np.zeros_like(x)
    gradient = randn(*index.shape, seed=2)
    for place in np.ndindex(index.shape):
        source = list(place)
        source[axis] = index[place]
        wanted[place] = x[tuple(source)]
        sums[tuple(source)] += gradient[place]
    y, dim = np.zeros_like(wanted), ints(axis)[0]
    for call in (
        lambda: aclnn("aclnnGather", x, axis, index, y),
        lambda: aclop("GatherElements", {"x": x, "index": index}, {"y": y}, dim=axis),
        lambda: aclop("GatherD", {"x": x, "dim": dim, "index": index}, {"y": y}),
    ):
        y[...] = 0
        call()
        np.testing.assert_array_equal(y, wanted)

    total, back, again = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    aclnn("aclnnScatterAdd", x, axis, index, gradient, total)
    close(total, x + sums)
    inputs = {"x": x, "index": index, "grad": gradient}
    aclop("CustGatherDGradV2", inputs, {"output": back}, dim=axis)
    close(back, sums)
    inputs = {"data": x, "indices": index, "updates": gradient}
    aclop("ScatterElements", inputs, {"y": again}, axis=axis, reduction="add")
    close(again, total)


def test_numbers_written_where_indices_say():
    x, index, new = randn(3, 4), ints([1, -1], [0, 2]), randn(2, 2, seed=1)
    wanted, y = x.copy(), np.zeros_like(x)
    for i, j in np.ndindex(2, 2):
        wanted[i, index[i, j]] = new[i, j]
    inputs = {"data": x, "indices": index, "updates": new}
    aclop("ScatterElements", inputs, {"y": y}, axis=1, reduction="none")
    np.testing.assert_array_equal(y, wanted)
    with pytest.raises(AssertionError, match="reduction mul is not known"):
        aclop("ScatterElements", inputs, {"y": y}, axis=1, reduction="mul")


def test_slices_at_coordinates():
    x, index = randn(3, 4, 5), ints([2, 0], [1, -1])
    y, again = np.zeros((2, 5), np.float32), np.zeros((2, 5), np.float32)
    aclnn("aclnnGatherNd", x, index, True, y)
    aclop("GatherNd", {"x": x, "indices": index}, {"y": again}, negative_index_support=True)
    for found in (y, again):
        np.testing.assert_array_equal(found, np.stack([x[2, 0], x[1, 3]]))
    with pytest.raises(AssertionError, match="index -1 is outside of an axis of 4"):
        aclop("GatherNd", {"x": x, "indices": index}, {"y": again})


def test_indices_of_several_axes():
    x, rows, columns = randn(3, 4, 5), ints(0, 2), ints(1, -1)
    y = np.zeros((2, 5), np.float32)
    aclnn("aclnnIndex", x, [rows, columns], y)
    np.testing.assert_array_equal(y, np.stack([x[0, 1], x[2, 4 - 1]]))


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_one_hot(axis):
    classes = ints([0, 2, 5], [1, -1, 2])  # two of them are none of the four
    wanted = np.full((2, 3, 4), -1.0, np.float32)
    for i, j in np.ndindex(2, 3):
        if 0 <= classes[i, j] < 4:
            wanted[i, j, classes[i, j]] = 3
    wanted = np.moveaxis(wanted, -1, axis)
    on, off, depth = np.float32(3), np.float32(-1), ints(4)[0]
    for call in (
        lambda y: aclnn("aclnnOneHot", classes, 4, np.array([on]), np.array([off]), axis, y),
        lambda y: aclop(
            "OneHot",
            {"x": classes, "depth": depth, "on_value": on, "off_value": off},
            {"y": y},
            axis=axis,
        ),
        lambda y: aclop(
            "OneHotD",
            {"x": classes, "on_value": on, "off_value": off},
            {"y": y},
            depth=4,
            axis=axis,
        ),
    ):
        y = np.zeros_like(wanted)
        call(y)
        np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int32])
def test_sums_of_segments(dtype):
    x = (randn(4, 2, 3) * 9).astype(dtype)
    segments = ints([2, 0], [-1, 2], [0, 0], [3, 2])  # a negative one is left out
    wanted, y = np.zeros((5, 3), np.float64), np.zeros((5, 3), dtype)
    for place in np.ndindex(segments.shape):
        if segments[place] >= 0:
            wanted[segments[place]] += x[place]
    inputs = {"x": x, "segment_ids": segments, "num_segments": ints(5)[0]}
    aclop("UnsortedSegmentSum", inputs, {"y": y})
    np.testing.assert_allclose(y, wanted, rtol=1e-3 if dtype == np.float16 else 1e-5)
    with pytest.raises(AssertionError, match="index 3 is outside of an axis of 3"):
        aclop("UnsortedSegmentSum", inputs | {"num_segments": ints(3)[0]}, {"y": y[:3]})


def test_sums_of_no_rows_are_zeros():
    y = np.ones((2, 3), np.float32)
    inputs = {"x": randn(2, 3), "segment_ids": ints(-1, -1), "num_segments": ints(2)[0]}
    aclop("UnsortedSegmentSum", inputs, {"y": y})
    assert not y.any()


@pytest.mark.parametrize("axis", [0, 1])
def test_slices_added_where_an_index_says(axis):
    x, index = randn(4, 4), ints(3, 0, 3)
    source = randn(*((3, 4) if axis == 0 else (4, 3)), seed=1)
    wanted = x.copy()
    for i, row in enumerate(index):
        if axis == 0:
            wanted[row] += 2 * source[i]
        else:
            wanted[:, row] += 2 * source[:, i]
    y = np.zeros_like(x)
    aclnn("aclnnIndexAdd", x, axis, index, source, Scalar(2.0), y)
    close(y, wanted)
    own = x.copy()
    inputs = {"var": own, "indices": index, "updates": 2 * source}
    aclop("InplaceIndexAdd", inputs, {"var": own}, axis=axis)
    close(own, wanted)


@pytest.mark.parametrize("by_frequency", [False, True])
def test_gradients_of_an_embedding(by_frequency):
    gradient, indices = randn(2, 3, 4), np.array([[0, 2, 2], [3, 2, 0]])
    wanted, y = np.zeros((5, 4), np.float32), np.zeros((5, 4), np.float32)
    for place in np.ndindex(indices.shape):
        row = indices[place]
        if row != 3:  # the padding
            wanted[row] += gradient[place] / ((indices == row).sum() if by_frequency else 1)
    aclnn("aclnnEmbeddingDenseBackward", gradient, indices, 5, 3, by_frequency, y)
    close(y, wanted)


@pytest.mark.parametrize("update", [False, True])
def test_slices_written_or_added_at_coordinates(update):
    x, index, new = randn(4, 3, 2), ints([[1, 2]], [[0, -1]]), randn(2, 1, 2, seed=1)
    index = index if update else np.concatenate([index, index[:1]])  # one of them twice
    new = new if update else np.concatenate([new, new[:1]])
    wanted = x.copy()
    for place in np.ndindex(index.shape[:2]):
        row, column = index[place]
        wanted[row, column] = new[place] if update else wanted[row, column] + new[place]
    kind, y, own = "Update" if update else "Add", np.zeros_like(x), x.copy()
    aclop(f"TensorScatter{kind}", {"x": x, "indices": index, "updates": new}, {"y": y})
    close(y, wanted)
    aclop(f"ScatterNd{kind}", {"var": own, "indices": index, "updates": new}, {"var": own})
    close(own, wanted)
    if not update:
        aclop("ScatterNd", {"indices": index, "x": new, "shape": ints(4, 3, 2)}, {"y": y})
        close(y, wanted - x)
        own[...] = x
        aclnn("aclnnTfScatterAdd", own, index, new)
        close(own, wanted)


@pytest.mark.parametrize("update", [False, True])
def test_rows_written_or_added(update):
    x, index, new = randn(4, 3), ints([2], [0]), randn(2, 1, 3, seed=1)
    wanted, own = x.copy(), x.copy()
    for i, row in enumerate(index[:, 0]):
        wanted[row] = new[i, 0] if update else wanted[row] + new[i, 0]
    inputs = {"var": own, "indices": index, "updates": new}
    aclop("ScatterUpdate" if update else "ScatterAdd", inputs, {"var": own})
    close(own, wanted)


@pytest.mark.parametrize("largest", [True, False])
def test_the_first_of_an_axis(largest):
    x = np.random.RandomState(0).randint(0, 5, (3, 7, 2)).astype(np.float16)  # many are equal
    wanted = [
        [sorted(range(7), key=lambda i: -x[a, i, b] if largest else x[a, i, b]) for b in range(2)]
        for a in range(3)
    ]
    wanted = np.swapaxes(wanted, 1, 2)[:, :4]
    y, places = np.zeros((3, 4, 2), np.float16), np.zeros((3, 4, 2), np.int64)
    aclnn("aclnnTopk", x, 4, 1, largest, True, y, places)
    np.testing.assert_array_equal(places, wanted)
    np.testing.assert_array_equal(y, np.take_along_axis(x, places, 1))
    for name in ("TopK", "TopKV2"):
        y, own = np.zeros((3, 4, 2), np.float16), np.zeros((3, 4, 2), np.int32)
        words = dict(sorted=True, dim=1, largest=largest)
        aclop(name, {"x": x, "k": ints(4)[0]}, {"values": y, "indices": own}, **words)
        np.testing.assert_array_equal(own, wanted)


def test_the_largest_by_mindspores_words():
    x, (y, places) = randn(3, 9), (np.zeros((3, 2), np.float32), np.zeros((3, 2), np.int32))
    aclop("TopK", {"x": x, "k": ints(2)[0]}, {"values": y, "indices": places}, sorted=True)
    wanted = values(lambda x: ops.TopK()(x, 2), x)
    np.testing.assert_array_equal(y, wanted[0])
    np.testing.assert_array_equal(places, wanted[1])


@pytest.mark.parametrize("descending", [False, True])
def test_sorts(descending):
    x = np.array([[3, np.nan, -np.inf, 3, np.inf, 0]], np.float32).repeat(2, 0)
    order = [1, 4, 0, 3, 5, 2] if descending else [2, 5, 0, 3, 4, 1]
    y, places = np.zeros_like(x), np.zeros(x.shape, np.int64)
    aclnn("aclnnSort", x, True, -1, descending, y, places)
    assert places.tolist() == [order, order]
    np.testing.assert_array_equal(y[0], x[0, order])
    own = np.zeros(x.shape, np.int32)
    aclop("Sort", {"x": x}, {"y1": y, "y2": own}, axis=-1, descending=descending)
    assert own.tolist() == [order, order]
