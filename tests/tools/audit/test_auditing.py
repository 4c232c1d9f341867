"""Every registered model's graphs, built as on Ascend, against the inventories in docs/ascend."""

from itertools import product

import audited_models
import mindspore as ms
import pytest
from variants import exhaustive, first_of_each

from acmix.errors import UserError
from acmix.export import Exported
from acmix.models import create_model
from acmix.tools.audit.audit import audit_config, audit_graph
from acmix.tools.audit.inventory import Inventory
from acmix.tools.graphs import graph_of
from acmix.utils.modes import built_for
from acmix.utils.target import current_target
from acmix.workflows.runs import named_config

TINY = {"embed_dim": 12, "depths": (1,), "num_heads": (2,), "window_size": 4}


NAMES = audited_models.representatives()
# Of a family that with ACmix operators, if it has one: they come first. A cascade comes last: it
# has what Mask R-CNN has, three times.
AUDITED = first_of_each(
    sorted(NAMES, key=lambda name: (name.startswith("cascade"), name)), audited_models.family
)
KINDS = ("inference", "training")
CLASSIFIERS = [name for name in AUDITED if name not in audited_models.HEADED]
# Training compiles for long: by default one classifier's and one detector's.
TRAINED = (
    CLASSIFIERS[0],
    next(name for name in AUDITED if audited_models.family(name) == "detection"),
)
# Otherwise of one of each family, and of both segmenters.
STEPS = dict.fromkeys([*AUDITED, *audited_models.SEGMENTERS])
ALL = [*product(NAMES, KINDS[:1]), *product(STEPS, KINDS[1:])]
BY_DEFAULT = [*product(AUDITED, KINDS[:1]), *product(TRAINED, KINDS[1:])]


@pytest.mark.parametrize(("name", "kind"), exhaustive(ALL, BY_DEFAULT))
def test_graphs_pass_and_hold_nothing_new(name, kind):
    """Counts may change with every formulation; an operator or a finding must not come unseen."""
    result = audited_models.audited(name, kind)
    assert result.passed(), result.render()
    kept = Inventory.load(audited_models.file_of(name)).graphs.get(f"{name} {kind}", {})
    found = Inventory.of({"it": result}).graphs["it"]
    remedy = f"look at what is new, then: python tests/audited_models.py {name}"
    for part in ("operators", "convolutions", "findings"):
        assert found[part].keys() <= kept.get(part, {}).keys(), remedy


@pytest.mark.parametrize("name", exhaustive(CLASSIFIERS, CLASSIFIERS[:1]))
def test_what_is_exported_in_float16_passes_too(name):
    result = audit_config(audited_models.config(name), fp16=True)
    assert result.passed(), result.render()
    assert "float16" in result.subject
    assert {"Cast"} <= {entry.name for entry in result.operators}


def test_every_kept_graph_is_one_that_is_audited():
    kept = {key.split()[0] for key in Inventory.load(audited_models.FOLDER).graphs}
    assert kept == set(audited_models.names())


def test_what_is_built_for_cpu_would_fail():
    """Where the group convolution is not replaced: the audit sees what it is for."""
    result = audit_graph(tiny_swin(conv_impl="group"), "CPU")
    assert not result.passed()
    assert {finding.rule for finding in result.findings if finding.verdict == "FAIL"} == {
        "group convolution"
    }


def tiny_swin(**arguments):
    model = create_model("acmix_swin_tiny", **TINY, **arguments).set_train(False)
    return graph_of(Exported(model), [ms.Tensor(shape=(1, 3, 64, 64), dtype=ms.float32)])


def test_the_target_is_set_for_a_while():
    def fail():
        raise ZeroDivisionError

    with built_for("Ascend"):
        assert current_target().name == ms.context.get_context("device_target") == "Ascend"
        assert ms.get_context("device_target") == "CPU"
        assert ms.context.get_context("mode") == ms.GRAPH_MODE
    with pytest.raises(ZeroDivisionError), built_for("Ascend"):
        fail()
    assert current_target().name == ms.context.get_context("device_target") == "CPU"


def test_a_training_step_for_ascend_checks_gradients_by_one_operator():
    """Which MindSpore chooses by the device target, not by ours."""
    config = named_config("resnet26", ["model.kwargs={width: 8, depths: [1]}",
                                         "data.image_size=32"])  # fmt: skip
    operators = audit_config(config, training=True, batch_size=2).inventory()["operators"]
    assert operators["AllFinite"] == 1
    assert "IsFinite" not in operators


def test_the_step_is_the_one_that_is_configured():
    config = named_config(
        "resnet26", ["model.kwargs={width: 8, depths: [1]}", "optim.name=sgd",
                     "optim.weight_decay=1e-4", "data.image_size=32"]
    )  # fmt: skip
    result = audit_config(config, training=True)
    assert "2x3x32x32" in result.subject  # BatchNorms of a head that pools to a pixel refuse one
    counts = {entry.name: entry.count for entry in result.operators}
    assert counts["SGD"] == len(create_model("resnet26", width=8, depths=(1,)).trainable_params())
    assert "AdamWeightDecay" not in counts
    assert counts["SoftmaxCrossEntropyWithLogits"] == counts["OneHot"] == 1
    assert "GatherD" not in counts  # at O2 its gradient is MindSpore's own operator of AICPU
    assert "Switch" in counts  # the update that is left out where a gradient is not finite
    assert result.passed()


def test_mixed_labels_and_a_dynamic_batch():
    small = ["model.kwargs={width: 8, depths: [1]}", "data.image_size=32"]
    config = named_config("resnet26", small)
    result = audit_config(config, dynamic_batch=True)
    assert "dynamic batch" in {finding.rule for finding in result.findings}
    assert "-1x3x32x32" in result.subject
    mixed = audit_config(named_config("resnet26", [*small, "data.mixup=0.8"]), training=True)
    assert "OneHot" not in {entry.name for entry in mixed.operators}
    with pytest.raises(UserError, match="dynamic-batch is for inference"):
        audit_config(config, training=True, dynamic_batch=True)
    detector = named_config("retinanet_resnet26")
    with pytest.raises(UserError, match="post-processing of detectors takes a fixed number"):
        audit_config(detector, dynamic_batch=True)
    with pytest.raises(UserError, match="fp16 is for inference"):
        audit_config(config, training=True, fp16=True)
