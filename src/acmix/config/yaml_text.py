"""Parse and write YAML with the scalars of YAML 1.2, rejecting duplicate keys.

Parsing is safe for untrusted text: it creates plain types only, and bounds the length, the nesting
depth, the length of numbers, and the number of values after alias expansion.

PyYAML reads YAML 1.1, where ``2024_11_25`` and ``12:30:00`` are integers, ``010`` is 8, ``1e-3`` is
text and ``2024-11-25`` a date. Here the first two are text, ``010`` is 10, ``1e-3`` a number and
the date text. ``yes``, ``no``, ``on`` and ``off`` stay booleans.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from acmix.utils.text import shorten

MAX_CHARACTERS = 2**20
"""Maximum length of a text; the longest configuration here has 2,000 characters."""
MAX_DIGITS = 1000
"""Maximum length of a number; the largest float has 309 digits, and Python prints 4,300."""
_MAX_NODES = 100_000
MAX_DEPTH = 50

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_NUMBER_STARTS = list("-+.0123456789")
_REPLACED = {f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp", "value")}


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
        # Raised by PyYAML's constructors, for example for !!timestamp 2001-99-99 (a date).
        raise yaml.YAMLError(f"a value that cannot be read: {error}") from error


def has_comment(text: str) -> bool:
    """Return whether YAML leaves a part of ``text`` out, from a ``#`` to the end of the line."""
    end = 0
    for token in yaml.scan(text, Loader=_Loader):
        if "#" in text[end : token.start_mark.index]:
            return True
        end = max(end, token.end_mark.index)
    return "#" in text[end:]


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
        if self._depth > MAX_DEPTH:
            raise _error_at(f"nested deeper than {MAX_DEPTH} levels", event)
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
                        None,
                        None,
                        f"key '{shorten(str(key), 80)}' is given twice",
                        key_node.start_mark,
                    )
                seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def construct_int(self, node: yaml.ScalarNode) -> int:
        text = self._number(node, _INT, "an integer")
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text, base)

    def construct_float(self, node: yaml.ScalarNode) -> float:
        text = self._number(node, _FLOAT, "a number").lower()
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))

    def _number(self, node: yaml.ScalarNode, form: re.Pattern[str], what: str) -> str:
        text = str(self.construct_scalar(node))
        if len(text) > MAX_DIGITS:
            raise _error_at(f"a number of more than {MAX_DIGITS} characters", node)
        if not form.fullmatch(text):  # possible with a tag: !!int ten
            raise _error_at(f"'{shorten(text, 80)}' is not {what}", node)
        return text


def _error_at(reason: str, place: yaml.Event | yaml.Node) -> yaml.YAMLError:
    mark: Any = place.start_mark  # its class differs between PyYAML's Python and C parsers
    return yaml.composer.ComposerError(None, None, reason, mark)


class _Dumper(yaml.SafeDumper):
    """Writer that quotes text that is no text in YAML 1.1 or 1.2, for readers of either."""

    def represent_str(self, text: str) -> yaml.ScalarNode:
        # PyYAML writes these line breaks as they are, and reads them as spaces.
        style = '"' if re.search("[\x85\u2028\u2029\ufeff]", text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Dumper.add_representer(str, _Dumper.represent_str)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_float)
for _class in (_Loader, _Dumper):
    for _tag, _form in (("int", _INT), ("float", _FLOAT)):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_form.pattern})$"), _NUMBER_STARTS
        )
