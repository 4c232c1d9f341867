"""A child takes the place of the one that was named, in every kind of parent."""

import pytest
from mindspore import nn

from acmix.utils.cells import replace_child


class Named(nn.Cell):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Dense(2, 3), nn.ReLU()


@pytest.mark.parametrize(
    ("parent", "name"),
    [(Named, "first"), (lambda: nn.CellList([nn.ReLU(), nn.Dense(2, 3)]), "1")],
    ids=["attribute", "list"],
)
def test_the_child_is_replaced_and_its_parameters_keep_their_names(parent, name):
    parent, child = parent(), nn.Dense(3, 3)
    for parameter in child.get_parameters():
        parameter.name = f"of.another.{parameter.name}"
    replace_child(parent, name, child)
    assert parent.name_cells()[name] is child
    assert {p.name for p in child.get_parameters()} == {"of.another.weight", "of.another.bias"}


def test_a_cell_that_is_there_twice_does_not_shift_those_behind_it():
    relu, last = nn.ReLU(), nn.Dense(2, 3)
    parent = nn.SequentialCell([relu, nn.Dense(2, 2), relu, last])
    assert list(parent.name_cells()) == ["0", "1", "3"]
    child = nn.Dense(2, 3)
    replace_child(parent, "3", child)
    assert list(parent)[2:] == [relu, child]
