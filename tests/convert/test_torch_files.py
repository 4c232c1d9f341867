"""Files of ``torch.save`` are read without torch: containers, prefixes, and what is in the way."""

import sys
import zipfile

import numpy as np
import pytest
from torch_files import Call, Files, Name, Raw, Stored, dumps

from acmix.convert import archive, read_state
from acmix.errors import UserError
from acmix.utils.weight_kind import kind_of


@pytest.fixture
def state(rng):
    return {
        "layer.weight": rng.normal(size=(3, 2)).astype(np.float32),
        "layer.half": rng.normal(size=4).astype(np.float16),
        "scalar": np.array(7, np.int64),
        "empty": np.zeros((0, 3), np.float32),
    }


@pytest.fixture
def write(tmp_path):
    """Return a function that writes an archive of torch; it takes a function from Files."""

    def write(content, name="state.pth", legacy=False, **options):
        files = Files()
        made = content(files)
        file = tmp_path / name
        file.write_bytes(files.legacy(made) if legacy else files.archive(made, **options))
        return file

    return write


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype


def refusal(file, key=None):
    """Return the one line of the error."""
    with pytest.raises(UserError) as error:
        read_state(file, key)
    message = str(error.value)
    assert file.name in message
    assert "\n" not in message
    assert len(message) < 1500
    assert "fault of acmix" not in message
    return message


# By content


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "name",
    ["a.pth", "a.pt", "a.pth.tar", "a.tar", "a.bin", "a.ckpt", "a.safetensors", "a.npz", "a"],
)
def test_the_content_says_what_a_file_is(write, state, monkeypatch, name, legacy):
    monkeypatch.setitem(sys.modules, "torch", None)  # it would raise ImportError
    assert_same(read_state(write(lambda files: files.tensors(state), name, legacy)), state)


def test_npz_and_safetensors_are_told_by_their_content_too(tmp_path, state):
    from acmix.convert import write_state

    for suffix in (".npz", ".safetensors"):
        write_state(state, tmp_path / f"state{suffix}")
        (tmp_path / f"state{suffix}").rename(tmp_path / "state.bin")
        assert_same(read_state(tmp_path / "state.bin"), state)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; copy or download it again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS.*git lfs pull"),
        (b"<!DOCTYPE html><html>", "is a web page or XML: the download has failed"),
        (b"\x89HDF\r\n\x1a\n", "is HDF5, as Keras writes it"),
        (b"\x1f\x8b\x08", "compressed by gzip: unpack it first"),
        (b"\x93NUMPY\x01\x00", "a single array of NumPy"),
        (bytes(257) + b"ustar", "is a tar archive: unpack it first"),
        (b"no weights at all", r"damaged or holds no weights\. Read are \.pth, .*\.safetensors"),
        (b"\x80", "damaged or holds no weights"),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else "",
)
def test_other_files_are_named(tmp_path, content, message):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(UserError, match=message):
        kind_of(tmp_path / "weights.pth")
    refusal(tmp_path / "weights.pth")


def test_a_zip_of_other_things_says_what_it_holds(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("thesis.docx", b"text")
    assert "zip archive without weights; it holds thesis.docx" in refusal(tmp_path / "a.pth")


def test_torchscript_is_told_with_the_way_out(write, state):
    file = write(lambda files: files.tensors(state), extra=[("weights/constants.pkl", b"")])
    message = refusal(file)
    assert "is a TorchScript program (torch.jit.save), not a file of weights" in message
    assert "state_dict()" in message
    assert "weights_only" not in message


# Containers, keys and wrappers


@pytest.mark.parametrize(
    "key",
    [
        "state_dict", "model", "model_state_dict", "net", "params", "teacher", "student", "ema",
        "model_ema", "generator", "my_weights",
    ],
)  # fmt: skip
def test_a_state_dict_is_found_under_usual_keys_and_under_the_only_one(write, state, key):
    def content(files):
        noise = {"state": {0: {"exp_avg": files.tensor(np.ones(3, np.float32))}}, "lr": 0.1}
        return {"epoch": 3, key: files.tensors(state), "optimizer": noise, "best": 0.5}

    assert_same(read_state(write(content)), state)


@pytest.mark.parametrize(
    "nest",
    [
        lambda state: {"state_dict": {"model": state}},
        lambda state: {"ema": {"state_dict": {"module": state}}, "epoch": 3},
        lambda state: [{"model": state}][0],
        lambda state: {"model": {"params": state, "config": {"a": 1}}},
        lambda state: {"checkpoint": {"model": state}},
    ],
)
def test_containers_may_be_nested(write, state, nest):
    assert_same(read_state(write(lambda files: nest(files.tensors(state)))), state)


def test_a_tensor_may_be_called_model(write, state):
    state["model"] = np.ones(2, np.float32)
    assert_same(read_state(write(lambda files: files.tensors(state))), state)


def test_several_sets_of_weights_are_a_choice(write, state):
    other = {name: value + 1 for name, value in state.items()}

    def content(files):
        return {"model": files.tensors(state), "ema": {"model": files.tensors(other)}}

    file = write(content)
    message = refusal(file)
    assert "holds several sets of weights: 'model' (4 tensors), 'ema.model' (4 tensors)" in message
    assert "--key NAME, or model.pretrained_key=NAME" in message
    assert_same(read_state(file, "model"), state)
    for key in ("ema", "ema.model"):
        assert_same(read_state(file, key), other)
    message = refusal(file, "teacher")
    assert "holds no tensors under 'teacher'. It has 'model' (4 tensors), 'ema.model'" in message


def test_a_key_may_be_the_beginning_of_names(write, state):
    both = {f"student.{name}": value for name, value in state.items()}
    both |= {f"teacher.{name}": value + 1 for name, value in state.items()}
    file = write(lambda files: files.tensors(both))
    assert_same(read_state(file, "student"), state)
    assert_same(read_state(file, "student."), state)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda name: f"module.{name}",
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module._orig_mod.module.{name}",
        lambda name: name.replace("layer.", "layer._orig_mod."),
        lambda name: f"_orig_mod.{name}" if name == "scalar" else f"module.{name}",
        lambda name: f"module.{name}" if name == "scalar" else name,
        lambda name: f"_fsdp_wrapped_module.{name}",
    ],
)
def test_what_wrappers_add_to_names_is_dropped(write, state, wrap):
    wrapped = {wrap(name): value for name, value in state.items()}
    assert_same(read_state(write(lambda files: files.tensors(wrapped))), state)


def test_entries_that_are_no_tensors_are_left_out_and_told(write, state, caplog):
    caplog.set_level("INFO")
    content = {"_extra_state": None, "version": 3}
    assert_same(read_state(write(lambda files: files.tensors(state) | content)), state)
    told = "Left out are entries that are no tensors: '_extra_state' (NoneType), 'version' (int)"
    assert told in caplog.text


def test_a_checkpoint_of_mindspore_needs_no_conversion(tmp_path):
    from mindspore import Tensor, save_checkpoint

    save_checkpoint([{"name": "w", "data": Tensor([1.0])}], str(tmp_path / "a.ckpt"))
    assert "is a checkpoint of MindSpore, not of PyTorch" in refusal(tmp_path / "a.ckpt")


def test_names_that_would_become_one_stay(write):
    state = {"a": np.ones(1, np.float32), "module.a": np.zeros(1, np.float32)}
    assert_same(read_state(write(lambda files: files.tensors(state))), state)


# What is in the way, and what is not


def test_numpy_scalars_and_arguments_of_the_run_are_no_obstacle(write, state, caplog):
    dtype = Call("numpy", "dtype", "f8", False, True, state=(3, "<", None, None, None, -1, -1, 0))
    data = Call("_codecs", "encode", np.float64(81.2).tobytes().decode("latin1"), "latin1")
    namespace = Call("argparse", "Namespace", state={"lr": 0.1})

    def content(files):
        best = Call("numpy.core.multiarray", "scalar", dtype, data)
        return {"model": files.tensors(state), "best_acc": best, "args": namespace}

    caplog.set_level("INFO")
    assert_same(read_state(write(content)), state)
    assert "also holds objects, which are left out: argparse.Namespace at 'args'" in caplog.text
    assert "scalar at" not in caplog.text
    assert "The weights are under 'model'" in caplog.text


def test_objects_in_place_of_weights_are_named_with_their_place(write):
    content = {f"key{i}": Call("mine.models", f"Net{i}") for i in range(30)}
    message = refusal(write(lambda files: content))
    assert "holds no tensors but 'key0': mine.models.Net0, 'key1': mine.models.Net1" in message
    assert "and 20 more" in message


@pytest.mark.parametrize("function", [("os", "system"), ("posix", "system"), ("builtins", "eval")])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_hostile_file_is_named_and_nothing_is_run(write, state, tmp_path, function, legacy):
    trace = tmp_path / "executed"

    def content(files):
        return {"model": files.tensors(state), "hook": {"x": Call(*function, f"touch {trace}")}}

    message = refusal(write(content, legacy=legacy))
    name = ".".join(function)
    assert f"is hostile: PyTorch or pickle would call {name} at 'hook.x' to open it" in message
    assert "Such objects are never loaded" in message
    assert not trace.exists()


def test_a_whole_module_gives_its_state_dict(write, state):
    def content(files):
        weights = {"weight": files.tensor(state["layer.weight"]), "bias": None}
        half = {"half": files.tensor(state["layer.half"])}
        inner = {"_parameters": weights, "_buffers": half, "_modules": {}}
        layer = Call("mine", "Layer", state=inner)
        buffers = {"scalar": files.tensor(state["scalar"]), "empty": files.tensor(state["empty"])}
        outer = {"_parameters": {}, "_buffers": buffers, "_modules": {"layer": layer}}
        return {"model": Call("mine", "Net", state=outer), "epoch": 1}

    found = read_state(write(content))
    assert_same({name: found[name] for name in state}, state)


@pytest.mark.parametrize("kind", ["float8_e4m3fn", "complex64", "quint8"])
def test_a_type_that_numpy_lacks_is_one_line(write, kind):
    def content(files):
        made = files.tensor(np.ones(4, np.uint8))
        stored, *rest = made.arguments
        v3 = Call("torch._utils", "_rebuild_tensor_v3", stored, *rest, Name("torch", kind), {})
        return {"model": {"w": v3}}

    message = refusal(write(content))
    assert f"'w' is of type {kind}, which is not read; convert it to float16 or float32" in message


# Bounds


def tensor(**changes):
    return lambda files: {"w": files.tensor(np.ones(6, np.float32), **changes)}


def cyclic(files):
    return Raw(b"}q\x05X\x05\x00\x00\x00modelh\x05s")


def deep(files):
    return Raw(b"".join([b"}X\x05\x00\x00\x00model"] * 5000 + [b"}"] + [b"s"] * 5000))


def doubling(files):
    """A dict of two entries that are the same dict of two entries, and so on."""
    double = b"}q\x01(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00bh\x00uq\x00"
    return Raw(b"}q\x00" + double * 60)


def deep_key(files):
    """A key whose hash takes 2^60 steps."""
    return Raw(b"}(K\x01q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"K\x02u")


BOMBS = {
    "a dict that contains itself": cyclic,
    "nested 5000 deep": deep,
    "a dict that doubles": doubling,
    "a key that takes for ever": deep_key,
    "stride 0": tensor(shape=(10**9,), stride=(0,)),
    "10^7 x 0 dimensions": tensor(shape=(0,) * 50, stride=(0,) * 50),
    "larger than its storage": tensor(shape=(7,), stride=(1,)),
    "offset behind the end": tensor(offset=1),
    "negative stride": tensor(stride=(-1,)),
    "negative size": tensor(shape=(-6,)),
    "size of 400 digits": tensor(shape=(10**400,)),
    "size that is text": tensor(shape=("6",)),
    "strides of another shape": tensor(stride=(1, 1)),
    "a storage of another type": tensor(storage="DoubleStorage"),
    "an unknown storage": tensor(storage="QInt8Storage"),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("legacy", [False, True])
def test_a_small_file_takes_little_time_and_memory(write, bomb, legacy):
    refusal(write(BOMBS[bomb], legacy=legacy))


def test_many_tensors_of_one_storage_are_bounded(write):
    def content(files):
        whole = files.tensor(np.zeros(2**20, np.float32))
        return {f"w{i}": whole for i in range(300)}

    assert "unpacks to 1.2 GiB" in refusal(write(content, compression=zipfile.ZIP_DEFLATED))


def test_a_tensor_that_repeats_few_numbers_is_read(write):
    file = write(tensor(shape=(5, 3), stride=(0, 2)))
    np.testing.assert_array_equal(read_state(file)["w"], np.ones((5, 3)))


def test_views_have_their_own_numbers(write):
    numbers = np.arange(6, dtype=np.float32)
    file = write(lambda files: {"w": files.tensor(numbers, shape=(2, 2), stride=(1, 3), offset=1)})
    np.testing.assert_array_equal(read_state(file)["w"], [[1, 4], [2, 5]])


def test_an_archive_of_too_many_members_is_refused_by_its_list(tmp_path, monkeypatch):
    """The bounds are 20,000 members and 4 MiB; small ones take the same way in less time."""
    np.savez(tmp_path / "a.npz", **{f"w{i}": np.zeros(1) for i in range(60)})
    monkeypatch.setattr(archive, "MAX_TENSORS", 50)
    assert "60 members; up to 50 are read" in refusal(tmp_path / "a.npz")
    monkeypatch.setattr(archive, "MAX_DIRECTORY_BYTES", 1000)
    assert "has a list of members of 3170 bytes; up to 1000 are read" in refusal(tmp_path / "a.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_rare_compression_is_one_line(write, state, tmp_path, method):
    file = write(lambda files: files.tensors(state), compression=method)
    assert "compressed by a method that neither PyTorch nor NumPy uses (LZMA" in refusal(file)


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (0x4,), }",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (1" + b"0" * 400 + b",), }",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        b"{'descr': '<f4', 'fortran_order': 0, 'shape': (4,), }",
        b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (4,), }",
        b"{'descr': '<c8', 'fortran_order': False, 'shape': (2,), }",
        b"(" * 1900,
        b"-" * 1900 + b"1",
        b"__import__('os')",
        b"{",
        b"\xff\x00",
    ],
)
def test_odd_headers_of_npz_are_one_line(tmp_path, header):
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(16)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("w.npy", content)
    if b"0x4" in header:  # Python reads it as 4
        assert read_state(tmp_path / "a.npz")["w"].shape == (4,)
    else:
        refusal(tmp_path / "a.npz")


def test_an_array_in_fortran_order_is_read(tmp_path, rng):
    array = np.asfortranarray(rng.normal(size=(3, 4)))
    np.savez(tmp_path / "a.npz", w=array)
    np.testing.assert_array_equal(read_state(tmp_path / "a.npz")["w"], array)


def test_pickled_arrays_of_numpy_are_read(tmp_path, state):
    import pickle

    for protocol in (2, 3, 4, 5):
        with open(tmp_path / "a.pkl", "wb") as file:
            pickle.dump({"model": state}, file, protocol)
        assert_same(read_state(tmp_path / "a.pkl"), state)


def test_a_pickle_without_an_end_is_damaged(tmp_path):
    (tmp_path / "a.pkl").write_bytes(dumps({"a": 1})[:-1])
    assert "is damaged" in refusal(tmp_path / "a.pkl")


def test_a_reference_to_nothing_is_one_line(write):
    content = Call("torch._utils", "_rebuild_tensor_v2", Stored("storage"), 0, (1,), (1,))
    refusal(write(lambda files: {"w": content}))


@pytest.mark.parametrize("entry", ["F8_E4M3", "F8_E5M2", "F4", "C64", "\x1b[2J"])
def test_safetensors_of_other_types_are_one_line(tmp_path, entry):
    import json

    header = {"head.weight": {"dtype": entry, "shape": [4], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
    message = refusal(tmp_path / "a.safetensors")
    assert f"'head.weight' is of type {entry}, which is not read" in message
