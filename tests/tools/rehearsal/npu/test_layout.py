"""Joins, splits, axes and pads of the software NPU against MindSpore's CPU operators and plain
indexing."""

from itertools import pairwise

import numpy as np
import pytest
from calls import Scalar, aclnn, aclop
from mindspore import ops
from oracle import close, gradients, randn, values


def ints(*numbers, dtype=np.int64):
    return np.array(numbers, dtype)


@pytest.mark.parametrize("axis", [1, -2])
def test_joins(axis):
    parts = [randn(2, size, 3, seed=size) for size in (1, 3, 2)]
    parts[1] = np.asfortranarray(parts[1])  # a view with strides
    wanted = values(lambda *x: ops.cat(x, axis), *parts)
    members = {f"x{i}": part for i, part in enumerate(parts)}
    y = np.zeros_like(wanted)
    for name in ("Concat", "ConcatV2"):
        y[...] = 0
        aclop(name, {**members, "concat_dim": ints(axis)[0]}, {"y": y}, N=3)
        np.testing.assert_array_equal(y, wanted)
    for name in ("ConcatD", "ConcatV2D"):
        y[...] = 0
        aclop(name, members, {"y": y}, N=3, concat_dim=axis)
        np.testing.assert_array_equal(y, wanted)
    y[...] = 0
    aclnn("aclnnCat", parts, axis, y)
    np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_stacks(axis):
    parts = [randn(2, 3, seed=i).astype(np.float16) for i in range(4)]
    wanted = values(lambda *x: ops.stack(x, axis), *parts)
    y, again = np.zeros_like(wanted), np.zeros_like(wanted)
    aclnn("aclnnStack", parts, axis, y)
    aclop("Pack", {f"x{i}": part for i, part in enumerate(parts)}, {"y": again}, axis=axis, N=4)
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(again, wanted)
    back = [np.zeros((2, 3), np.float16) for _ in parts]
    aclop("Unpack", {"x": y}, {f"y{i}": one for i, one in enumerate(back)}, axis=axis, num=4)
    np.testing.assert_array_equal(back, parts)


@pytest.mark.parametrize("sizes", [(2, 2, 2), (2, 2, 1), (1, 4)])
@pytest.mark.parametrize("axis", [1, -2])
def test_splits(sizes, axis):
    x = randn(2, sum(sizes), 3)
    starts = np.cumsum([0, *sizes])
    wanted = [x[:, a:b] for a, b in pairwise(starts)]
    found = [np.zeros_like(one) for one in wanted]
    named = {f"y{i}": one for i, one in enumerate(found)}

    def check():
        for one, own in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, own)
            one[...] = 0

    aclnn("aclnnSplitWithSize", x, list(sizes), axis, found)
    check()
    count, unknown = len(sizes), [*sizes[:-1], -1]
    inputs = {"x": x, "size_splits": ints(*unknown), "split_dim": ints(axis)[0]}
    aclop("SplitV", inputs, named, num_split=count)
    check()
    aclop("SplitVD", {"x": x}, named, size_splits=unknown, split_dim=axis, num_split=count)
    check()
    if sizes[0] > 1:
        aclnn("aclnnSplitTensor", x, sizes[0], axis, found)
        check()
    if len(set(sizes)) == 1:
        aclop("Split", {"split_dim": ints(axis)[0], "x": x}, named, num_split=count)
        check()
        aclop("SplitD", {"x": x}, named, split_dim=axis, num_split=count)
        check()


def test_slices_and_their_gradient():
    x, wanted = randn(4, 5), np.zeros((2, 4), np.float32)
    for i, j in np.ndindex(2, 4):
        wanted[i, j] = x[i + 1, j + 1]
    for size in ((2, 4), (2, -1)):
        y, again = np.zeros_like(wanted), np.zeros_like(wanted)
        aclop("Slice", {"x": x, "offsets": ints(1, 1), "size": ints(*size)}, {"y": y})
        aclop("SliceD", {"x": x}, {"y": again}, offsets=[1, 1], size=list(size))
        np.testing.assert_array_equal(y, wanted)
        np.testing.assert_array_equal(again, wanted)
        found = np.ones_like(x)
        inputs = {"dy": wanted, "x": x, "begin": ints(1, 1, dtype=np.int32), "size": ints(*size)}
        aclop("CustSliceGrad", inputs, {"dx": found})
        np.testing.assert_array_equal(found, np.pad(wanted, ((1, 1), (1, 0))))


def test_a_slice_outside_of_an_axis_is_refused():
    y = np.zeros((2, 5), np.float32)
    inputs = {"x": randn(4, 5), "offsets": ints(3, 0), "size": ints(2, 5)}
    with pytest.raises(AssertionError, match="2 from 3 on is outside of an axis of 4"):
        aclop("Slice", inputs, {"y": y})


STRIDED = {  # begin, end, strides, masks: of begin, end, ellipsis, new axes, single places
    "plain": ((1, 0, 2), (3, 4, 5), (1, 1, 1), (0, 0, 0, 0, 0)),
    "steps": ((0, 0, 0), (4, 5, 6), (2, 3, 1), (0, 0, 0, 0, 0)),
    "to the ends": ((9, 1, 9), (9, 3, 9), (1, 1, 1), (0b101, 0b101, 0, 0, 0)),
    "from behind": ((-3, -1, 0), (-1, -5, 6), (1, -1, 1), (0, 0, 0, 0, 0)),
    "all reversed": ((0, 0, 0), (4, 0, 6), (1, -1, 1), (0b010, 0b010, 0, 0, 0)),
    "a place": ((1, -1, 0), (2, 9, 6), (1, 1, 1), (0, 0, 0, 0, 0b011)),
    "an ellipsis": ((0, 2), (0, 3), (1, 1), (0, 0, 0b01, 0, 0b10)),
    "a new axis": ((0, 0, 1), (0, 0, 4), (1, 1, 1), (0, 0, 0b010, 0b001, 0)),
    "beyond the end": ((0, 0, 4), (99, 99, 99), (1, 1, 1), (0, 0, 0, 0, 0)),
    "nothing": ((2, 0, 0), (2, 5, 6), (1, 1, 1), (0, 0, 0, 0, 0)),
    "fewer entries": ((1,), (3,), (1,), (0, 0, 0, 0, 0)),
}
PICKED = {
    "plain": lambda x: x[1:3, 0:4, 2:5],
    "steps": lambda x: x[::2, ::3],
    "to the ends": lambda x: x[:, 1:3],
    "from behind": lambda x: x[-3:-1, -1:-5:-1],
    "all reversed": lambda x: x[:, ::-1],
    "a place": lambda x: x[1, -1],
    "an ellipsis": lambda x: x[..., 2],
    "a new axis": lambda x: x[None, ..., 1:4],
    "beyond the end": lambda x: x[:, :, 4:],
    "nothing": lambda x: x[2:2],
    "fewer entries": lambda x: x[1:3],
}


@pytest.mark.parametrize("case", STRIDED)
def test_strided_slices_and_their_gradient(case):
    begin, end, strides, masks = STRIDED[case]
    words = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    masks = dict(zip(words, masks, strict=True))
    x = randn(4, 5, 6)
    wanted = PICKED[case](x)
    y, again = np.zeros_like(wanted), np.zeros_like(wanted)
    entries = {"begin": ints(*begin), "end": ints(*end), "strides": ints(*strides)}
    aclop("StridedSlice", {"x": x, **entries}, {"y": y}, **masks)
    np.testing.assert_array_equal(y, wanted)
    lists = {"begin": list(begin), "end": list(end), "strides": list(strides)}
    aclop("StridedSliceD", {"x": x}, {"y": again}, **lists, **masks)
    np.testing.assert_array_equal(again, wanted)

    gradient, whole, found = randn(*wanted.shape, seed=1), np.zeros_like(x), np.ones_like(x)
    PICKED[case](whole)[...] = gradient
    inputs = {"shape": ints(*x.shape), **entries, "dy": gradient}
    aclop("StridedSliceGrad", inputs, {"output": found}, **masks)
    np.testing.assert_array_equal(found, whole)


def test_a_slice_of_one_axis():
    x, y = randn(3, 7), np.zeros((3, 3), np.float32)
    aclnn("aclnnSlice", x, -1, -6, 7, 2, y)
    np.testing.assert_array_equal(y, x[:, [1, 3, 5]])


def test_axes_in_another_order():
    x, y = randn(2, 3, 4), np.zeros((4, 2, 3), np.float32)
    for call in (
        lambda: aclnn("aclnnPermute", x, [2, 0, -2], y),
        lambda: aclop("Transpose", {"x": x, "perm": ints(2, 0, 1)}, {"y": y}),
        lambda: aclop("TransposeD", {"x": x}, {"y": y}, perm=[2, 0, 1]),
    ):
        y[...] = 0
        call()
        for i, j, k in np.ndindex(x.shape):
            assert y[k, i, j] == x[i, j, k]


@pytest.mark.parametrize("repeats", [(2, 3), (2, 1, 3)])
def test_repeats(repeats):
    x = randn(2, 3)
    wanted = values(lambda x: ops.tile(x, repeats), x)
    for call in (
        lambda y: aclnn("aclnnRepeat", x, list(repeats), y),
        lambda y: aclop("Tile", {"x": x, "multiples": ints(*repeats)}, {"y": y}),
        lambda y: aclop("TileD", {"x": x}, {"y": y}, multiples=list(repeats)),
    ):
        y = np.zeros_like(wanted)
        call(y)
        np.testing.assert_array_equal(y, wanted)


def test_broadcasts():
    x = randn(3, 1)
    for call in (
        lambda y: aclnn("aclnnExpand", x, [2, -1, 4], y),
        lambda y: aclop("BroadcastTo", {"x": x, "shape": ints(2, 3, 4)}, {"y": y}),
        lambda y: aclop("Expand", {"x": x, "shape": ints(2, 3, 4)}, {"y": y}),
        lambda y: aclop("BroadcastToD", {"x": x}, {"y": y}, shape=[2, 3, 4]),
    ):
        y = np.zeros((2, 3, 4), np.float32)
        call(y)
        for i, j, k in np.ndindex(y.shape):
            assert y[i, j, k] == x[j, 0]


def test_shapes_of_the_same_numbers():
    x = randn(2, 1, 6).transpose(2, 1, 0)
    flat = [x[i, 0, j] for i in range(6) for j in range(2)]
    for name, inputs, shape, words in (
        ("Reshape", {"shape": ints(3, -1)}, (3, 4), {}),
        ("ExpandDims", {"axis": ints(-1)[0]}, (6, 1, 2, 1), {}),
        ("Unsqueeze", {}, (1, 6, 1, 2), dict(axes=[0])),
        ("Squeeze", {}, (6, 2), dict(axis=[1])),
        ("Squeeze", {}, (6, 2), {}),
        ("Flatten", {}, (6, 2), {}),
    ):
        y = np.zeros(shape, np.float32)
        aclop(name, {"x": x, **inputs}, {"y": y}, **words)
        assert y.ravel().tolist() == flat
    with pytest.raises(AssertionError, match="a shape of some axes only is not known"):
        aclop("Reshape", {"x": x, "shape": ints(12)}, {"y": np.zeros(12, np.float32)}, axis=1)


def test_reversed_and_shifted_axes():
    x, y = randn(3, 4), np.zeros((3, 4), np.float32)
    aclnn("aclnnFlip", x, [-1], y)
    np.testing.assert_array_equal(y, x[:, ::-1])
    aclop("ReverseV2", {"x": x, "axis": ints(0, 1)}, {"y": y})
    np.testing.assert_array_equal(y, x[::-1, ::-1])
    for call in (
        lambda: aclnn("aclnnRoll", x, [1, -2], [0, 1], y),
        lambda: aclop("Roll", {"x": x}, {"y": y}, shifts=[1, -2], dims=[0, 1]),
    ):
        y[...] = 0
        call()
        for i, j in np.ndindex(x.shape):
            assert y[(i + 1) % 3, (j - 2) % 4] == x[i, j]
    aclnn("aclnnRoll", x, [1], [], y)
    assert y.ravel()[1:].tolist() == x.ravel()[:-1].tolist()


def test_grids_and_triangles():
    found = np.zeros((2, 4, 3), np.float32)
    inputs = {"x0": randn(3), "x1": randn(4, seed=1)}
    aclop("Meshgrid", inputs, {"y0": found[0], "y1": found[1]}, indexing="xy")
    for i, j in np.ndindex(4, 3):
        assert found[:, i, j].tolist() == [inputs["x0"][j], inputs["x1"][i]]
    x, y = randn(2, 3, 4), np.zeros((2, 3, 4), np.float32)
    for name, kept in (("Tril", lambda i, j: j <= i + 1), ("Triu", lambda i, j: j >= i + 1)):
        mask = np.array([[kept(i, j) for j in range(4)] for i in range(3)])
        y[...] = 0
        aclop(name, {"x": x}, {"y": y}, diagonal=1)
        np.testing.assert_array_equal(y, np.where(mask, x, 0))
        y[...] = 0
        aclnn(f"aclnn{name}", x, 1, y)
        np.testing.assert_array_equal(y, np.where(mask, x, 0))


def test_constant_pads():
    x = randn(2, 3)
    wanted = np.full((3, 6), 7.0, np.float32)
    wanted[1:, 1:4] = x
    y, pairs = np.zeros_like(wanted), ints(1, 0, 1, 2)
    for call in (
        lambda: aclnn("aclnnConstantPadNd", x, [1, 2, 1, 0], Scalar(7.0), y),
        lambda: pad_v3(x, pairs, y, np.float32(7)),
        lambda: pad_v3(x, ints(1, 1, 0, 2), y, np.float32(7), paddings_contiguous=False),
    ):
        y[...] = 0
        call()
        np.testing.assert_array_equal(y, wanted)
    for call in (
        lambda: aclop("Pad", {"x": x, "paddings": pairs.reshape(2, 2)}, {"y": y}),
        lambda: aclop("PadD", {"x": x}, {"y": y}, paddings=[[1, 0], [1, 2]]),
    ):
        call()
        np.testing.assert_array_equal(y, np.where(wanted == 7, 0, wanted))
    y = np.zeros((2, 3), np.float32)
    aclnn("aclnnConstantPadNd", x, [-1, 1], Scalar(7.0), y)  # a negative pad cuts
    np.testing.assert_array_equal(y, np.array([[*row[1:], 7] for row in x]))


def pad_v3(x, paddings, y, value, **words):
    inputs = {"x": x, "paddings": paddings, "constant_values": value}
    aclop("PadV3", inputs, {"y": y}, mode="constant", **words)


@pytest.mark.parametrize(("kind", "mode"), [("Reflection", "reflect"), ("Replication", "edge")])
@pytest.mark.parametrize("axes", [1, 2])
def test_mirrored_and_repeated_pads_and_their_gradients(kind, mode, axes):
    x, flat = randn(2, 3, 5, 4)[0 if axes == 1 else slice(None)], [2, 1, 1, 2][: 2 * axes]

    def function(x):
        return ops.pad(x, flat, {"edge": "replicate"}.get(mode, mode))

    wanted = values(function, x)
    gradient, y, found = randn(*wanted.shape, seed=1), np.zeros_like(wanted), np.zeros_like(x)
    of_x = gradients(function, gradient, x)[0]
    aclnn(f"aclnn{kind}Pad{axes}d", x, flat, y)
    aclnn(f"aclnn{kind}Pad{axes}dBackward", gradient, x, flat, found)
    close(y, wanted)
    close(found, of_x)

    pairs = [(0, 0)] * (x.ndim - axes) + [(1, 2), (2, 1)][-axes:]
    paddings = ints(*sum(pairs, ()))
    y[...], found[...] = 0, 0
    aclop("PadV3", {"x": x, "paddings": paddings}, {"y": y}, mode=mode, paddings_contiguous=True)
    aclop("PadV3Grad", {"x": gradient, "paddings": paddings}, {"y": found}, mode=mode)
    close(y, wanted)
    close(found, of_x)
    if mode == "reflect":
        y[...], found[...] = 0, 0
        paddings = paddings.reshape(-1, 2)
        aclop("MirrorPad", {"x": x, "paddings": paddings}, {"y": y}, mode="REFLECT")
        words = {"x": gradient, "paddings": paddings}
        aclop("MirrorPadGrad", words, {"y": found}, mode="REFLECT")
        close(y, wanted)
        close(found, of_x)


@pytest.mark.parametrize("name", ["PadV3", "PadV3Grad", "MirrorPad"])
def test_pads_of_another_mode_are_refused(name):
    inputs = {"x": randn(3), "paddings": ints(1, 1)}
    with pytest.raises(AssertionError, match=f"{name}: mode wrap is not known"):
        aclop(name, inputs, {"y": np.zeros(5, np.float32)}, mode="wrap")
