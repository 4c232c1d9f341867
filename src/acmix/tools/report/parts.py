"""The parts of a run's report; each takes the run, and returns None where it has nothing to show.

A new part is a function in :data:`PARTS`.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

from acmix.config.options import changes, resolved
from acmix.errors import UserError
from acmix.tasks.evaluation_files import class_table, shown
from acmix.tools.analysis.path_bias import path_biases
from acmix.tools.analysis.plots import plot_path_biases, plot_path_curves
from acmix.tools.report.html import (
    Part,
    code,
    folded,
    grid,
    paragraph,
    picture,
    table,
)
from acmix.tools.report.run import Run
from acmix.utils.next_commands import next_commands
from acmix.utils.progress import clock
from acmix.workflows.curve import place_of, plot_training_curve

_WITHOUT_FOLD = 20
"""Largest number of classes whose table is not folded."""
_WIDEST = 720
"""Width in pixels to which pictures of images are reduced."""


def overview(run: Run) -> Part | None:
    """Return what was trained on what, how far, and how good it became."""
    config, best = run.config, run.best
    headline = [name for name in run.task.headline if name in best]
    rows = [
        ("network", config.network_name),
        ("task", config.task),
        ("data", f"{config.data.name or config.data.root}"),
        ("classes", len(run.classes)),
        ("trained", f"{run.last.get('epoch', 0):g} epochs, {run.last.get('step', 0)} steps"),
        *(
            (f"best {run.task.headline[name]}" if name == headline[0] else f"its {name}",
             f"{best[name]:.4f}" + (f" after {place_of(best)}" if name == headline[0] else ""))
            for name in headline
        ),
    ]  # fmt: skip
    return Part(
        "Overview", table((), rows, texts=True) + code("\n".join(next_commands(run.folder)))
    )


def curves(run: Run) -> Part | None:
    """Return the curves of loss, metrics and learning rate."""
    if not any("loss" in record for record in run.records):
        return None
    drawn = _drawn(lambda file: plot_training_curve(run.metrics_file, file, run.task.headline))
    return Part("Curves", picture(drawn, "losses, metrics and learning rate over the steps"))


def results(run: Run) -> Part | None:
    """Return the numbers of the last evaluation, and of its classes the weakest first."""
    report = run.evaluation
    if not report:
        return None
    numbers = [(name, shown(value)) for name, value in report.items() if _is_number(value)]
    body = paragraph("Of the last evaluation.") + table((), numbers)
    if any(isinstance(value, Mapping) for value in report.values()):
        header, rows = class_table(report, next(iter(run.task.headline.values())))
        listed = table(header, rows)
        long = len(rows) > _WITHOUT_FOLD
        body += folded(f"{len(rows)} classes, the weakest first", listed) if long else listed
    return Part("Results", body)


def confusion(run: Run) -> Part | None:
    """Return the confusion matrix of the last evaluation, of tasks that have one."""
    file = run.folder / "confusion.png"
    if not file.is_file():
        return None
    return Part("Confusion", picture(file.read_bytes(), "confusion matrix of the last evaluation"))


def worst(run: Run) -> Part | None:
    """Return the validation images that the best checkpoint predicts worst."""
    if run.worst is None:
        return None
    if isinstance(run.worst, UserError):
        return Part("Worst images", paragraph(f"Not drawn: {run.worst}"))
    found = run.worst
    text = f"The worst of {found.among} images of the validation split, by {found.title}."
    figures = []
    for image in found.images:
        image.picture.thumbnail((_WIDEST, _WIDEST))
        file = BytesIO()
        image.picture.save(file, "JPEG", quality=85)
        caption = f"{image.agreement:.3f}  {Path(image.name).name}"
        figures.append(picture(file.getvalue(), caption, "jpeg"))
    return Part("Worst images", paragraph(text) + grid(figures))


def path_weights(run: Run) -> Part | None:
    """Return the weights of both paths over depth and over the epochs, of ACmix networks."""
    known = [record["scalars"] for record in run.records if record.get("scalars")]
    if not known or not path_biases(known[-1]):
        return None
    last = {run.folder.name: path_biases(known[-1])}
    depth = _drawn(lambda file: plot_path_biases(last, file))
    epochs = _drawn(lambda file: plot_path_curves({run.folder.name: run.metrics_file}, file))
    figures = [
        picture(depth, "weights of attention and convolution over depth, at the end"),
        picture(epochs, "over the epochs, from dark to bright with depth"),
    ]
    return Part("Path weights", "".join(figures))


def speed(run: Run) -> Part | None:
    """Return images per second, and what the time was spent on."""
    measured = [record for record in run.records if record.get("images_per_second")]
    if not measured:
        return None
    rates = [record["images_per_second"] for record in measured]
    training = sum(record.get("seconds", 0.0) for record in run.records)
    evaluating = sum(record.get("eval_seconds", 0.0) for record in run.records)
    versions = run.environment.get("versions", {})
    rows = [
        ("images/s of training, median", f"{statistics.median(rates):.1f}"),
        ("from, to", f"{min(rates):.1f}, {max(rates):.1f}"),
        ("training", clock(training)),
        ("evaluating", clock(evaluating)),
        (
            "device",
            f"{versions.get('device')}, {versions.get('cpu')}, {versions.get('cores')} cores",
        ),
    ]
    return Part("Speed", table((), rows, texts=True))


def configuration(run: Run) -> Part | None:
    """Return the keys that differ from the defaults, and all of them."""
    values, defaults = run.config.to_dict(), type(run.config)().to_dict()
    text = resolved(values, {**defaults, "task": values["task"]})
    body = table(("key", "value", "default"), changes(values, defaults), texts=True)
    return Part("Configuration", body + folded("all keys", code(text)))


def environment(run: Run) -> Part | None:
    """Return the versions and the commit of the program that trained."""
    versions = dict(run.environment.get("versions", {}))
    rows = [*versions.items(), ("commit", run.environment.get("git_commit"))]
    rows = [(name, value) for name, value in rows if value is not None]
    return Part("Environment", table((), rows, texts=True)) if rows else None


PARTS: tuple[Callable[[Run], Part | None], ...] = (
    overview, curves, results, confusion, worst, path_weights, speed, configuration, environment,
)  # fmt: skip
"""In the order of the page."""


def _drawn(draw: Callable[[Path], None]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figure.png"
        draw(file)
        return file.read_bytes()


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
