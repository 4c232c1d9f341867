"""What the command line lets one choose from, apart from what it takes MindSpore to know.

Importing MindSpore takes seconds, which ``--help`` and a mistyped option must not cost.
"""

BENCH_TABLES = ("models", "shift", "detection")
"""Tables of speeds: every kind of backbone with its ACmix twin; the paper's Tab. 7; its Tab. 5."""

BENCH_BACKENDS = {
    "mindspore": "",
    "mindir": "run by MindSpore from MindIR",
    "onnxruntime": "run by ONNX Runtime",
    "lite": "run by MindSpore Lite",
}
"""What can run a measured network, and how a table says which it was."""
