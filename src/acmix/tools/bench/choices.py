"""Back ends by name, known without MindSpore, so that the command line can offer them."""

BENCH_BACKENDS = {
    "mindspore": "",
    "mindir": "run by MindSpore from MindIR",
    "onnxruntime": "run by ONNX Runtime",
    "lite": "run by MindSpore Lite",
}
"""What can run a measured network, and how a table says which it was."""
