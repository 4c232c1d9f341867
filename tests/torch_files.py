"""Files as ``torch.save`` writes them, without torch; and pickles that no honest program writes."""

import io
import pickle
import struct
import zipfile

import numpy as np

STORAGES = {
    "float32": "FloatStorage", "float64": "DoubleStorage", "float16": "HalfStorage",
    "int64": "LongStorage", "int32": "IntStorage", "uint8": "ByteStorage", "bool": "BoolStorage",
}  # fmt: skip


class Call:
    """An object that unpickling would make by calling ``module.name`` with ``arguments``."""

    def __init__(self, module, name, *arguments, state=None):
        self.module, self.name, self.arguments, self.state = module, name, arguments, state


class Name:
    """A class or function that is named but not called."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class Stored:
    """A reference to an object outside of the pickle."""

    def __init__(self, *identity):
        self.identity = identity


class Raw:
    """Steps of a pickle as they are."""

    def __init__(self, steps):
        self.steps = steps


def dumps(value):
    """Return the pickle of dicts, lists, tuples, texts, numbers and the classes above."""
    return b"\x80\x02" + _steps(value) + b"."


def _steps(value):
    if isinstance(value, Raw):
        return value.steps
    if isinstance(value, Name):
        return f"c{value.module}\n{value.name}\n".encode()
    if isinstance(value, Stored):
        return _steps(value.identity) + b"Q"
    if isinstance(value, Call):
        made = _steps(Name(value.module, value.name)) + _steps(value.arguments) + b"R"
        return made if value.state is None else made + _steps(value.state) + b"b"
    if isinstance(value, dict):
        items = b"".join(_steps(key) + _steps(item) for key, item in value.items())
        return b"}(" + items + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(_steps, value)) + b"e"
    if isinstance(value, tuple):
        return b"(" + b"".join(map(_steps, value)) + b"t"
    return pickle.dumps(value, 2)[2:-1].replace(b"q\x00", b"")


class Files:
    """Tensors of one file, and its storages by key."""

    def __init__(self):
        self.storages = {}

    def tensor(self, array, shape=None, stride=None, offset=0, storage=None, count=None):
        """Return the record of a tensor; the arguments replace what fits ``array``."""
        array = np.ascontiguousarray(array)
        key = str(len(self.storages))
        self.storages[key] = array
        strides = tuple(step // array.itemsize for step in array.strides)
        kind = Name("torch", storage or STORAGES[array.dtype.name])
        stored = Stored("storage", kind, key, "cpu", array.size if count is None else count)
        return Call(
            "torch._utils", "_rebuild_tensor_v2", stored, offset,
            array.shape if shape is None else shape, strides if stride is None else stride, False,
            Call("collections", "OrderedDict"),
        )  # fmt: skip

    def tensors(self, state):
        return {name: self.tensor(value) for name, value in state.items()}

    def archive(self, content, extra=(), compression=zipfile.ZIP_STORED):
        """Return the bytes of a file of torch since version 1.6."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            archive.writestr("weights/data.pkl", dumps(content))
            archive.writestr("weights/byteorder", "little")
            for key, array in self.storages.items():
                archive.writestr(f"weights/data/{key}", array.tobytes())
            for name, value in extra:
                archive.writestr(name, value)
        return buffer.getvalue()

    def legacy(self, content):
        """Return the bytes of a file of torch before version 1.6."""
        parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, content]
        parts.append(list(self.storages))
        written = b"".join(pickle.dumps(p, 2) if isinstance(p, int) else dumps(p) for p in parts)
        for array in self.storages.values():
            written += struct.pack("<q", array.size) + array.tobytes()
        return written
