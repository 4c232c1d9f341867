"""A ``.ckpt`` is read as MindSpore reads it, and no tensor is taken whose bytes do not fit."""

import struct

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor
from mindspore.train.checkpoint_pb2 import Checkpoint

from acmix.engine import load_weights
from acmix.engine.checkpoint import Progress, read_checkpoint, save_checkpoint
from acmix.engine.ckpt_reader import parse_ckpt
from acmix.errors import UserError
from acmix.utils import limits


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.ckpt"


def value(tag="w", dims=(2, 3), kind="Float32", content=bytes(24)):
    return {"tag": tag, "tensor": {"dims": dims, "tensor_type": kind, "tensor_content": content}}


def encoded(*values):
    """Return a file as MindSpore's own message class writes it."""
    return Checkpoint(value=list(values)).SerializeToString()


def refusal(path, content):
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        load_weights(path)
    assert "a.ckpt" in str(error.value)
    assert len(str(error.value)) < 500
    return str(error.value)


KINDS = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
         "float16", "float32", "float64"]  # fmt: skip


@pytest.mark.parametrize("crc", [False, True])
def test_every_type_and_shape_is_what_mindspore_reads(path, rng, crc):
    shapes = [(), (1,), (3,), (2, 3), (2, 1, 3)]
    values = [
        {"name": f"{kind}{i}", "data": Tensor((rng.normal(size=shape) * 9).astype(kind))}
        for kind in KINDS
        for i, shape in enumerate(shapes)
    ]
    ms.save_checkpoint(values, str(path), crc_check=crc, append_dict={"lr": 0.5, "text": "äö"})
    found = load_weights(path)
    expected = {k: v for k, v in ms.load_checkpoint(str(path)).items() if k != "text"}
    assert found.keys() == expected.keys()
    for name, parameter in expected.items():
        np.testing.assert_array_equal(found[name], parameter.asnumpy())
        assert found[name].dtype == parameter.asnumpy().dtype
        assert found[name].shape == parameter.shape


@pytest.mark.parametrize("numbers", [[1.5, -2], 1.5])
def test_bfloat16_becomes_float32(path, numbers):
    ms.save_checkpoint([{"name": "w", "data": Tensor(numbers, ms.bfloat16)}], str(path))
    found = load_weights(path)["w"]
    assert (found.dtype, found.shape) == (np.float32, np.shape(numbers))
    np.testing.assert_array_equal(found, numbers)


def test_a_tensor_in_parts_is_joined(path):
    whole = np.arange(6, dtype=np.float32).tobytes()
    path.write_bytes(encoded(value(content=whole[:8]), value(content=whole[8:])))
    np.testing.assert_array_equal(load_weights(path)["w"], np.arange(6).reshape(2, 3))


FAULTS = {
    "twice the bytes": (value(content=bytes(48)), "'w' has 48 bytes, but Float32 of shape (2, 3)"),
    "a thousand times": (value(content=bytes(24000)), "'w' has 24000 bytes"),
    "another type": (value(kind="Bool"), "'w' has 24 bytes, but Bool of shape (2, 3) takes 6"),
    "no bytes": (value(content=b""), "'w' has 0 bytes"),
    "an unknown type": (value(kind="Float8"), "'w' is of the unknown type 'Float8'"),
    "half a byte": (value(kind="Int4"), "'w' is of the unknown type 'Int4'"),
    "no type": (value(kind=""), "'w' is of the unknown type ''"),
    "a negative size": (value(dims=(-2, -3)), "'w' has a dimension that is negative"),
    "a huge size": (value(dims=(2**40, 2**40)), "'w' has a dimension that is negative, too large"),
    "an overflow": (value(dims=(2**33, 2**33, 2**33)), "'w' has 24 bytes"),
    "many dimensions": (value(dims=(1,) * 40), "a tensor of more than 16 dimensions"),
    "no name": (value(tag=""), "a tensor whose name has 0 characters"),
    "a long name": (value(tag="n" * 9999), "a tensor whose name has 9999 characters"),
    "text of odd bytes": (value(kind="str", content=b"abc"), "'w' is not a text"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_tensor_whose_bytes_do_not_fit_is_refused(path, fault):
    tensor, message = FAULTS[fault]
    said = refusal(path, encoded(tensor))
    assert message in said
    assert "is damaged or not a MindSpore checkpoint" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (encoded(value(), value("x"), value()), "the name 'w' twice"),
        (encoded(value(), value(dims=(6,))), "the name 'w' twice"),
        (encoded({"tag": "w", "maptensor": {}}), "'w' is a hash table"),
        (encoded(value())[:-3], "the end is missing"),
        (encoded(value()) + b"\x12\x00", "an unknown field 2"),
        (b"\x0a\x04\x0a\x02\xff\xfe", "a string that is not UTF-8"),
        (b"\x0a\x04\x0a\x02\x08", "the end is missing"),
        (b"\x0a\x02\x0a\x00" + b"\x0b", "a field of kind 3"),
        (b"\x0a\x02\x0a\x00" + b"\xff" * 11, "more than 64 bits"),
    ],
)
def test_what_is_no_checkpoint_is_one_line(path, content, message):
    assert message in refusal(path, content) or "name has 0" in refusal(path, content)


def test_no_more_tensors_than_the_bound(path, monkeypatch):
    monkeypatch.setattr("acmix.engine.ckpt_reader.MAX_TENSORS", 3)
    content = encoded(*(value(str(i)) for i in range(4)))
    assert "holds more than 3 tensors" in refusal(path, content)
    assert limits.MAX_TENSORS == 20_000


def test_a_file_larger_than_the_bound_is_not_read(path, monkeypatch):
    monkeypatch.setattr("acmix.engine.parameter_file.MAX_FILE_BYTES", 10)
    assert "bytes, more than 10" in refusal(path, encoded(value()))


# The CRC


@pytest.fixture
def average(path):
    """A checkpoint of training with a moving average, and its content."""
    names = ("w", "v", "optimizer/step", "ema/w", "ema/v")
    state = {n: Parameter(Tensor([float(i)]), name=n) for i, n in enumerate(names)}
    save_checkpoint(path, state, Progress(epoch=1))
    return path.read_bytes()


def cuts(content):
    """Return the ends of the values in a file."""
    at, found = 0, []
    while content[at : at + 7] != b"crc_num":
        size = shift = 0
        at += 1
        while True:
            byte = content[at]
            size |= (byte & 127) << shift
            shift, at = shift + 7, at + 1
            if byte < 128:
                break
        at += size
        found.append(at)
    return found


def test_a_file_of_training_cut_at_the_end_of_a_tensor_is_never_loaded(path, average):
    assert (load_weights(path)["w"] == 3).all()
    ends = cuts(average)
    assert len(ends) == 6
    for end in ends:
        assert "its end is missing" in refusal(path, average[:end])


def test_a_wrong_crc_is_damage_for_every_reader(path, average):
    content = average[:-1] + bytes([average[-1] ^ 1])
    assert "its CRC does not fit" in refusal(path, content)
    with pytest.raises(UserError, match="its CRC does not fit"):
        read_checkpoint(path)


def test_a_file_of_mindspore_needs_no_crc_unless_a_manifest_says_that_training_wrote_it(path):
    path.write_bytes(encoded(value()))
    assert load_weights(path)["w"].shape == (2, 3)
    (path.parent / "manifest.json").write_text('{"checkpoints": {"b.ckpt": {}}}')
    assert load_weights(path)["w"].shape == (2, 3)
    (path.parent / "manifest.json").write_text('{"checkpoints": {"a.ckpt": {}}}')
    assert "its end is missing" in refusal(path, encoded(value()))


def test_the_crc_of_safetensors_is_compared(tmp_path):
    file = tmp_path / "a.safetensors"
    values = {"w": Parameter(Tensor([1.0, 2.0])), "n": Parameter(Tensor(3, ms.int32))}
    for name, parameter in values.items():
        parameter.name = name
    from acmix.engine import save_weights

    save_weights(file, values)
    assert (load_weights(file)["w"] == [1, 2]).all()
    content = file.read_bytes()
    file.write_bytes(content.replace(struct.pack("<f", 2), struct.pack("<f", 3)))
    with pytest.raises(UserError, match=r"a\.safetensors is damaged: its CRC does not fit"):
        load_weights(file)


def test_the_kind_is_known_by_content(path, average, tmp_path):
    ms.save_checkpoint(
        [{"name": "w", "data": Tensor([1.0])}],
        str(tmp_path / "b.safetensors"),
        format="safetensors",
    )
    (tmp_path / "b.safetensors").rename(tmp_path / "b.ckpt")
    assert (load_weights(tmp_path / "b.ckpt")["w"] == 1).all()
    path.rename(tmp_path / "last")
    assert load_weights(tmp_path / "last").keys() == {"w", "v"}


def test_a_file_of_pytorch_is_named_with_the_way_to_read_it(path):
    from torch_files import Files

    files = Files()
    content = files.archive({"model": files.tensors({"w": np.ones(2, np.float32)})})
    said = refusal(path, content)
    assert "holds PyTorch's weights, not a checkpoint" in said
    assert "acmix convert --from torch" in said


def test_parse_ckpt_gives_texts_too(path):
    text = value("note", (0,), "str", "é".encode("utf-32-le"))
    assert parse_ckpt(path, encoded(text)) == {"note": "é"}
