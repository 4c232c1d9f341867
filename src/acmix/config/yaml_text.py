"""Parse and write YAML with YAML 1.2 numbers, rejecting duplicate keys.

Parsing is safe for untrusted text: it creates plain types only, and bounds the length, the nesting
depth and the number of values after alias expansion.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

MAX_CHARACTERS = 2**20
"""Maximum length of a text; the longest configuration here has 2,000 characters."""
_MAX_NODES = 100_000
_MAX_DEPTH = 50


def parse_yaml(text: str) -> Any:
    """Parse one YAML document of plain types.

    Raises:
        yaml.YAMLError: malformed text, a duplicate key in a mapping, or an exceeded limit.
    """
    if len(text) > MAX_CHARACTERS:
        raise yaml.YAMLError(f"longer than {MAX_CHARACTERS} characters")
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (it is a SafeLoader)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        # Raised by PyYAML's constructors, for example for 2001-99-99 (a date) or !!int text.
        raise yaml.YAMLError(f"a value that cannot be read: {error}") from error


def dump_yaml(tree: Any) -> str:
    """Return YAML that :func:`parse_yaml` reads back to ``tree``."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Loader(yaml.SafeLoader):
    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._nodes = self._depth = 0  # an alias counts as many nodes as its anchor has
        self._sizes: dict[yaml.Node, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        before = self._nodes
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _error_at(f"nested deeper than {_MAX_DEPTH} levels", event)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if node not in self._sizes:
                raise _error_at(f"'*{event.anchor}' stands for what it is part of", event)
            self._nodes += self._sizes[node]
        elif node is not None:
            self._nodes += 1
            self._sizes[node] = self._nodes - before
        if self._nodes > _MAX_NODES:
            raise _error_at(f"more than {_MAX_NODES} values", event)
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


def _error_at(reason: str, event: yaml.Event) -> yaml.YAMLError:
    mark: Any = event.start_mark  # its class differs between PyYAML's Python and C parsers
    return yaml.composer.ComposerError(None, None, reason, mark)


class _Dumper(yaml.SafeDumper):
    pass


# PyYAML parses 1e-3 as a string, since YAML 1.1 requires 1.0e-3. The dumper needs the same rule to
# quote the string '1e-3'.
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
        list("-+.0123456789"),
    )
