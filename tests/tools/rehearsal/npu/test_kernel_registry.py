"""Declarations of kernels, what they refuse, and that all of them are tested."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from calls import aclnn, aclop

from acmix.tools.rehearsal.npu import registry
from acmix.tools.rehearsal.npu.registry import Kernel, Parameter, Spec, known

FOLDER = Path(__file__).parent


@pytest.mark.exhaustive
def test_every_kernel_is_called_by_a_test_of_this_folder(tmp_path):
    notes = tmp_path / "notes"
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FOLDER)],
        env={**os.environ, "ACMIX_TEST_NOTES": str(notes)},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    called = set(notes.read_text().splitlines())
    assert not {name for names in known() for name in names} - called


def test_a_word_of_a_declaration():
    assert Parameter.parse("x") == Parameter("x")
    assert Parameter.parse(">y*") == Parameter("y", is_input=False, is_output=True, is_list=True)
    assert Parameter.parse("&x") == Parameter("x", is_output=True)
    assert Parameter.parse("eps:double") == Parameter("eps", "double")
    with pytest.raises(ValueError, match=r"keep:boolean: no such type; there are bool, int8"):
        Parameter.parse("keep:boolean")


def test_members_of_a_list_come_in_the_order_of_their_numbers():
    names = ["y10", "y2", "y0", "x1", "y"]
    assert Parameter.parse("y*").members(names) == ["y0", "y2", "y10"]


def test_an_attribute_that_a_kernel_does_not_know_is_refused_unless_it_is_a_hint():
    kernel = Kernel("One", (Parameter.parse("x"), Parameter.parse(">y")), lambda x, *, axis=0: x)
    specs = [Spec((1,), 0)]
    assert kernel([1], {"axis": 1, "_hint": 2}, specs) == (1,)
    with pytest.raises(ValueError, match="attributes layout are not known"):
        kernel([1], {"layout": "NHWC"}, specs)
    with pytest.raises(ValueError, match="the kernel has 1 results for 2 outputs"):
        kernel([1], {}, [*specs, *specs])


def test_a_name_has_one_kernel():
    with pytest.raises(ValueError, match="aclnnRelu has two kernels"):
        registry.aclnn("aclnnRelu", "x >y")(abs)


def test_what_is_not_known_is_an_error_by_its_name():
    x = np.zeros(2, np.float32)
    with pytest.raises(AssertionError, match="NoSuch: the software NPU has no such operator"):
        aclop("NoSuch", {"x": x}, {"y": x})
    with pytest.raises(AssertionError, match="Relu: inputs z are not known"):
        aclop("Relu", {"x": x, "z": x}, {"y": x})
    with pytest.raises(AssertionError, match="Relu: outputs z are not known"):
        aclop("Relu", {"x": x}, {"z": x})


def test_a_result_of_another_shape_is_not_written():
    y = np.full(3, 7, np.float32)
    with pytest.raises(AssertionError, match=r"shape \(2,\) is not the output's \(3,\)"):
        aclnn("aclnnRelu", np.ones(2, np.float32), y)
    assert (y == 7).all()
