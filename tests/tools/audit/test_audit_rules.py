"""Every rule on a graph made to break it, and on one that just does not."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from acmix.tools.audit.audit import audit_graph
from acmix.tools.audit.rules import RULES, apply_rules
from acmix.tools.audit.verdict import Verdict
from acmix.tools.graphs import graph_of
from acmix.utils.mindir import Graph, Node, TensorType, Value


class Calls(nn.Cell):
    """A function as a network; the graph parser reads named functions only, no lambdas."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def construct(self, *inputs):
        return self.function(*inputs)


def shaped(*shape, dtype=ms.float32):
    return Tensor(shape=shape, dtype=dtype)


def compiled(function, *inputs):
    return graph_of(Calls(function), inputs)


def double(x):
    return x + x


def found(graph):
    return {
        (finding.rule, finding.verdict.value): finding.message for finding in apply_rules(graph)
    }


def made_of(*nodes, inputs=(), constants=()):
    return Graph("2.8.0", tuple(nodes), tuple(constants), (), tuple(inputs))


def node(operator, *inputs, shape=(2, 3), dtype="FLOAT", attributes=None):
    output = Value((TensorType(dtype, shape),), producer=operator)
    return Node(operator, "Default/somewhere", attributes or {}, inputs, output)


def tensor(*shape, dtype="FLOAT"):
    return Value((TensorType(dtype, shape),))


def literal(value):
    return Value(literal=value, constant=True)


def convolution(in_channels, out_channels, groups):
    conv = nn.Conv2d(in_channels, out_channels, 3, group=groups)
    return compiled(conv, shaped(1, in_channels, 6, 6))


def test_a_group_convolution_fails():
    graph = convolution(16, 32, 4)
    assert found(graph) == {
        ("group convolution", "FAIL"): "Conv2D has 4 groups and is not depthwise"
    }
    result = audit_graph(graph, "net")
    assert not result.passed()
    assert result.convolutions == {"Conv2D, group 4": 1}


@pytest.mark.parametrize(("channels", "groups", "name"), [(8, 8, "depthwise"), (8, 1, "group 1")])
def test_depthwise_and_ordinary_convolutions_pass(channels, groups, name):
    graph = convolution(channels, channels, groups)
    assert found(graph) == {}
    assert audit_graph(graph, "net").convolutions == {f"Conv2D, {name}": 1}


def test_a_channel_multiplier_is_not_depthwise():
    weights = tensor(16, 1, 3, 3)
    conv = node("Conv2D", tensor(1, 8, 6, 6), weights, attributes={"group": 8})
    assert ("group convolution", "FAIL") in found(made_of(conv))


def test_the_gradients_of_a_group_convolution_fail_too():
    conv = nn.Conv2d(8, 16, 3, group=4)

    def total(x):
        return conv(x).sum()

    gradient = ms.value_and_grad(total, 0, conv.trainable_params())
    graph = compiled(gradient, shaped(1, 8, 6, 6))
    failing = {f.message.split()[0] for f in apply_rules(graph) if f.rule == "group convolution"}
    assert failing == {"Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter"}


@pytest.mark.parametrize("attribute", ["format", "data_format"])
def test_channels_last_fails(attribute):
    pool = node("MaxPool", tensor(2, 6, 6, 3), attributes={attribute: "NHWC"})
    assert found(made_of(pool)) == {("channels last", "FAIL"): f"MaxPool has {attribute}='NHWC'"}


def test_float64_fails_wherever_it_is():
    def widen(x):
        return x.astype(ms.float64)

    graph = compiled(widen, shaped(2, 3))
    messages = {finding.message for finding in apply_rules(graph) if finding.rule == "float64"}
    assert "Cast gives float64" in messages
    assert not audit_graph(graph, "net").passed()
    constant = made_of(node("Add"), constants=[TensorType("DOUBLE", (2,))])
    assert found(constant) == {("float64", "FAIL"): "a constant is float64"}


def test_int64_is_to_be_reviewed():
    assert ("int64", "REVIEW") in found(compiled(double, shaped(2, dtype=ms.int64)))
    assert found(compiled(double, shaped(2, dtype=ms.int32))) == {}


def test_a_dynamic_batch_is_noted_and_a_dynamic_size_reviewed():
    assert list(found(compiled(double, shaped(None, 3, 8, 8)))) == [("dynamic batch", "note")]
    reviewed = found(compiled(double, shaped(2, 3, None, None)))
    assert list(reviewed) == [("dynamic size", "REVIEW")]
    (finding,) = apply_rules(compiled(double, shaped(2, 3, None, None)))
    assert finding.text.startswith("REVIEW at O2 and AIR, dynamic size: ")
    assert "2x3x-1x-1" in reviewed["dynamic size", "REVIEW"]


def test_a_shape_that_depends_on_values_is_to_be_reviewed():
    reviewed = found(compiled(ops.nonzero, shaped(4)))
    assert "NonZero" in reviewed["dynamic size", "REVIEW"]


@pytest.mark.parametrize(("rows", "rules"), [(8192, []), (8193, [("large constant", "REVIEW")])])
def test_constants_above_8_mib_are_to_be_reviewed(rows, rules):
    large = Tensor(np.random.default_rng(0).standard_normal((rows, 256)).astype(np.float32))

    def add(x):
        return x + large

    assert list(found(compiled(add, shaped(rows, 256)))) == rules


def test_a_computed_index_is_to_be_reviewed_and_a_constant_one_not():
    index = Tensor([2, 0], ms.int32)
    inputs = shaped(4, 20), shaped(2, dtype=ms.int32)

    def at_input(x, i):
        return ops.gather(x, i, 0)

    def at_constant(x, i):
        return ops.gather(x, index, 0)

    computed, constant = compiled(at_input, *inputs), compiled(at_constant, *inputs)
    assert ("computed index", "REVIEW") in found(computed)
    assert ("computed index", "REVIEW") not in found(constant)


@pytest.mark.parametrize(("axes", "rules"), [(5, []), (6, [("many axes", "REVIEW")])])
def test_transpositions_of_6_axes_are_to_be_reviewed(axes, rules):
    order = (*range(axes - 1, -1, -1),)

    def turn(x):
        return ops.transpose(x, order)

    assert list(found(compiled(turn, shaped(*(2,) * axes)))) == rules


def test_negative_axes_of_a_transposition_are_to_be_reviewed():
    turned = node("Transpose", tensor(2, 3), literal((-1, 0)), shape=(3, 2))
    assert list(found(made_of(turned))) == [("negative permutation", "REVIEW")]


def test_an_operator_with_nothing_but_aicpu_is_to_be_reviewed():
    assert list(found(made_of(node("Cholesky")))) == [("AICPU only", "REVIEW")]


@pytest.mark.parametrize(("boxes", "rules"), [(2864, []), (2865, [("boxes of NMS", "FAIL")])])
def test_more_boxes_than_nms_takes_fail(boxes, rules):
    assert list(found(compiled(ops.NMSWithMask(0.5), shaped(boxes, 5)))) == rules


def test_a_branch_is_noted():
    def choose(x):
        return x * 2 if x.sum() > 0 else x - 1

    assert ("branch", "note") in found(compiled(choose, shaped(4)))


@pytest.mark.parametrize(("count", "rules"), [(32, []), (33, [("many inputs", "note")])])
def test_many_inputs_are_noted(count, rules):
    joined = node("Concat", Value((TensorType("FLOAT", (2,)),) * count))
    assert list(found(made_of(joined))) == rules


@pytest.mark.parametrize(("side", "rules"), [(16, []), (15, [("small product", "note")])])
def test_products_below_a_tile_are_noted(side, rules):
    graph = compiled(ops.bmm, shaped(2, 32, side), shaped(2, side, 32))
    assert list(found(graph)) == rules


def test_every_rule_has_a_source_and_findings_come_worst_first():
    assert all(rule.source for rule in RULES)
    bad = made_of(node("MirrorPad"), node("Add", dtype="INT64"), node("Add", dtype="DOUBLE"))
    verdicts = [finding.verdict for finding in apply_rules(bad)]
    assert verdicts == [Verdict.FAIL, Verdict.REVIEW, Verdict.NOTE]


def test_equal_findings_are_counted():
    (finding,) = apply_rules(made_of(*[node("Add", dtype="INT64")] * 3))
    assert (finding.count, finding.scope) == (3, "Default/somewhere")
