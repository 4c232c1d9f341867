"""Put a trained network into the package, see :mod:`acmix.trained`."""

from __future__ import annotations

import json
from pathlib import Path

from acmix.config import Config, load_config
from acmix.config.options import changes
from acmix.engine import load_weights
from acmix.engine.checkpoint import read_checkpoint, save_checkpoint
from acmix.errors import check
from acmix.tools.report.run import Run
from acmix.trained import FOLDER, INDEX, Trained
from acmix.utils.files import publish, sha256_of, staging_folder, write_text
from acmix.utils.json_text import to_json
from acmix.utils.parameters import make_parameter
from acmix.workflows.runs import build_model, model_file

MAX_BYTES = 5_000_000
"""Of all files together: everybody who clones the repository gets them."""

_FREE = ("output", "runtime", "data.root", "data.num_workers", "data.workers_are")


def keep_trained(
    run: str | Path, name: str, recipe: str | Path, folder: str | Path = FOLDER
) -> Trained:
    """Copy the weights of a run's best checkpoint into the package, and describe them in its index.

    Training's own state is left out.

    Args:
        run: folder of the run.
        name: by which the weights are asked for.
        recipe: configuration file of the repository that trained the run.
        folder: where files and index are kept.

    Raises:
        UserError: the run was not trained by the recipe, or was not evaluated; or all files
            together are too large.
    """
    folder, source = Path(folder), Run(Path(run))
    _check_recipe(source.config, load_config(recipe), str(recipe))
    check(bool(source.best), f"{run} was never evaluated; its weights have no known quality.")
    with staging_folder(folder) as staging:
        staged = staging / f"{name}.ckpt"
        _save_weights(model_file(run), staged)
        entry = _describe(source, staged, str(recipe))
        index = _extended(folder / INDEX, name, entry)
        publish(staged, folder / staged.name)
    write_text(folder / INDEX, index)
    return entry


def _save_weights(checkpoint: Path, target: Path) -> None:
    """Copy the weights, their moving average if there is one, and what the run says of itself."""
    content = read_checkpoint(checkpoint)
    weights = load_weights(checkpoint).items()
    state = {name: make_parameter(value, name) for name, value in weights}
    save_checkpoint(target, state, content.progress, about=content.about)


def _describe(run: Run, file: Path, recipe: str) -> Trained:
    metric, title = next(iter(run.task.headline.items()))
    model = build_model(run.config, len(run.classes))
    versions = run.environment.get("versions", {})
    return Trained(
        file=file.name,
        sha256=sha256_of(file),
        bytes=file.stat().st_size,
        recipe=recipe,
        data=run.config.data.name,
        network=run.config.network_name,
        parameters=sum(parameter.size for parameter in model.trainable_params()),
        metric=title,
        value=run.best[metric],
        epochs=run.best["epoch"],
        machine=f"{versions.get('cores')} cores of {versions.get('cpu')}",
        commit=run.environment.get("git_commit"),
    )


def _check_recipe(config: Config, recipe: Config, file: str) -> None:
    """Refuse a run whose settings are not those of the recipe."""
    differing = [
        key
        for key, _, _ in changes(config.to_dict(), recipe.to_dict())
        if not any(key == free or key.startswith(f"{free}.") for free in _FREE)
    ]
    check(not differing, f"the run was not trained by {file}: {', '.join(differing)} differ.")


def _extended(index: Path, name: str, entry: Trained) -> str:
    """Return the content of the index with another network."""
    content = json.loads(index.read_text()) if index.is_file() else {}
    content[name] = entry._asdict()
    total = sum(each["bytes"] for each in content.values())
    check(
        total <= MAX_BYTES,
        f"all trained networks together take {total} bytes, more than {MAX_BYTES}; keep a smaller "
        "one.",
    )
    return to_json(dict(sorted(content.items()))) + "\n"
