"""Names of the classes of trained networks: where they come from, and how they meet a data set's.

A label is a position in a list of names. Lists are therefore compared by name, never by length.
"""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from acmix.config import Config
from acmix.engine import load_weights
from acmix.engine.checkpoint import read_about
from acmix.engine.identity import quoted
from acmix.engine.run_dir import CLASSES_FILE
from acmix.errors import UserError, check
from acmix.tasks import get_task
from acmix.utils.reading import read_bytes

logger = logging.getLogger(__name__)

UNKNOWN = -1
"""Label of a class that the network does not know; its images do not count."""

_MAX_BYTES = 2**26
_MAX_CLASSES = 10**6


def class_names(
    config: Config, checkpoint: str | Path, file: str | Path | None = None
) -> tuple[str, ...]:
    """Return the names of a network's classes, without its data set.

    They are those of ``file``, else those in the checkpoint, else those in its run folder, else
    numbers.

    Args:
        config: configuration of the network.
        checkpoint: its weights.
        file: see :func:`read_class_file`.

    Raises:
        UserError: a file cannot be read, or ``file`` has another number of names than the network
            has classes.
    """
    known = known_class_names(checkpoint)
    if file is None:
        return known or _numbers(config, checkpoint)
    return renamed(file, known or map(str, range(count_classes(config, checkpoint))), checkpoint)


def known_class_names(checkpoint: str | Path) -> tuple[str, ...] | None:
    """Return the names in a checkpoint or in its run folder; None if there are none."""
    names = read_about(checkpoint).get("classes")
    if names is not None:
        return _checked(names, checkpoint)
    file = Path(checkpoint).resolve().parent.parent / CLASSES_FILE
    return read_class_file(file) if file.is_file() else None


def renamed(path: str | Path, known: Iterable[str], network: str | Path) -> tuple[str, ...]:
    """Return the names in a file for the classes of a network.

    Args:
        path: see :func:`read_class_file`.
        known: names so far, or numbers.
        network: file of the network, for messages.

    Raises:
        UserError: there is another number of names, or they are the known ones in another order.
    """
    names, known = read_class_file(path), tuple(known)
    check(
        len(names) == len(known),
        f"--classes {path} holds {len(names)} names, but {network} has {len(known)} classes.",
    )
    check(
        names == known or sorted(names) != sorted(known),
        f"--classes {path} holds the names of {network} in another order: {quoted(names)} instead "
        f"of {quoted(known)}. Labels are positions; leave --classes out, or take this order.",
    )
    return names


def read_class_file(path: str | Path) -> tuple[str, ...]:
    """Return the names in a file: a JSON list, or text in UTF-8 with one name on each line.

    Raises:
        UserError: the file is missing or not text, or a name is empty.
    """
    content = read_bytes(path, _MAX_BYTES)
    try:
        text = content.decode("utf-8-sig")
        if text.lstrip().startswith("["):
            return _checked(json.loads(text), path)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path} is not UTF-8 text ({error}); save it as UTF-8, one class name on each line."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON ({error}); it must be a list of names.") from error
    return _checked([line.strip() for line in text.strip().splitlines()], path)


def count_classes(config: Config, checkpoint: str | Path) -> int:
    """Return the number of classes of a network: of the names known, else of its weights.

    Raises:
        UserError: the weights are not those of the configured network.
    """
    known = known_class_names(checkpoint)
    if known is not None:
        return len(known)
    shapes = {name: value.shape for name, value in load_weights(checkpoint).items()}
    count = get_task(config.task).count_classes(config, shapes)
    check(
        count is not None,
        f"{checkpoint} has no classifier of {config.network_name}; take another configuration, "
        "or weights of this network.",
    )
    return int(count or 0)


def match_classes(network: Sequence[str], data: Sequence[str], what: str) -> tuple[int, ...]:
    """Return the network's label of each class of a data set; :data:`UNKNOWN` if it has none.

    The lists match if one is a permutation or a subset of the other; a difference is logged.

    Args:
        network: names of the network's classes, by label.
        data: names of the data set's classes, by label.
        what: the checkpoint, for messages.

    Raises:
        UserError: each list has names that the other lacks; quotes both.
    """
    if tuple(network) == tuple(data):
        return tuple(range(len(data)))
    labels = {_composed(name): label for label, name in enumerate(network)}
    matched = tuple(labels.get(_composed(name), UNKNOWN) for name in data)
    unknown = [name for name, label in zip(data, matched, strict=True) if label == UNKNOWN]
    absent = [name for label, name in enumerate(network) if label not in matched]
    distinct = len(labels) == len(network) and len(set(data)) == len(data)
    check(
        distinct and not (unknown and absent),
        f"{what} was trained on the classes {quoted(network)}; the data has {quoted(data)}. "
        "Labels cannot be matched by name: evaluate it on its own classes, or on some of them.",
    )
    if unknown:
        logger.warning(
            "The network does not know %s; images of these classes do not count.", quoted(unknown)
        )
    elif absent:
        logger.warning("The data has no class %s; classes are matched by name.", quoted(absent))
    elif list(matched) != list(range(len(data))):
        logger.warning("The data has its classes in another order; they are matched by name.")
    else:
        logger.warning("Class names differ in their Unicode form only; they are the same classes.")
    return matched


def _numbers(config: Config, checkpoint: str | Path) -> tuple[str, ...]:
    count = count_classes(config, checkpoint)
    logger.warning(
        "%s does not name its classes: they are called 0 to %d. Name them with --classes FILE.",
        checkpoint,
        count - 1,
    )
    return tuple(map(str, range(count)))


def _checked(names: Any, source: str | Path) -> tuple[str, ...]:
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    check(
        is_list and 0 < len(names) <= _MAX_CLASSES,
        f"{source} must hold a list of class names; restore it, or name them with --classes FILE.",
    )
    empty = [number for number, name in enumerate(names, start=1) if not name]
    check(not empty, f"{source}: name {empty and empty[0]} is empty.")
    return tuple(names)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
