"""What a run learns from and with: written into its checkpoints, compared when it is resumed.

A section of the configuration says of its keys what a resumed run may change, see
:class:`acmix.config.typed.Section`. The table is in docs/runs.md.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from acmix.config import Config
from acmix.config.typed import Section
from acmix.errors import UserError, check
from acmix.utils.text import first_few, printable, shorten

logger = logging.getLogger(__name__)


class LabelledData(Protocol):
    """What :func:`describe_run` asks of a data set; those of ``acmix.data`` fit."""

    classes: tuple[str, ...]
    num_samples: int

    def digest(self) -> dict[str, str]:
        """Return a digest of each part of what the data is, by name."""

    def label_notes(self) -> dict[str, Any]:
        """Return what describes the labels beside their names."""


def describe_run(config: Config, train: LabelledData, val: LabelledData) -> dict[str, Any]:
    """Return the classes, digests of the data and the settings, as values that JSON can hold.

    Keys that a resumed run may change freely are left out, so that checkpoints do not depend on
    folders, devices and intervals.
    """
    about: dict[str, Any] = {"task": config.task, "classes": list(train.classes)}
    about |= train.label_notes()
    about["settings"] = {
        key: value for key, value, section in _settings(config) if key not in _free(section)
    }
    splits = {"train": train, "val": val}
    about["data"] = {
        split: {"count": data.num_samples, **data.digest()} for split, data in splits.items()
    }
    return about


def check_same_run(
    saved: Mapping[str, Any], now: Mapping[str, Any], config: Config, path: str
) -> None:
    """Compare what a checkpoint says about its run with the run that is to continue.

    Logs what has changed and may. A checkpoint of a version that recorded nothing is accepted.

    Args:
        saved, now: results of :func:`describe_run`.
        config: of the run that is to continue.
        path: the checkpoint, for messages.

    Raises:
        UserError: the classes, the training images or settings that fix what is learned differ.
    """
    if not saved or not now:
        return
    check_same_classes(saved.get("classes"), now["classes"], path)
    _check_same_data(saved, now, path)
    fixed = {
        f"{section.prefix}{name}"
        for _, _, section in _settings(config)
        for name in section.fixed_on_resume
    }
    changed = list(_changes(saved.get("settings"), now["settings"]))
    refused = [
        f"{key} was {before}, now it is {after}" for key, before, after in changed if key in fixed
    ]
    check(
        not refused,
        f"{path} was trained with other settings: {first_few(refused)}. Set them as they were; or "
        "start a new run with these weights by model.pretrained.",
    )
    allowed = [f"{key} {before} -> {after}" for key, before, after in changed]
    if allowed:
        logger.info("Changed since the checkpoint: %s.", first_few(allowed))


def check_same_classes(saved: Any, now: Sequence[str], path: str) -> None:
    """Raise UserError unless both have the same classes in the same order; quotes both lists."""
    if saved is None or list(saved) == list(now):
        return
    raise UserError(
        f"{path} was trained on the classes {quoted(saved)}; the data has {quoted(now)}. Labels "
        "are positions in this list, so training cannot go on. Restore the data; or start a new "
        "run with these weights by model.pretrained and model.reset_head=true."
    )


def quoted(names: Sequence[Any]) -> str:
    """Return the first names of a list of classes in quotes, and their number if there are more."""
    shown = first_few([f"'{printable(name)}'" for name in names])
    return shown if len(names) <= 10 else f"{shown} ({len(names)} in all)"


def _check_same_data(saved: Mapping[str, Any], now: Mapping[str, Any], path: str) -> None:
    for split, remedy in (("train", True), ("val", False)):
        before, after = (about.get("data", {}).get(split, {}) for about in (saved, now))
        both = set(before) & set(after) - {"count", "preprocess"}  # the settings tell the latter
        parts = sorted(part for part in both if before[part] != after[part])
        if not parts:
            continue
        title = {"train": "training", "val": "validation"}[split]
        text = (
            f"the {title} data is not that of {path}: {' and '.join(parts)} differ "
            f"({before.get('count')} images then, {after.get('count')} now)"
        )
        if remedy:
            raise UserError(
                f"{text[0].upper()}{text[1:]}. Restore the data; or start a new run with these "
                "weights by model.pretrained."
            )
        logger.warning("%s; the metrics before and after are of other images.", text)


def _settings(section: Section) -> Iterator[tuple[str, Any, Section]]:
    """Yield the dotted key, the plain value and the section of every setting."""
    plain = section.to_dict()
    for name, value in plain.items():
        inner = getattr(section, name)
        if isinstance(inner, Section):
            yield from _settings(inner)
        else:
            yield f"{section.prefix}{name}", value, section


def _free(section: Section) -> set[str]:
    return {f"{section.prefix}{name}" for name in section.free_on_resume}


def _changes(saved: Any, now: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    saved = saved if isinstance(saved, Mapping) else {}
    for key, after in now.items():
        if key in saved and saved[key] != after:
            yield key, shorten(f"{saved[key]}", 80), shorten(f"{after}", 80)
