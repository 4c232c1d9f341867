"""The counts of launches that are kept, in the documentation and anew."""

from pathlib import Path

import pytest
import rehearsed_launches
from rehearsing import needs_compiler

DOCS = Path(__file__).parents[3] / "docs" / "ascend.md"


def test_the_documented_table_is_that_of_the_kept_counts():
    kept = rehearsed_launches.kept()
    assert kept.keys() == {rehearsed_launches.key_of(*call) for call in rehearsed_launches.CALLS}
    assert rehearsed_launches.table(kept) in DOCS.read_text(encoding="utf-8")


def test_nothing_is_launched_more_often_than_before():
    for counts in rehearsed_launches.kept().values():
        assert counts["now"]["launches"] < counts["before"]["launches"]
        assert counts["now"]["aclop"] < counts["before"]["aclop"]


@pytest.mark.exhaustive
@needs_compiler
@pytest.mark.parametrize("call", rehearsed_launches.CALLS)
def test_the_kept_counts_are_those_of_the_back_end(call):
    kept = rehearsed_launches.kept()[rehearsed_launches.key_of(*call)]["now"]
    remedy = f"look at what is new, then: python tests/rehearsed_launches.py {call[1]}"
    assert rehearsed_launches.counted(*call) == kept, remedy
