"""MindIR as plain data: a network whose every node is known."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from acmix.errors import UserError
from acmix.utils.mindir import TensorType, load_graph


class Known(nn.Cell):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, (3, 1), stride=(1, 2), pad_mode="valid", weight_init="ones")
        self.table = Tensor(np.arange(5, dtype=np.float16))

    def construct(self, x):
        y = self.conv(x).reshape((-1, 5))
        best, place = ops.topk(y, 2)
        return y * self.table.astype(ms.float32), best, place


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("mindir") / "known.mindir"
    inputs = Tensor(shape=(2, 3, 7, 10), dtype=ms.float32)
    ms.export(Known(), inputs, file_name=str(path), file_format="MINDIR")
    return path


def the(graph, operator):
    (node,) = [node for node in graph.nodes if node.operator == operator]
    return node


def test_operators_attributes_types_and_literals(file):
    graph = load_graph(file)
    assert graph.version == ms.__version__
    assert graph.inputs == (TensorType("FLOAT", (2, 3, 7, 10)),)
    assert graph.parameters == (TensorType("FLOAT", (4, 3, 3, 1)),)
    assert "Constant" not in graph.count_operators()

    conv = the(graph, "Conv2D")
    assert conv.attributes["kernel_size"] == (3, 1)
    assert conv.attributes["pad_mode"] == "valid"
    assert conv.attributes["group"] == 1
    assert "conv-Conv2d" in conv.scope
    image, weight = conv.inputs
    assert image.types == graph.inputs
    assert weight.producer == "Load"
    assert weight.types == graph.parameters
    assert conv.output.types == (TensorType("FLOAT", (2, 4, 5, 5)),)

    reshape = the(graph, "Reshape")
    assert reshape.inputs[1].literal == (-1, 5)
    assert reshape.inputs[1].constant
    assert not reshape.inputs[0].constant
    best = TensorType("FLOAT", (40, 2)), TensorType("INT32", (40, 2))
    assert the(graph, "TopK").output.types == best


def test_constants_have_sizes(file):
    assert sum(kind.bytes for kind in load_graph(file).constants) in (
        10,
        20,
    )  # before or after cast
    assert TensorType("INT64", (3, -1)).bytes == 0
    assert TensorType("BOOL", ()).bytes == 1
    assert str(TensorType("FLOAT", (2, -1))) == "float 2x-1"
    assert str(TensorType("INT32", ())) == "int32 scalar"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"not a graph", "not a MindIR file"), (b"", "holds no graph")],
)
def test_other_files_are_refused(content, message, tmp_path):
    path = tmp_path / "x.mindir"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_graph(path)
