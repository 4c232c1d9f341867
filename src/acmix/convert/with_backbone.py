"""Families of networks that are a head on any backbone, whose names begin with ``backbone.``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from acmix.convert.dialects import Dialect
from acmix.convert.rules import Family

BACKBONE = "backbone."
"""Beginning of the names of a backbone under a head."""


@dataclass(frozen=True)
class _Joined(Dialect):
    """A head's names with one library's names for the backbone."""

    head: Dialect = field(default_factory=lambda: Dialect("", roots=""))
    body: Dialect = field(default_factory=lambda: Dialect("", roots=""))

    def recognises(self, names: list[str]) -> bool:
        """Whether names are of this head and this library's backbone."""
        whole = [self.head.rename(name) for name in names]
        own = [name.removeprefix(BACKBONE) for name in whole if name.startswith(BACKBONE)]
        return super().recognises(names) and self.body.recognises(own)


def with_backbone(head: Family, body: Family) -> Family:
    """Return the family of a head, with names of the whole network, on a family's backbone."""
    return Family(
        rules={**body.rules, **head.rules},
        renames=(
            (rf"^{re.escape(BACKBONE)}(.+)", lambda match: BACKBONE + body.rename(match[1])),
            *head.renames,
        ),
        ignored={**body.ignored, **head.ignored},
        optional=head.optional,
        dialects=tuple(
            _joined(of_head, of_body) for of_head in head.dialects for of_body in body.dialects
        ),
    )


def _joined(head: Dialect, body: Dialect) -> Dialect:
    def renamed(match: re.Match[str]) -> str:
        name = match[1]
        # Norms are of the maps; a classifier's would be the only one.
        return BACKBONE + (name if re.match(r"norm\d\.", name) else body.rename(name))

    return _Joined(
        " and ".join(filter(None, (head.library, body.library))),
        roots=head.roots,
        signature=head.signature,
        renames=(*head.renames, (rf"^{re.escape(BACKBONE)}(.+)", renamed)),
        joins=body.joins,
        transforms=(*head.transforms, *body.transforms),
        refusal=body.refusal,
        head=head,
        body=body,
    )
