"""Any MindIR is a graph or a clear error, and no tensor that does not fit gets to MindSpore."""

import mindspore as ms
import pytest
from damages import answer_or_clear_error, damaged
from hypothesis import given
from hypothesis import strategies as st
from mindspore import Tensor, nn
from mindspore.train.mind_ir_pb2 import ModelProto

from acmix.utils.mindir import check_file, input_shape, load_graph


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "net.mindir"
    network = nn.SequentialCell(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.ReLU()).set_train(False)
    inputs = Tensor(shape=(1, 3, 4, 4), dtype=ms.float32)
    ms.export(network, inputs, file_name=str(path), file_format="MINDIR")
    return path.read_bytes()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("graphs") / "net.mindir"


def assert_read_or_refused(file):
    graph = answer_or_clear_error(load_graph, file)
    assert graph is None or graph.nodes
    answer_or_clear_error(input_shape, file)
    answer_or_clear_error(check_file, file)


@given(data=st.data())
def test_damaged_graph(file, good, data):
    file.write_bytes(data.draw(damaged(good) | st.binary(max_size=60)))
    assert_read_or_refused(file)


@given(data=st.data())
def test_graph_that_does_not_fit_together(file, good, data):
    model = ModelProto()
    model.ParseFromString(good)
    number = st.integers(0, 40)
    for _ in range(data.draw(st.integers(1, 4))):
        node = model.graph.node[data.draw(number) % len(model.graph.node)]
        tensor = model.graph.parameter[data.draw(number) % len(model.graph.parameter)]
        change = data.draw(st.integers(0, 6))
        if change == 0:
            node.op_type = data.draw(st.sampled_from(["Constant", "REF::x", ""]))
        elif change == 1:
            del node.attribute[:]
        elif change == 2:
            del node.output[:]
        elif change == 3 and node.attribute:
            node.attribute[0].type = data.draw(number)
        elif change == 4:
            tensor.data_type = data.draw(number)
        elif change == 5:
            tensor.dims.append(data.draw(st.integers(-(2**63), 2**63 - 1)))
        else:
            tensor.raw_data = data.draw(st.binary(max_size=30))
    file.write_bytes(model.SerializeToString())
    assert_read_or_refused(file)
