"""The registry behind models, detectors and attention modes."""

import pytest

from acmix.errors import UserError
from acmix.utils.registry import Registry


@pytest.fixture
def fruits():
    registry = Registry("fruit")
    for name in ("pear", "apple", "plum"):
        registry.add(name, name.upper())
    return registry


def test_entries_are_found_and_listed(fruits):
    assert fruits["apple"] == "APPLE"
    assert list(fruits) == ["pear", "apple", "plum"]
    assert fruits.names() == ["apple", "pear", "plum"]
    assert fruits.names("p*") == ["pear", "plum"]
    assert "apple" in fruits


def test_a_decorator_registers_a_class_and_leaves_it(fruits):
    @fruits.register("fig")
    class Fig:
        pass

    assert fruits["fig"] is Fig
    fruits.remove("fig")
    assert "fig" not in fruits


def test_mistakes_are_named(fruits):
    with pytest.raises(UserError, match=r"fruit 'aple' is unknown\. Did you mean 'apple'\?"):
        fruits["aple"]
    with pytest.raises(UserError, match="fruit 'pear' is already registered"):
        fruits.add("pear", "")
