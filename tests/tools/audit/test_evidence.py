"""The lists are those of the installed wheel, and verdicts follow from them as worked by hand."""

import mindspore as ms
import pytest

from acmix.tools.audit import extract
from acmix.tools.audit.evidence import VERSION, Evidence, entries, evidence_of
from acmix.tools.audit.verdict import Verdict, judge

of_the_lists = pytest.mark.skipif(ms.__version__ != VERSION, reason=f"lists are of {VERSION}")

# Worked by hand on an exported test net: aclnn kernel, GE adapter, AICPU kernel, and whether the
# class of the primitive documents Ascend.
BY_HAND = """
BatchMatMul yes yes yes yes
BatchNorm no yes no yes
BiasAdd no yes yes yes
Cast yes yes yes yes
Conv2D no yes no yes
Gather no yes yes no
GeLU yes yes no yes
Greater yes yes yes no
Im2Col no yes yes yes
LayerNorm no yes no yes
MatMul yes yes yes yes
MaxPool no yes no yes
MirrorPad no yes yes yes
Muls yes no no no
NMSWithMask no yes no yes
ROIAlign no yes no yes
Reshape no yes yes no
ResizeBilinearV2 no yes no yes
ResizeNearestNeighborV2 no yes yes yes
Roll yes yes no no
Select yes yes yes no
Softmax yes yes no yes
Sort no yes yes yes
StridedSlice no yes yes no
TopK no yes yes yes
Transpose yes yes yes no
"""


@pytest.mark.parametrize("row", BY_HAND.split("\n")[1:-1], ids=lambda row: row.split()[0])
def test_evidence_is_what_was_found_by_hand(row):
    operator, *columns = row.split()
    known = evidence_of(operator)
    by_class = known.documented and known.place == operator
    assert [known.aclnn, known.ge, known.aicpu, by_class] == [c == "yes" for c in columns]


@pytest.mark.parametrize(
    ("operator", "verdict", "reason"),
    [
        ("Conv2D", "PASS", "documented (Conv2D), GE adapter"),
        ("Gather", "PASS", "documented (ops.gather()), GE adapter"),
        ("Softmax", "PASS", "documented (Softmax), aclnn kernel and GE adapter"),
        ("ReduceSum", "PASS", "documented (ReduceSum), GE adapter"),
        ("Muls", "PASS*", "no platforms documented, aclnn kernel"),
        ("SoftmaxBackward", "PASS*", "no platforms documented, aclnn kernel"),
        ("BatchNormGrad", "PASS*", "GE adapter, in mindcv's resnet50 trained on Ascend"),
        (
            "AdamWeightDecay",
            "REVIEW",
            "it AdamApplyOneWithDecayAssign, of which CANN's header",
        ),
        ("TensorMove", "PASS*", "GE adapter, and the back end takes it as it is"),
        ("Einsum", "FAIL", "documented for GPU only"),
        ("NoSuchOperator", "FAIL", "nothing is registered"),
        ("MakeTuple", "PASS", "needs no kernel"),
        ("Switch", "PASS", "needs no kernel"),
    ],
)
def test_verdicts(operator, verdict, reason):
    found, why = judge(evidence_of(operator))
    assert found.value == verdict
    assert reason in why


@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        ({"platforms": ("Ascend",), "aclnn": True}, Verdict.PASS),
        ({"platforms": ("Ascend",), "ge": True}, Verdict.PASS),
        ({"platforms": ("Ascend",), "aicpu": True}, Verdict.REVIEW),
        ({"platforms": ("Ascend",)}, Verdict.REVIEW),
        ({"platforms": ("Ascend",), "aclnn": True, "undispatched": True}, Verdict.REVIEW),
        ({"platforms": ("CPU",), "aclnn": True, "ge": True}, Verdict.FAIL),
        ({"aclnn": True}, Verdict.LIKELY),
        ({"ge": True}, Verdict.REVIEW),
        ({"ge": True, "models": ("swin_tiny",)}, Verdict.LIKELY),
        ({"models": ("swin_tiny",)}, Verdict.FAIL),
        ({"aicpu": True}, Verdict.REVIEW),
        ({"passes": ("XFission",)}, Verdict.REVIEW),
        ({"ge": True, "becomes": ("X",)}, Verdict.LIKELY),
        ({"platforms": ("Ascend",), "becomes": ("Y",)}, Verdict.REVIEW),
        ({}, Verdict.FAIL),
    ],
)
def test_the_docstring_goes_first_and_one_weak_source_is_not_enough(known, verdict):
    assert judge(Evidence("X", **known))[0] == verdict


@of_the_lists
@pytest.mark.parametrize("name", ["documented", "aicpu"])
def test_generated_lists_are_those_of_the_installed_mindspore(name):
    kept = (extract.LISTS / f"{name}.txt").read_text(encoding="utf-8")
    assert kept == extract.texts()[name], "run python -m acmix.tools.audit.extract"


@pytest.mark.parametrize(
    ("name", "count"), [("ge_adapters", 916), ("aclnn_kernels", 495), ("backend_passes", 62)]
)
def test_lists_from_libraries_are_complete_and_say_their_origin(name, count):
    assert len(entries(name)) == count
    header = (extract.LISTS / f"{name}.txt").read_text(encoding="utf-8")[:500]
    assert "Taken from mindspore-2.8.0" in header


@of_the_lists
def test_the_list_of_mindcv_holds_what_its_resnet_does():
    pytest.importorskip("mindcv")
    from acmix.tools.audit.extract_mindcv import operators

    assert operators("resnet50") <= entries("mindcv").keys()
