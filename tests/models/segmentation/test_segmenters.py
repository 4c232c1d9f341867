"""Both segmenters: their size, their losses, their forms, and that every backbone carries them."""

from itertools import cycle

import mindspore as ms
import numpy as np
import oracles
import pytest
from mindspore import Tensor, nn
from mindspore.common import initializer
from models import shrunk
from models.segmentation.small_segmenter import (
    HEADS,
    NUM_CLASSES,
    Labels,
    Losses,
    Segment,
    batch,
    on_given_maps,
    small_segmenter,
)
from variants import exhaustive, one_of_each_family

from acmix.config import OptimConfig
from acmix.engine.optim import create_optimizer
from acmix.engine.precision import apply_mixed_precision
from acmix.engine.train_step import TrainStep
from acmix.errors import UserError
from acmix.export import Exported, fuse
from acmix.export.formats import FORMATS
from acmix.export.writer import write_model
from acmix.layers.conv_norm import ConvNormReLU
from acmix.models.segmentation import IGNORED, create_segmenter
from acmix.tools.analysis.macs import trace
from acmix.tools.audit.audit import audit_graph
from acmix.tools.graphs import graph_of
from acmix.utils.modes import built_for
from acmix.utils.parameters import get_value, set_value

# Exact parameters, and multiply-adds in G at 512 x 2048 beside the paper's Tab. 2 (in G). The
# public code for Swin pads its windows before the projection: "padded".
TABLE = {
    "semantic_fpn_pvt_tiny": (16_981_398, 157.78, 158),
    "semantic_fpn_acmix_pvt_tiny": (17_148_166, 159.28, 160),
    "semantic_fpn_pvt_small": (28_237_974, 224.66, 225),
    "semantic_fpn_acmix_pvt_small": (28_576_721, 227.47, 228),
    "upernet_swin_tiny": (59_941_862, 939.55, 945),
    "upernet_acmix_swin_tiny": (60_303_416, 942.78, 950),
    "upernet_swin_small": (81_259_766, 1028.62, 1038),
    "upernet_acmix_swin_small": (81_998_588, 1033.89, 1043),
}
PADDED = {"upernet_swin_tiny": 944.39}


def carries(name, head):
    """Whether a model has the maps that a head needs: UperNet refuses a single one."""
    return head != "upernet" or shrunk.stages(shrunk.shallow(name)) > 1


BACKBONES = ["resnet26", *shrunk.representatives()]
NETWORKS = [f"{head}_{name}" for head in HEADS for name in BACKBONES if carries(name, head)]
OF_EACH_FAMILY = [
    f"{head if carries(name, head) else 'semantic_fpn'}_{name}"
    for head, name in zip(cycle(HEADS), one_of_each_family(shrunk.representatives()), strict=False)
]
OF_EACH_HEAD = [next(n for n in OF_EACH_FAMILY if n.startswith(head)) for head in HEADS]
WINDOWED = next(name for name in OF_EACH_FAMILY if "acmix_swin" in name)
PYRAMID, PERCEPTION = "semantic_fpn_resnet26", "upernet_resnet26"


@pytest.fixture
def undrawn(monkeypatch):
    """Leave random weights zero: drawing them takes most of the time a large model is made in."""
    for name in ("_truncated_normal", "_random_normal"):
        monkeypatch.setattr(initializer, name, lambda seed, data, *parameters: data.fill(0))


# --- size -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", exhaustive(TABLE, [name for name in TABLE if "tiny" in name]))
def test_parameters_are_exact(name, undrawn):
    segmenter = create_segmenter(name)
    assert sum(p.size for p in segmenter.trainable_params()) == TABLE[name][0]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [name for name in TABLE if "acmix" in name and "tiny" in name])
def test_multiply_adds_at_512_x_2048(name, undrawn):
    """The table counts the additions of the heads' biases too, as mmcv's counter does.

    A forward pass of this size takes long: the kept counts of the others are compared with the
    published ones in ``tests/tools/analysis/test_paper_table.py``.
    """
    params, expected, paper = TABLE[name]
    counted = trace(create_segmenter(name), (1, 3, 512, 2048))
    biases = sum(c.kinds["bias"] for c in counted.cells if not c.name.startswith("backbone"))
    assert counted.params == params
    assert counted.uncounted == ()
    assert (counted.macs + biases) / 1e9 == pytest.approx(expected, abs=0.006)
    assert expected == pytest.approx(paper, rel=0.01)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", PADDED)
def test_multiply_adds_of_the_public_padding(name, undrawn):
    """What the paper prints, but for norms and activations, which it counts too."""
    segmenter = create_segmenter(name, backbone={"mask_padding": False})
    counted = trace(segmenter, (1, 3, 512, 2048))
    assert counted.macs / 1e9 == pytest.approx(PADDED[name], abs=0.02)


@pytest.mark.parametrize("head", HEADS)
def test_all_work_is_counted(head):
    """Heads on maps of 16, 8 and 4 pixels, written out."""
    body = {"depths": (1, 1, 1), "out_indices": (0, 1, 2)}
    segmenter = small_segmenter(f"{head}_resnet26", body)
    counted = trace(segmenter, (1, 3, 64, 64))
    backbone = sum(c.macs for c in counted.cells if c.name.startswith("backbone"))
    channels = [stage.channels for stage in segmenter.backbone.feature_info]
    if head == "semantic_fpn":
        neck = sum(8 * c * a for c, a in zip(channels, (256, 64, 16), strict=True))
        neck += 9 * 8 * 8 * (256 + 64 + 16)
        own = neck + 9 * 6 * (8 * (256 + 64 + 16) + 6 * 64) + 6 * NUM_CLASSES * 256
    else:
        pooled = 6 * channels[2] * (1 + 4 + 9 + 36) + 9 * 6 * (channels[2] + 24) * 16
        lateral = 6 * (channels[0] * 256 + channels[1] * 64) + 9 * 6 * 6 * (256 + 64)
        own = pooled + lateral + 9 * 6 * 18 * 256 + 6 * NUM_CLASSES * 256
    assert counted.macs - backbone == own
    assert counted.uncounted == ()


# --- weights --------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", HEADS)
def test_initial_weights(head):
    """He normal over fan-out before a BatchNorm, normal 0.01 before the logits, no bias."""
    segmenter = create_segmenter(f"{head}_resnet26", backbone=shrunk.arguments("resnet26"))
    heads = [cell for name, cell in segmenter.name_cells().items() if name.endswith("_head")]
    assert len(heads) == (1 if head == "semantic_fpn" else 2)
    for cell in heads:
        for name, parameter in cell.parameters_and_names():
            value = parameter.asnumpy()
            if name.endswith("conv_seg.weight"):
                assert value.std() == pytest.approx(0.01, rel=0.03)
            elif name.endswith("weight"):
                fan_out = value.shape[0] * value[0, 0].size
                assert value.std() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05), name
            elif name.endswith("bias"):
                assert not value.any()


# --- losses ---------------------------------------------------------------------------------------


def expected_loss(logits, labels):
    """Cross entropy in float64, pixel by pixel, of logits that are interpolated to the labels."""
    x = logits.astype(np.float64)
    for axis, length in ((2, labels.shape[1]), (3, labels.shape[2])):
        positions = (np.arange(length) + 0.5) * x.shape[axis] / length - 0.5
        x = oracles.interpolate(x, axis, positions)
    total = np.log(np.exp(x).sum(1))
    loss = 0.0
    for b, y, z in np.argwhere(labels != IGNORED):
        loss += total[b, y, z] - x[b, labels[b, y, z], y, z]
    return loss / labels.size


@pytest.mark.parametrize("name", [PYRAMID, PERCEPTION])
def test_losses_are_those_of_the_definition(name, mostly_pynative, rng):
    segmenter = on_given_maps(small_segmenter(name), rng)
    segmenter.set_train(False)  # BatchNorm's statistics stay put between the calls
    images, labels = batch(rng)
    losses = [float(loss.asnumpy()) for loss in Losses(segmenter)(images, labels)]
    decode = expected_loss(segmenter(images).asnumpy(), labels.asnumpy())
    if name == PYRAMID:
        assert segmenter.loss_names == ("loss",)
        assert losses == pytest.approx([decode], rel=1e-5)
    else:
        assert segmenter.loss_names == ("loss", "loss_decode", "loss_aux")
        logits = segmenter.auxiliary_head(segmenter.backbone(images)[-2])
        auxiliary = 0.4 * expected_loss(logits.asnumpy(), labels.asnumpy())
        assert losses == pytest.approx([decode + auxiliary, decode, auxiliary], rel=1e-5)


def test_an_image_without_labels_has_loss_zero_and_no_gradient(rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    segmenter = small_segmenter()
    images, labels = batch(rng)

    labels = Tensor(np.full(labels.shape, IGNORED, np.int32))

    def total(logits):
        return segmenter.loss_of(logits, labels)

    loss, gradient = ms.value_and_grad(total)(segmenter(images))
    assert float(loss.asnumpy()) == 0
    assert not gradient.asnumpy().any()


def test_upernet_without_its_auxiliary_head(rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    segmenter = on_given_maps(small_segmenter(PERCEPTION, auxiliary_weight=0.0), rng)
    assert segmenter.loss_names == ("loss",)
    assert not any("auxiliary" in p.name for p in segmenter.get_parameters())
    assert len(segmenter.losses(*batch(rng))) == 1


@pytest.mark.parametrize("head", HEADS)
def test_a_single_value_per_channel_is_refused(head, mode):
    """MindSpore's BatchNorm would put NaN into the running variance, and training go on."""
    name = f"{head}_resnet26"
    images = Tensor(np.zeros((1, 3, 4, 4), np.float32))
    labels = Tensor(np.zeros((1, 4, 4), np.int32))
    segmenter = small_segmenter(name)
    network = Losses(segmenter).set_train(True)
    with pytest.raises(UserError, match=r"train with at least 2 images \(data\.batch_size\)"):
        network(images, labels)


class Synchronised(nn.SyncBatchNorm):
    """Stand in for the norm over all devices, which CPU lacks."""

    def __init__(self):
        nn.Cell.__init__(self)

    def extend_repr(self):
        return ""

    def construct(self, x):
        return x * 2


def test_a_synchronised_norm_may_see_one_value_of_its_own(mode):
    block = ConvNormReLU(3, 4, 1).set_train()
    block.bn = Synchronised()
    assert block(Tensor(np.ones((1, 3, 1, 1), np.float32))).shape == (1, 4, 1, 1)


def test_dropout_is_for_training_alone(rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    segmenter = on_given_maps(small_segmenter(dropout=0.5), rng).set_train(False)
    images, _ = batch(rng)
    assert (segmenter(images).asnumpy() == segmenter(images).asnumpy()).all()
    segmenter.decode_head.classifier.set_train(True)
    assert (segmenter(images).asnumpy() != segmenter(images).asnumpy()).any()


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", [PYRAMID, PERCEPTION])
def test_overfitting_two_images(name, rng):
    """A whole training in graph mode: losses, gradients, optimizer; then the labels."""
    segmenter = small_segmenter(name, channels=16, dropout=0.0)
    images = rng.standard_normal((2, 3, 48, 64)).astype(np.float32)
    labels = np.zeros((2, 48, 64), np.int32)
    for channel, (y, x) in enumerate(((4, 8), (20, 36))):
        labels[:, y : y + 24, x : x + 24] = channel + 1
        images[:, channel, y : y + 24, x : x + 24] += 4
    network = Losses(segmenter).set_train(True)
    optimizer = create_optimizer(network, OptimConfig(name="adamw", lr=1e-2))
    step = TrainStep(network, optimizer, clip_norm=5.0)
    history = [float(step([(images, labels)], 1e-2).losses[0].asnumpy()) for _ in range(40)]
    assert history[-1] < 0.2 * history[0]
    segmenter.set_train(False)
    assert (Labels(segmenter)(Tensor(images)).asnumpy() == labels).mean() > 0.9


# --- every backbone -------------------------------------------------------------------------------


def gradient_of(network):
    """Return a function of a batch for total loss and gradients, and the parameters of these."""

    def total(images, labels):
        return network(images, labels)[0]

    parameters = network.trainable_params()
    return ms.value_and_grad(total, None, parameters), parameters


@pytest.mark.parametrize("name", exhaustive(NETWORKS, OF_EACH_FAMILY))
def test_every_backbone_trains_and_segments_at_an_odd_size(name, rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    segmenter = small_segmenter(name)
    shrunk.show_all(segmenter)
    images, labels = batch(rng)
    step, parameters = gradient_of(Losses(segmenter).set_train(True))
    loss, gradients = step(images, labels)
    assert np.isfinite(loss.asnumpy())
    for parameter, gradient in zip(parameters, gradients, strict=True):
        value = gradient.asnumpy()
        assert np.isfinite(value).all(), parameter.name
        assert np.abs(value).max() > 0, parameter.name
    segmenter.set_train(False)
    assert segmenter.stride == segmenter.backbone.feature_info[0].reduction
    height, width = (-(-side // segmenter.stride) for side in images.shape[2:])
    logits = segmenter(images)
    assert logits.shape == (2, NUM_CLASSES, height, width)
    segmenter.construct = lambda images: logits
    whole = segmenter.segment(images).asnumpy()
    assert whole.shape == (2, NUM_CLASSES, *images.shape[2:])
    found = segmenter.labels(images)
    assert found.dtype == ms.int32
    assert (found.asnumpy() == whole.argmax(1)).all()


@pytest.mark.parametrize("name", exhaustive([PYRAMID, PERCEPTION], [PERCEPTION]))
def test_every_parameter_of_a_head_gets_the_same_gradient_in_both_modes(name, rng):
    segmenter = on_given_maps(small_segmenter(name, dropout=0.0), rng)
    data = batch(rng)
    step, parameters = gradient_of(Losses(segmenter).set_train(True))
    _, compiled = ms.jit(step)(*data)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    _, eager = step(*data)
    for parameter, one, other in zip(parameters, compiled, eager, strict=True):
        one, other = one.asnumpy(), other.asnumpy()
        assert np.abs(one - other).max() <= 2e-3 * np.abs(other).max() + 1e-6, parameter.name


# Behind its maps a segmenter is the same for all networks, whose graphs are compared elsewhere.
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", OF_EACH_HEAD)
def test_graph_and_pynative_agree(name, rng):
    segmenter = small_segmenter(name).set_train(False)
    images, _ = batch(rng)
    compiled = segmenter(images).asnumpy()
    ms.set_context(mode=ms.PYNATIVE_MODE)
    np.testing.assert_allclose(compiled, segmenter(images).asnumpy(), rtol=1e-4, atol=1e-5)


# --- forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", exhaustive(NETWORKS, [PERCEPTION]))
def test_the_inference_form_gives_the_same_logits(name, rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    segmenter = small_segmenter(name)
    for cell in (cell for _, cell in segmenter.cells_and_names() if hasattr(cell, "moving_mean")):
        set_value(cell.moving_mean, rng.standard_normal(cell.moving_mean.shape))
        set_value(cell.moving_variance, rng.uniform(0.5, 2, cell.moving_variance.shape))
    segmenter.set_train(False)
    form = fuse(segmenter)
    images, _ = batch(rng)
    expected = segmenter.segment(images).asnumpy()
    np.testing.assert_allclose(
        form.segment(images).asnumpy(), expected, atol=2e-5 * np.abs(expected).max()
    )
    types = {type(cell).__name__ for _, cell in form.decode_head.cells_and_names()}
    assert not types & {"BatchNorm2d", "DropChannels"}


FORMS = [(name, form, kind) for name in (PYRAMID, WINDOWED)
         for form in (Segment, Labels) for kind in ("mindir", "onnx")]  # fmt: skip


@pytest.mark.parametrize(("name", "form", "kind"), exhaustive(FORMS, [(PYRAMID, Labels, "mindir")]))
def test_exported_files_agree(name, form, kind, tmp_path, rng):
    if kind == "onnx":
        pytest.importorskip("onnxruntime")
    segmenter = small_segmenter(name).set_train(False)
    images, _ = batch(rng)
    path = tmp_path / f"net.{kind}"
    # The ONNX exporter takes no open batch of Swin-ACmix, its classifier included.
    number = 2 if kind == "onnx" and name == WINDOWED else None
    write_model(Exported(form(fuse(segmenter))), path, FORMATS[kind], (number, 3, 45, 70))
    output = FORMATS[kind].load_runner(path)(images.asnumpy())
    output = output[0] if isinstance(output, (tuple, list)) else output
    ms.set_context(mode=ms.PYNATIVE_MODE)
    expected = form(segmenter)(images).asnumpy()
    if form is Labels:
        assert output.dtype == np.int32
        assert (output == expected).mean() > 0.999
    else:
        np.testing.assert_allclose(output, expected, atol=1e-5 * np.abs(expected).max())


AUDITED = [
    (name, kind)
    for name in (PERCEPTION, "semantic_fpn_acmix_pvt_tiny", "upernet_acmix_swin_tiny")
    for kind in ("logits", "labels", "training")
]


@pytest.mark.parametrize(("name", "kind"), exhaustive(AUDITED, [(PERCEPTION, "labels")]))
def test_graphs_pass_the_audit(name, kind):
    """Inference, and a training step in float16 with clipping and AdamW."""
    images = Tensor(shape=(2, 3, 64, 96), dtype=ms.float32)
    with built_for("Ascend"):
        segmenter = small_segmenter(name)
        if kind == "training":
            network = apply_mixed_precision(Losses(segmenter), "O2").set_train(True)
            step = TrainStep(network, create_optimizer(network, OptimConfig()), clip_norm=5.0)
            labels = Tensor(shape=(2, 64, 96), dtype=ms.int32)
            graph = graph_of(step.as_cell(), (images, labels))
        else:
            form = {"logits": Segment, "labels": Labels}[kind]
            graph = graph_of(Exported(form(fuse(segmenter))), (images,))
    result = audit_graph(graph, name)
    assert result.passed(), result.render()


# --- mixed precision ------------------------------------------------------------------------------


def test_losses_in_half_precision_are_those_of_full_precision_but_for_rounding(
    mostly_pynative, rng
):
    segmenter = on_given_maps(small_segmenter(PERCEPTION), rng).set_train(False)
    images, labels = batch(rng)
    for classifier in (segmenter.decode_head.classifier, segmenter.auxiliary_head.classifier):
        set_value(classifier.conv_seg.weight, get_value(classifier.conv_seg.weight) * 100)
    full = [float(loss.asnumpy()) for loss in Losses(segmenter)(images, labels)]
    network = Losses(segmenter).to_float(ms.float16)
    half = network(images, labels)
    assert {loss.dtype for loss in half} == {ms.float32}
    np.testing.assert_allclose([float(loss.asnumpy()) for loss in half], full, rtol=2e-2)
