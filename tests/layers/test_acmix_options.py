"""The arguments that every family passes on to its operators."""

import dataclasses

import pytest

from acmix import ACmix, create_model
from acmix.errors import UserError
from acmix.layers.acmix_options import ACmixOptions, split_options
from acmix.models.swin import Swin

SMALL_SWIN = {"embed_dim": 8, "depths": (1,), "num_heads": (2,), "window_size": 4}


def test_options_are_split_from_other_arguments():
    options, rest = split_options({"combine": "alpha", "kernel_size": 3})
    assert options == ACmixOptions(combine="alpha")
    assert rest == {"kernel_size": 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"combine": "boath"}, "combine='boath' is unknown. Did you mean 'both'"),
        ({"conv_variant": "learnt"}, "conv_variant='learnt' is unknown. Did you mean 'learnable'"),
        ({"conv_impl": "groups"}, "conv_impl='groups' is unknown. Did you mean 'group'"),
        ({"conv_kernel_size": 2}, "conv_kernel_size must be an odd number"),
    ],
)
def test_bad_values_are_named_as_the_caller_named_them(arguments, message):
    for make in (ACmixOptions, lambda **chosen: ACmix(8, **chosen)):
        with pytest.raises(UserError, match=message):
            make(**arguments)


@pytest.mark.parametrize("name", ["acmix_swin_tiny", "acmix_resnet26", "acmix_san10"])
def test_models_take_them_flat(name):
    with pytest.raises(UserError, match="Did you mean 'conv_variant'"):
        create_model(name, conv_varient="shift")
    with pytest.raises(UserError, match="conv_impl='x' is unknown"):
        create_model(name, conv_impl="x")


def test_a_family_has_defaults_of_its_own():
    mixer = Swin(mixer="acmix", combine="beta", **SMALL_SWIN).stages[0].blocks[0].attn
    assert mixer.conv_rolled
    assert mixer.conv_path.fc_bias is not None
    assert (mixer.alpha, mixer.beta.shape) == (None, (1,))
    with pytest.raises(UserError, match="Swin takes no argument 'window_sise'"):
        Swin(window_sise=7)


def test_a_misspelt_option_of_the_operator_is_suggested():
    with pytest.raises(UserError, match="Did you mean 'conv_variant'"):
        ACmix(8, conv_varient="shift")


def test_options_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ACmixOptions().combine = "sum"


@pytest.mark.parametrize("combine", ["both", "attention", "conv"])
def test_a_mode_s_unknown_argument_is_refused_in_every_combination(combine):
    with pytest.raises(UserError, match=r"takes no argument 'kernel_sise'.*Did you mean"):
        ACmix(8, num_heads=2, combine=combine, kernel_sise=5)
