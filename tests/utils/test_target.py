"""Targets: the one of the process, and another for a while."""

import contextvars
import dataclasses

import mindspore as ms
import pytest

from acmix.environment import DEVICES
from acmix.utils.target import TARGETS, current_target, target_set_to


def test_every_device_that_can_be_configured_is_known():
    assert set(TARGETS) == set(DEVICES)
    assert all(name == target.name for name, target in TARGETS.items())


def test_the_target_is_the_process_own_but_for_a_while():
    own = current_target()
    assert own.name == ms.get_context("device_target")
    with target_set_to("Ascend"):
        assert not current_target().group_conv
        with target_set_to("GPU"):
            assert current_target().name == "GPU"
        assert current_target().name == "Ascend"
        assert contextvars.Context().run(current_target) is own
    assert current_target() is own


def test_a_target_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        current_target().name = "TPU"
