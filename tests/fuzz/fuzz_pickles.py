"""Contents of files of torch: any tensors, containers, prefixes and objects; any program."""

import numpy as np
from hypothesis import strategies as st
from torch_files import Call, Files, Name, Raw, Stored

CONTAINERS = ["state_dict", "model", "ema", "model_ema", "teacher", "net", "params", "optimizer"]
PREFIXES = ["", "module.", "_orig_mod.", "model.", "backbone.", "encoder.", "module.model.", "x."]
STEMS = [
    "patch_embed.proj.weight", "layers.0.blocks.0.attn.qkv.weight", "layers.1.downsample.norm.bias",
    "layers.0.downsample.norm.bias", "head.weight", "head.fc.weight", "norm.weight", "norm3.bias",
    "features.0.0.weight", "features.1.0.attn.qkv.bias", "features.2.norm.weight", "conv1.weight",
    "layer1.0.conv2.weight", "fc.weight", "bn1.running_mean", "block1.0.attn.q.bias", "cls_token",
    "embeddings.patch_embeddings.projection.weight", "classifier.weight", "conv_in.weight",
    "encoder.layers.0.blocks.0.attention.self.query.weight", "stages.0.downsample.norm.weight",
    "encoder.layers.0.blocks.0.attention.self.key.weight", "patch_embed.projection.weight",
    "encoder.layers.0.blocks.0.attention.self.value.weight", "stem.conv1.weight", "logit_scale",
    "res2.0.conv1.weight", "embedder.embedder.convolution.weight", "", ".", "..", "a.b", "\x1b[2J",
]  # fmt: skip
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
NAMES = st.dictionaries(
    st.tuples(st.sampled_from(PREFIXES), st.sampled_from(STEMS)).map("".join) | st.text(max_size=5),
    SHAPES,
    max_size=12,
)
NUMBERS = st.integers(-3, 40) | st.sampled_from([2**31, 2**40, 2**63, -(2**63), 10**400])
ODD = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(
        [
            Call("argparse", "Namespace", state={"lr": 0.1}),
            Call("os", "system", "true"),
            Call("numpy.core.multiarray", "scalar", Call("numpy", "dtype", "f8", False, True)),
            Call("numpy.core.multiarray", "_reconstruct", state=(1, (2,), 3, False, b"")),
            Call("collections", "OrderedDict", [("a", 1), ["b"]]),
            Call("collections", "OrderedDict", 7),
            Call("torch._utils", "_rebuild_parameter"),
            Call("torch._utils", "_rebuild_qtensor", 1, 2),
            Call("torch._tensor", "_rebuild_from_type_v2", Name("a", "b"), 1, (), 2),
            Call("torch", "Size", (1, 2)),
            Name("torch", "float8_e4m3fn"),
            Stored("storage", Name("torch", "FloatStorage"), "0", "cpu", 3),
            Stored(),
            Raw(b"}2q\x05h\x05b0h\x05"),
        ]
    ),
)


@st.composite
def _contents(draw):
    files = Files()

    def tensor():
        kind = draw(st.sampled_from(["float32", "float16", "int64", "bool"]))
        made = files.tensor(np.zeros(draw(SHAPES), kind))
        if draw(st.integers(0, 3)) == 0:
            arguments = list(made.arguments)
            arguments[draw(st.integers(0, len(arguments) - 1))] = draw(ODD | st.tuples(NUMBERS))
            made = Call(made.module, made.name, *arguments)
        return made

    def tree(depth):
        if depth == 0 or draw(st.booleans()):
            prefix = draw(st.sampled_from(PREFIXES))
            names = draw(st.lists(st.sampled_from(STEMS) | ODD.filter(_plain), max_size=4))
            return {
                f"{prefix}{name}" if isinstance(name, str) else name: tensor()
                if draw(st.integers(0, 4))
                else draw(ODD)
                for name in names
            }
        keys = draw(st.lists(st.sampled_from(CONTAINERS), max_size=3, unique=True))
        inner = {key: tree(depth - 1) for key in keys}
        return draw(st.sampled_from([inner, [inner], Call("a", "Module", state=inner)]))

    return files, tree(3)


def _plain(value):
    return value is None or isinstance(value, str | bool | int | float)


CONTENTS = _contents()

_STEPS = [
    b"}", b"]", b")", b"(", b"t", b"u", b"s", b"e", b"a", b"R", b"b", b"\x81", b"Q", b"0", b"1",
    b"2", b"q\x00", b"h\x00", b"\x85", b"\x86", b"\x87", b"N", b"K\x03", b"X\x01\x00\x00\x00a",
    b"cos\nsystem\n", b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"cnumpy.core.multiarray\n_reconstruct\n", b"\x93", b"\x8f", b"\x90", b"\x91", b"\x94", b"l",
    b"d", b"o", b"ios\nsystem\n", b"Pa\n", b"\x92", b"I7\n", b"L9999999L\n", b"F1e400\n", b"\x97",
    b"\x8a\x01\x05", b"B\xff\xff\xff\x7f", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f", b"S'a'\n",
]  # fmt: skip


@st.composite
def programs(draw):
    """Any steps of a pickle, or any bytes behind its first."""
    steps = b"".join(draw(st.lists(st.sampled_from(_STEPS), max_size=30)))
    return b"\x80\x02" + draw(st.sampled_from([steps + b".", steps]) | st.binary(max_size=40))
