"""YAML in and out, with numbers as YAML 1.2 writes them and without repeated keys.

Text of any origin may be parsed: nothing but plain types is made of it, and its size, its depth and
what its aliases expand to are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

LARGEST_TEXT = 2**20
"""Characters. The longest configuration of this repository has two thousand."""
_MOST_NODES = 100_000
_DEEPEST = 50


def parse_yaml(text: str) -> Any:
    """Parse one YAML document of plain types.

    Raises:
        yaml.YAMLError: malformed text, a key given twice in one mapping, or too much of anything.
    """
    if len(text) > LARGEST_TEXT:
        raise yaml.YAMLError(f"longer than {LARGEST_TEXT} characters")
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (it is a SafeLoader)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        # From PyYAML's constructors: 2001-99-99 looks like a date, !!int is given to text.
        raise yaml.YAMLError(f"a value that cannot be read: {error}") from error


def dump_yaml(tree: Any) -> str:
    """Return YAML that :func:`parse_yaml` reads back to ``tree``."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Loader(yaml.SafeLoader):
    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = self._depth = 0  # with every alias counted as what it stands for
        self._sizes: dict[yaml.Node, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        before = self._nodes
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _refused(f"nested deeper than {_DEEPEST} levels", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if node not in self._sizes:
                raise _refused(f"'*{event.anchor}' stands for what it is part of", event)
            self._nodes += self._sizes[node]
        elif node is not None:
            self._nodes += 1
            self._sizes[node] = self._nodes - before
        if self._nodes > _MOST_NODES:
            raise _refused(f"more than {_MOST_NODES} values", event)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key '{key}' is given twice", key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _refused(reason: str, event: yaml.Event) -> yaml.YAMLError:
    mark: Any = event.start_mark  # of PyYAML's Python or C implementation
    return yaml.composer.ComposerError(None, None, reason, mark)


class _Dumper(yaml.SafeDumper):
    pass


# PyYAML takes 1e-3 for a string: YAML 1.1 wants 1.0e-3. The dumper must know as well, or it would
# leave the quotes off the string '1e-3'.
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
        list("-+.0123456789"),
    )
