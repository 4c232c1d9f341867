"""YAML in and out, with numbers as YAML 1.2 writes them and without repeated keys."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml


def parse_yaml(text: str) -> Any:
    """Parse one YAML document of plain types.

    Raises:
        yaml.YAMLError: malformed text, or a key given twice in one mapping.
    """
    return yaml.load(text, Loader=_Loader)


def dump_yaml(tree: Any) -> str:
    """Return YAML that :func:`parse_yaml` reads back to ``tree``."""
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Loader(yaml.SafeLoader):
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
