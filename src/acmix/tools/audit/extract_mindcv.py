"""Extraction of the operators in mindcv models that were trained on Ascend.

``python -m acmix.tools.audit.extract_mindcv`` writes the list; it needs ``acmix[mindcv]``.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn

from acmix.tools.audit.extract import LISTS
from acmix.tools.graphs import graph_of

MODELS = ("resnet50", "densenet121", "shufflenet_v2_x0_5", "swin_tiny")
"""In the table of mindcv's benchmark_results.md, 'performance tested on Ascend 910(8p)'."""

_HEADER = f"""\
# Operators in the training graphs of models that mindcv publishes as trained on Ascend 910
# (its benchmark_results.md: {", ".join(MODELS)}), and in which of them.
# It is weak evidence: these graphs are those of MindSpore {ms.__version__}, the models were trained
# with an older one, at jit_level O2.
# Made from mindcv 0.3.0 by python -m acmix.tools.audit.extract_mindcv.
"""


def operators(model: str) -> set[str]:
    """Return the operators in a momentum training step of a mindcv model."""
    import mindcv

    network = mindcv.create_model(model)
    loss = nn.WithLossCell(network, nn.CrossEntropyLoss())
    optimizer = nn.Momentum(network.trainable_params(), 0.1, 0.9)
    step = nn.TrainOneStepCell(loss, optimizer).set_train()
    images = Tensor(shape=(2, 3, 224, 224), dtype=ms.float32)
    return set(graph_of(step, (images, Tensor(shape=(2,), dtype=ms.int32))).count_operators())


def text() -> str:
    """Return the list for the installed MindSpore and mindcv."""
    found: dict[str, list[str]] = {}
    for model in MODELS:
        for operator in operators(model):
            found.setdefault(operator, []).append(model)
    lines = (f"{operator}\t{' '.join(models)}\n" for operator, models in sorted(found.items()))
    return _HEADER + "".join(lines)


if __name__ == "__main__":
    (LISTS / "mindcv.txt").write_text(text(), encoding="utf-8")
