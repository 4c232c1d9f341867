"""Arguments of a network out of a configuration: a wrong one is named, in one line."""

from __future__ import annotations

import pytest

from acmix.config import load_config
from acmix.errors import UserError
from acmix.workflows.runs import build_model, named_config


@pytest.mark.parametrize(
    ("name", "argument", "message"),
    [
        ("acmix_swin_tiny", "embed_dim=x", "embed_dim must be an integer, got 'x'"),
        ("acmix_swin_tiny", "embed_dim=1.5", "embed_dim must be an integer, got 1.5"),
        ("acmix_swin_tiny", "embed_dim=true", "embed_dim must be an integer, got True"),
        ("acmix_swin_tiny", "embed_dim=0", "cannot be made with .*embed_dim=0"),
        ("acmix_swin_tiny", "patch_size=0", "cannot be made with .*patch_size=0"),
        ("acmix_swin_tiny", "depths=3", "depths must be a list of integers, got 3"),
        ("acmix_swin_tiny", "depths=[1, x]", r"depths must be a list of integers, got \(1, 'x'\)"),
        ("acmix_swin_tiny", "mixer=1", "mixer must be a string, got 1"),
        ("resnet26", "mixer={a: 1}", "mixer must be a string or a list of strings"),
        ("acmix_swin_tiny", "conv_kernel_size=x", "conv_kernel_size must be an integer"),
        ("acmix_swin_tiny", "fc_bias=1", "fc_bias must be true or false, got 1"),
        ("acmix_swin_tiny", "qkv_std=x", "qkv_std must be a number or null, got 'x'"),
        ("san10", "depths=[]", "must be equally long"),
        ("resnet26", "width=-1", "cannot be made with .*width=-1"),
        ("resnet26", f"width={2**62}", "cannot be made with"),
        ("pvt_tiny", "embed_dims=[1, 2]", "must be equally long"),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(name, argument, message):
    config = named_config(name, [f"model.kwargs.{argument}"])
    with pytest.raises(UserError, match=message) as error:
        build_model(config, 3)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700


def test_a_detectors_own_argument_is_checked(monkeypatch):
    config = named_config("retinanet_resnet26", ["detector.kwargs.channels=x"])
    with pytest.raises(UserError, match="detector 'retinanet_resnet26': channels must be an int"):
        build_model(config, 3)


@pytest.mark.parametrize(
    ("key", "owner"),
    [("num_classes", "model.num_classes"), ("in_channels", "data.channels"),
     ("drop_path_rate", "model.drop_path_rate")],
)  # fmt: skip
def test_an_argument_with_a_key_of_its_own_is_sent_there(key, owner):
    with pytest.raises(UserError, match=f"model.kwargs.{key}: set {owner} instead"):
        load_config(None, [f"model.kwargs.{key}=1"])
