"""Convert between PyTorch weight files and checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from acmix.config import Config
from acmix.convert import (
    Official,
    Report,
    check_state_file,
    coco,
    count_classes,
    describe_head,
    load_torch_state,
    official_state,
    read_state,
    torch_state,
    write_state,
)
from acmix.errors import UserError, check
from acmix.models.registry import network_classes
from acmix.workflows.runs import build_model, open_checkpoint, set_up_runtime
from acmix.workflows.weights import check_checkpoint_name, save_model

_BACKBONE = "Weights of a backbone alone are for model.pretrained."


def import_torch(
    file: str | Path, output: str | Path, config: Config, key: str | None = None
) -> Report:
    """Convert a file of an official PyTorch implementation to a checkpoint.

    Args:
        file: weights of PyTorch, see :func:`acmix.convert.read_state`.
        output: checkpoint to write.
        config: selects the network; ``model.num_classes`` defaults to the number in the file. 80
            takes COCO's classes out of the 90 category ids that torchvision's Mask R-CNN has.
        key: chooses one of several sets of weights in the file.

    Returns:
        The loaded parameters, and the ignored tensors with reasons.
    """
    check_checkpoint_name(output)
    cls, *body = network_classes(config.networks, config.network_name)
    try:
        state = read_state(file, key)
        official = official_state(cls, state, *body)
        classes = count_classes(cls, official.state, *body)
        check(
            classes is not None or not body,
            f"there is no classifier of {config.network_name} among the {len(official.state)} "
            f"tensors. {describe_head(state) or _BACKBONE}",
        )
        official, classes = _without_unused(official, classes, config.model.num_classes)
        set_up_runtime(config)
        model = build_model(config, classes or 0)
        report = load_torch_state(model, official.state)
    except UserError as error:
        raise _naming(file, error) from None
    save_model(model, output)
    return replace(
        report,
        ignored={**official.ignored, **report.ignored},
        notes=official.notes + report.notes,
    )


def _without_unused(
    official: Official, classes: int | None, wanted: int | None
) -> tuple[Official, int | None]:
    """Leave out the category ids that COCO skips, where they are and its 80 classes are wanted."""
    if (classes, wanted) != (coco.CATEGORY_IDS, coco.CLASSES):
        return official, classes
    state = coco.used_categories(official.state)
    if all(state[name] is value for name, value in official.state.items()):
        return official, classes  # of another network
    note = f"the {coco.CLASSES} classes taken of COCO's {coco.CATEGORY_IDS} category ids"
    return replace(official, state=state, notes=(*official.notes, note)), wanted


def _naming(file: str | Path, error: UserError) -> UserError:
    """Return the error with the file's name, which the converter does not know."""
    return error if str(file) in str(error) else UserError(f"{file}: {error}")


def export_torch(
    checkpoint: str | Path,
    output: str | Path,
    name: str | None = None,
    overrides: Sequence[str] = (),
) -> int:
    """Convert a checkpoint to a file with the official names; return the number of tensors.

    Args:
        checkpoint, name, overrides: see :func:`acmix.workflows.runs.open_checkpoint`.
        output: ``.safetensors`` or ``.npz`` file to write.
    """
    check_state_file(output)
    state = torch_state(open_checkpoint(checkpoint, name, overrides)[0])
    write_state(state, output)
    return len(state)
