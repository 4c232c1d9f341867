"""Names under which several libraries store one architecture, and prefixes before them.

A state is brought under the official names first; the families' rules know only those.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from acmix.errors import UserError
from acmix.utils.text import first_few, shorten

Rename = tuple[str, str | Callable[[re.Match[str]], str]]

_USUAL = {
    "module", "_orig_mod", "model", "backbone", "encoder", "net", "network", "student", "teacher",
    "base_model", "ema", "classifier", "cls_head",
}  # fmt: skip
"""Parts of prefixes under which a part of the network may lie apart, such as its classifier."""


_HEADS = re.compile(r"(head|fc|classifier)\.(?!((fc|1)\.)?(weight|bias)$)")
"""Names of classifiers of several layers, as self-supervised training adds them."""

_MAX_PARTS, _MAX_PREFIXES = 32, 100
"""Bounds of the search for prefixes: deepest names nest 10 modules."""


@dataclass(frozen=True)
class Dialect:
    """The names of one library for one architecture.

    Args:
        library: who uses them.
        roots: pattern of the beginning of a name, behind a prefix.
        signature: pattern of which one name must be an example, behind the prefix.
        absent: pattern of which no name may be one; empty for none.
        renames: patterns and replacements of ``re.sub``, applied in order, to official names.
        joins: names of parts, and the name of the tensor that they make one after the other.
        transforms: patterns of official names and functions that bring their arrays, none of which
            is empty or a scalar, in official form.
        refusal: why files with these names are not read; empty if they are.
    """

    library: str
    roots: str
    signature: str = ""
    absent: str = ""
    renames: tuple[Rename, ...] = ()
    joins: tuple[tuple[tuple[str, ...], str], ...] = ()
    transforms: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = ()
    refusal: str = ""

    def rename(self, name: str) -> str:
        """Return the official name of a tensor, given that behind the prefix."""
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        return name

    def recognises(self, names: list[str]) -> bool:
        """Whether names behind their prefix are of this library."""
        return any(re.search(self.signature, name) for name in names) and not (
            self.absent and any(re.search(self.absent, name) for name in names)
        )


@dataclass(frozen=True)
class Official:
    """A state under official names.

    Attributes:
        state: arrays by official names.
        ignored: reason for each tensor of the file that belongs to no part of the network.
        notes: what was done to the names, for the user.
    """

    state: dict[str, np.ndarray]
    ignored: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def to_official(state: Mapping[str, np.ndarray], dialects: Sequence[Dialect]) -> Official:
    """Bring a state under the official names of a family; unchanged if none are recognised.

    ``dialects`` are those of the family.

    The network's part is taken from a larger one: the names behind the prefix that most of them
    have, such as ``backbone.``.

    Raises:
        UserError: the file holds several networks, or the names are of an architecture that is not
            read.
    """
    best = recognise(state, dialects)
    if best is None:
        return Official(dict(state))
    dialect, prefix = best
    if dialect.refusal:
        raise UserError(f"The names are of {dialect.library}. {dialect.refusal}")
    _check_single(state, dialect, prefix)
    taken, ignored = _network_part(state, dialect, prefix)
    notes = []
    if prefix:
        notes.append(f"the names' prefix '{shorten(prefix, 80)}' dropped")
    if dialect.library:
        notes.append(f"the names of {dialect.library} recognised")
    return Official(_renamed(taken, dialect), ignored, tuple(notes))


def recognise(
    state: Mapping[str, np.ndarray], dialects: Sequence[Dialect]
) -> tuple[Dialect, str] | None:
    """Return the dialect of most names, and the prefix before them; None if none is recognised."""
    best: tuple[int, Dialect, str] | None = None
    for dialect in dialects:
        prefixes = _prefixes(state, dialect.roots)
        for prefix, count in prefixes.most_common(8):
            names = [name.removeprefix(prefix) for name in state if name.startswith(prefix)]
            if dialect.recognises(names) and (best is None or count > best[0]):
                best = count, dialect, prefix
    return best and best[1:]


def _prefixes(state: Mapping[str, np.ndarray], roots: str) -> Counter[str]:
    """Count the names behind which prefix begin as an architecture's do."""
    pattern = re.compile(roots)
    counts: Counter[str] = Counter()
    for name in state:
        for at in _starts(name):
            if pattern.match(name, at):
                counts[name[:at]] += 1
    return counts


def _starts(name: str) -> list[int]:
    """Return where the first parts of a name begin."""
    return [0, *(match.end() for match in islice(re.finditer(r"\.", name), _MAX_PARTS))]


def _check_single(state: Mapping[str, np.ndarray], dialect: Dialect, prefix: str) -> None:
    prefixes = _prefixes(state, dialect.roots)
    own = {name.removeprefix(prefix) for name in state if name.startswith(prefix)}
    twins = [prefix]
    for other, count in prefixes.most_common(_MAX_PREFIXES):
        if other == prefix or 10 * count < 9 * prefixes[prefix]:
            continue
        names = {name.removeprefix(other) for name in state if name.startswith(other)}
        if len(names & own) * 2 > len(own):
            twins.append(other)
    if len(twins) > 1:
        choices = first_few([f"'{shorten(twin, 80)}'" for twin in sorted(twins)])
        raise UserError(
            f"The file holds several networks, under the prefixes {choices}. Name one: "
            "--key PREFIX, or model.pretrained_key=PREFIX."
        )


def _network_part(
    state: Mapping[str, np.ndarray], dialect: Dialect, prefix: str
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the network's tensors without prefixes, and reasons for the others."""
    roots = re.compile(dialect.roots)
    taken = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
    ignored = []
    for name, value in state.items():
        if name.startswith(prefix):
            continue
        for at in _starts(name):
            usual = all(part in _USUAL for part in name[:at].split(".")[:-1])
            new = name[at:]
            if usual and roots.match(new) and new not in taken and not _HEADS.match(new):
                taken[new] = value
                break
        else:
            ignored.append(name)
    others = first_few([f"'{shorten(name, 80)}'" for name in ignored])
    return taken, dict.fromkeys(ignored, f"not of the network: {others}")


def _renamed(state: Mapping[str, np.ndarray], dialect: Dialect) -> dict[str, np.ndarray]:
    renamed: dict[str, np.ndarray] = {}
    for name, value in state.items():
        new = dialect.rename(name)
        if new in renamed:
            raise UserError(
                f"'{shorten(name, 100)}' and another tensor are both '{shorten(new, 100)}' under "
                "the official names; keep one of them in the file."
            )
        for pattern, transform in dialect.transforms:
            if value.ndim and value.size and re.search(pattern, new):
                value = transform(value)
        renamed[new] = value
    for parts, whole in dialect.joins:
        _join(renamed, parts, whole)
    return renamed


def _join(state: dict[str, np.ndarray], parts: tuple[str, ...], whole: str) -> None:
    """Replace tensors of which each has one of ``parts`` in its name by their concatenation."""
    first = re.compile(rf"\.{parts[0]}\.(weight|bias)$")
    for name in list(state):
        match = first.search(name)
        if match is None:
            continue
        stem, kind = name[: match.start()], match[1]
        names = [f"{stem}.{part}.{kind}" for part in parts]
        arrays = [state[n] for n in names if n in state]
        if len(arrays) == len(parts) and len({array.shape[1:] for array in arrays}) == 1:
            state[f"{stem}.{whole}.{kind}"] = np.concatenate(arrays)
            for n in names:
                del state[n]
