"""Every architecture on the stand-in: its kernels are those of the table, its numbers the CPU's."""

import audited_models
import pytest
import rehearsed_models
from rehearsing import needs_compiler

from acmix.tools.rehearsal import known

# A step takes a minute or more, most of it to compile. The others' are kept, and written anew by
# the command.
STEPS = {
    ("acmix_resnet26", "fp32"): ("O0", "O2"),
    ("acmix_swin_base", "amp"): ("O0",),
    ("acmix_swin_base", "bf16"): ("O2",),
    ("retinanet_pvt_tiny", "amp"): ("O2",),
}
CASES = [
    *(  # what changes a graph changes it at both levels: a few at O2
        (name, "inference", "fp32", ("O0", "O2") if name in audited_models.FEW else ("O0",))
        for name in audited_models.representatives()
    ),
    *((name, "training", precision, levels) for (name, precision), levels in STEPS.items()),
]


@needs_compiler
@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("name", "kind", "precision", "levels"), CASES, ids=["-".join(case[:3]) for case in CASES]
)
def test_kernels_are_those_of_the_table_and_numbers_those_of_the_cpu(name, kind, precision, levels):
    runs = rehearsed_models.of_levels(name, kind, levels, precision)
    for level, run in zip(levels, runs, strict=True):
        assert run.result.passed, run.result.render()
        assert rehearsed_models.within(run.differences, precision), run.differences
        if precision == rehearsed_models.KEPT[kind]:
            kept = rehearsed_models.kept(kind, level)[name]
            words = f"{kind} {level} {precision} {name}"
            remedy = f"look at what is new, then: python tests/rehearsed_models.py {words}"
            assert rehearsed_models.summary(run.result) == kept, remedy


@pytest.mark.parametrize("level", rehearsed_models.LEVELS)
@pytest.mark.parametrize("kind", rehearsed_models.KINDS)
def test_the_table_holds_no_kernel_of_a_slow_kind(kind, level):
    kept = rehearsed_models.kept(kind, level)
    assert kept.keys() == set(rehearsed_models.names())
    kinds = {line.split(": ")[1] for graph in kept.values() for line in graph["nodes"]}
    assert kinds <= {"aclnn", "aclop", "view"}
    launched = {line for graph in kept.values() for line in graph["launches"]}
    assert launched
    assert not [line for line in launched if line.startswith("Cust")]


def test_the_list_that_reports_compare_with_is_that_of_the_tables():
    assert known.FILE.read_text() == known.text_of(rehearsed_models.calls_of_tables())


def test_numbers_are_kept_and_within_their_bounds():
    numbers = rehearsed_models.numbers()
    for name, kind, level, precision in rehearsed_models.cases():
        key = rehearsed_models.key_of(kind, level, precision)
        found = numbers[name].get(key)
        if precision == "bf16" and level not in STEPS.get((name, precision), ()) and found is None:
            continue
        assert found is not None, (name, key)
        assert rehearsed_models.within(found, precision), (name, key)
