"""``acmix convert`` of whole detectors, with the names of mmdetection and torchvision."""

from __future__ import annotations

import numpy as np
import pytest
from golden_arrays import load
from models.detection.golden_detectors import NAMES, golden_detector
from safetensors.numpy import load_file, save_file
from torch_files import Files

from acmix import create_model
from acmix.cli import main
from acmix.convert import torch_state
from acmix.engine import load_weights
from acmix.utils.parameters import get_value


def keys_of(meta):
    body = ", ".join(
        f"{key}: {value}" for key, value in meta["backbone"].items() if key != "drop_path_rate"
    )
    return [
        f"model.kwargs={{{body}, mask_padding: false}}",
        f"detector.kwargs={{channels: {meta['channels']}, fc_channels: {meta['fc']}, "
        f"mask_channels: {meta['channels']}}}",
    ]


def convert(file, output, model, keys):
    return main(["convert", "--from", "torch", str(file), *keys, "--model", model, "--output",
                 str(output)])  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_of_swins_code_there_and_back(name, tmp_path, capsys):
    golden = load(name)
    keys, checkpoint, back = keys_of(golden.meta), tmp_path / "x.ckpt", tmp_path / "x.safetensors"
    files = Files()
    content = {"meta": {"epoch": 36}, "state_dict": files.tensors(golden.state), "amp": {"a": 1}}
    (tmp_path / "x.pth").write_bytes(files.archive(content))
    assert convert(tmp_path / "x.pth", checkpoint, f"{name}_tiny", keys) == 0
    assert "tensors ignored: a constant, computed from the window size" in capsys.readouterr().out
    found, network = load_weights(checkpoint), golden_detector(name)[0]
    for parameter in network.get_parameters():
        if not parameter.name.endswith("random_state"):
            np.testing.assert_array_equal(found[parameter.name], get_value(parameter))
    call = ["convert", "--to", "torch", str(checkpoint), *keys, "--model", f"{name}_tiny"]
    assert main([*call, "--output", str(back)]) == 0
    for key, value in load_file(back).items():
        np.testing.assert_array_equal(value, golden.state[key], err_msg=key)


@pytest.mark.parametrize(
    ("model", "change", "message"),
    [
        ("mask_rcnn", "body", "there is no classifier of mask_rcnn_swin_tiny among the"),
        (
            "mask_rcnn",
            "retinanet",
            "The names are of a RetinaNet; name such",
        ),
        (
            "mask_rcnn",
            "segmenter",
            "The names are of a Segmenter; name such",
        ),
        ("mask_rcnn", "v2", "of torchvision's Mask R-CNN v2, which is not read: its pyramid and"),
        (
            "cascade_mask_rcnn",
            None,
            "The names are of a MaskRCNN; name such",
        ),
        ("retinanet", None, "The names are of a MaskRCNN; name such"),
        ("upernet", None, "The names are of a MaskRCNN; name such"),
        ("mask_rcnn", "--num-classes=2", "model.num_classes=2 is less than the 4 classes"),
        ("mask_rcnn", "--num-classes=7", "roi_head.bbox_head.fc_cls.bias ((5,) instead of (8,))"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path, capsys, model, change, message):
    golden = load("mask_rcnn_swin")
    state, keys = golden.state, keys_of(golden.meta) if model == "mask_rcnn" else []
    body = {name: value for name, value in state.items() if name.startswith("backbone.")}
    heads = {
        "body": {},
        "retinanet": {"bbox_head.retina_cls.weight": np.ones((9, 4, 3, 3), np.float32)},
        "segmenter": {"decode_head.conv_seg.weight": np.ones((9, 4, 1, 1), np.float32)},
        "v2": {"roi_heads.box_head.0.0.weight": np.ones((4, 4, 3, 3), np.float32)},
    }
    if change in heads:
        state = {**body, **heads[change]}
    elif change:
        keys = [*keys, change]
    save_file(state, tmp_path / "x.safetensors")
    assert convert(tmp_path / "x.safetensors", tmp_path / "x.ckpt", f"{model}_swin_tiny", keys) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x.ckpt").exists()


def test_cocos_80_classes_of_torchvisions_90_category_ids(tmp_path, capsys):
    """Every row holds the category id that it is for, and the background 0, as in torchvision."""
    ids = np.arange(91, dtype=np.float32)
    state = load("mask_rcnn_torchvision").state
    state = {name: value for name, value in state.items() if not name.startswith("backbone.")}
    for name, rows in (
        ("box_predictor.cls_score", ids),
        ("box_predictor.bbox_pred", np.repeat(ids, 4)),
        ("mask_predictor.mask_fcn_logits", ids),
    ):
        shape = state[f"roi_heads.{name}.weight"].shape[1:]
        state[f"roi_heads.{name}.weight"] = np.ones((len(rows), *shape), np.float32)
        state[f"roi_heads.{name}.bias"] = rows
    for level, channels in enumerate((32, 64, 128, 256)):
        state[f"backbone.fpn.inner_blocks.{level}.0.weight"] = np.ones((16, channels, 1, 1), "f")
        state[f"backbone.fpn.inner_blocks.{level}.0.bias"] = np.ones(16, "f")
        state[f"backbone.fpn.layer_blocks.{level}.0.weight"] = np.ones((16, 16, 3, 3), "f")
        state[f"backbone.fpn.layer_blocks.{level}.0.bias"] = np.ones(16, "f")
    body = create_model("resnet50", width=8, depths=(1, 1, 1, 1), num_classes=0)
    state |= {f"backbone.body.{name}": value for name, value in torch_state(body).items()}
    save_file(state, tmp_path / "x.safetensors")
    keys = [
        "model.kwargs={width: 8, depths: [1, 1, 1, 1]}",
        "detector.kwargs={channels: 16, fc_channels: 32, mask_channels: 16}",
        "model.num_classes=80",
    ]
    output = tmp_path / "x.ckpt"
    assert convert(tmp_path / "x.safetensors", output, "mask_rcnn_resnet50", keys) == 0
    assert "the 80 classes taken of COCO's 90 category ids" in capsys.readouterr().out
    found = load_weights(output)
    used = sorted(set(range(1, 91)) - {12, 26, 29, 30, 45, 66, 68, 69, 71, 83})  # as in COCO's file
    head = "roi_head.stages.0."
    np.testing.assert_array_equal(found[f"{head}box_head.fc_cls.bias"], [*used, 0])
    np.testing.assert_array_equal(found[f"{head}box_head.fc_reg.bias"], np.repeat(used, 4))
    np.testing.assert_array_equal(found[f"{head}mask_head.conv_logits.bias"], used)
    assert found[f"{head}mask_head.conv_logits.weight"].shape == (80, 16, 1, 1)
    assert convert(tmp_path / "x.safetensors", output, "mask_rcnn_resnet50", keys[:2]) == 0
    assert len(load_weights(output)[f"{head}box_head.fc_cls.bias"]) == 91
