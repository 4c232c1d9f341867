"""What each command does: call the library, print what it returns.

MindSpore is imported by the commands that need it, not by this module: ``acmix env`` and
``acmix --help`` must answer where it is missing or broken.
"""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.errors import check

if TYPE_CHECKING:
    from acmix.config import Config
    from acmix.utils.table import Style


def env(options: Namespace) -> int:
    """Show versions, device, and what is outside of the supported range."""
    from acmix import environment

    facts = environment.describe()
    found = environment.problems(facts)
    if options.json:
        print(json.dumps({"facts": facts, "problems": [asdict(p) for p in found]}, indent=1))
    else:
        print(environment.render(facts, found))
    return int(any(problem.level == "error" for problem in found))


def list_names(options: Namespace) -> int:
    """List the models that can be made."""
    from acmix.models import list_models
    from acmix.models.detection import list_detectors

    names = (list_detectors if options.detectors else list_models)(options.pattern)
    check(bool(names), f"no model matches '{options.pattern}'; 'acmix list' shows all.")
    print("\n".join(names))
    return 0


def summary(options: Namespace) -> None:
    """Count parameters and multiply-adds of models, layer by layer, or the paper's in a table."""
    check(
        bool(options.models) != bool(options.table),
        "name models, or a table of the paper's with --table paper or detection.",
    )
    check(
        bool(options.table) or not (options.source or options.json),
        "--from and --json are for --table.",
    )
    from acmix.tools.analysis.macs import trace
    from acmix.tools.analysis.summary import render_summary
    from acmix.tools.bench.measuring import create_network, default_size
    from acmix.utils.table import render_table

    style: Style = "markdown" if options.markdown else "text"
    if options.table:
        _paper_table(options, style)
        return
    totals = []
    for name in options.models:
        size = options.input_size or default_size(name)
        counted = trace(create_network(name), (1, 3, *size))
        totals.append(
            [name, "x".join(map(str, size)), f"{counted.params:,}", f"{counted.macs / 1e9:.3f}",
             f"{counted.san_macs / 1e9:.3f}"]
        )  # fmt: skip
        if not options.total:
            print(f"{name}\n\n{render_summary(counted, options.depth, style)}\n")
    if options.total or len(totals) > 1:
        header = ["model", "size", "params", "GMACs", "GMACs with bias, norm, ReLU, pooling"]
        print(render_table(header, totals, style))


def _paper_table(options: Namespace, style: Style) -> None:
    """Count the networks of a table of the paper's, or render counts made before."""
    from acmix.models import create_model
    from acmix.models.detection import create_detector
    from acmix.tools.analysis import counts, paper, paper_table
    from acmix.utils.files import write_text

    if options.table == "paper":
        names = [model.name for model in paper.PAPER_MODELS]
        create, size, render = create_model, (224, 224), paper_table.render_paper_table
    else:
        names = [detector.name for detector in paper.PAPER_DETECTORS]
        create, size, render = create_detector, (800, 1333), paper_table.render_detector_table
    if options.source:
        counted = counts.counts_from_json(_existing(options.source).read_text(encoding="utf-8"))
    else:
        counted = counts.count_networks(names, options.input_size or size, create)
    print(render(counted, style))
    if options.json:
        write_text(Path(options.json), counts.counts_to_json(counted))


def _existing(file: str) -> Path:
    check(Path(file).is_file(), f"{file} does not exist; --json writes one.")
    return Path(file)


def prepare(options: Namespace) -> None:
    """Store a data set in the form that is fastest to read."""
    from acmix.config import load_config
    from acmix.data import prepare_mindrecord

    config = load_config(options.config, options.overrides)
    counts = prepare_mindrecord(config.data, options.output)
    images = " and ".join(f"{count} images of {split}" for split, count in counts.items())
    print(f"Wrote {images} into {options.output}; train with data.root={options.output}")


def train(options: Namespace) -> None:
    """Train a model as a configuration says."""
    from acmix import workflows
    from acmix.config import load_config

    config = load_config(options.config, options.overrides)
    result = workflows.train(config, options.resume)
    if result.stopped_by:
        print(
            f"Stopped by {result.stopped_by} after step {result.progress.step}, which is saved in "
            f"{config.output}/checkpoints; go on with --resume auto"
        )
        return
    metrics = "  ".join(f"{name} {value:.4f}" for name, value in result.metrics.items())
    print(f"Finished in {result.seconds:.0f} s: {metrics}  -> {config.output}")


def evaluate(options: Namespace) -> None:
    """Evaluate a checkpoint on the validation split."""
    from acmix import workflows
    from acmix.config import load_config
    from acmix.tasks import get_task
    from acmix.utils.files import write_text

    config = load_config(options.config, options.overrides)
    files = _eval_files(config, options)
    metric, classes = workflows.evaluate(config, options.checkpoint)
    task = get_task(config.task)
    report = task.report(metric, classes)
    print("  ".join(f"{name} {report[name]:.4f}" for name in metric.compute()))
    if options.per_class:
        for name, accuracy in report["per_class"].items():
            print(f"  {name}: {accuracy:.4f}")
    for option, file in files.items():
        task.write_eval_file(option, metric, classes, Path(file))
        print(f"Wrote {file}")
    if options.json:
        write_text(Path(options.json), json.dumps(report, indent=1))


def _eval_files(config: Config, options: Namespace) -> dict[str, str]:
    """Return the files that are asked for, by option; refuse those of another task."""
    from acmix.config import TASK_CONFIGS

    own = config.eval_files
    every = {option: task for task, cls in TASK_CONFIGS.items() for option in cls.eval_files}
    asked = {option: getattr(options, option) for option in every if getattr(options, option)}
    for option in asked:
        check(option in own, f"--{option} is for task={every[option]}, this is {config.task}.")
    return asked


def ablate(options: Namespace) -> None:
    """Train several configurations and set them side by side in one table."""
    from acmix.tools import ablation

    rows = ablation.run(
        options.configs,
        options.output,
        options.overrides,
        batch_size=options.batch_size,
        warmup=options.warmup,
        repeats=options.repeats,
    )
    print(f"\n{ablation.render(rows)}\n\nWrote {options.output}/table.md and ablation.json")


def export(options: Namespace) -> None:
    """Export a checkpoint to MindIR, ONNX or AIR, and check the file against it."""
    from acmix.export import check_export

    check_export(options.output, options.format)  # before anything costs time
    from acmix import workflows
    from acmix.config import load_config

    report = workflows.export(
        load_config(options.config, options.overrides),
        options.checkpoint,
        options.output,
        format=options.format,
        batch_size=options.batch_size,
        input_size=options.input_size,
        dynamic_batch=options.dynamic_batch,
        fp16=options.fp16,
        fused=options.fuse,
        verify=not options.no_verify,
    )
    checked = f"not verified: {report.note}"
    if report.max_abs_diff is not None:
        checked = f"verified, max abs difference {report.max_abs_diff:.2e}"
    print(f"Wrote {report.path} ({report.bytes / 2**20:.1f} MiB) and {report.path}.json; {checked}")


def predict(options: Namespace) -> None:
    """Say what is in images, with a checkpoint or an exported file."""
    from acmix import workflows
    from acmix.config import load_config
    from acmix.utils.files import write_text

    config = load_config(options.config) if options.config else None
    predictions = workflows.predict(options.model, options.images, config, options.top)
    content = json.dumps([prediction.to_dict() for prediction in predictions], indent=1)
    if options.output:
        folder = Path(options.output)
        names = workflows.picture_names(options.images)
        for prediction, name in zip(predictions, names, strict=True):
            prediction.draw(folder / name)
        write_text(folder / "predictions.json", content)
    if options.json:
        print(content)
        return
    for prediction in predictions:
        print(prediction.image)
        for line in prediction.lines():
            print(f"  {line}")
    if options.output:
        print(f"Wrote {len(predictions)} pictures and predictions.json into {options.output}")


def convert(options: Namespace) -> None:
    """Convert weights from PyTorch's files to a checkpoint, or back."""
    from acmix import workflows
    from acmix.workflows.runs import named_config

    overrides = list(options.overrides)
    if options.num_classes is not None:
        overrides.append(f"model.num_classes={options.num_classes}")
    if options.source:
        check(options.model is not None, "--from torch needs --model NAME, out of 'acmix list'.")
        config = named_config(options.model, overrides)
        print(workflows.import_torch(options.file, options.output, config))
    else:
        count = workflows.export_torch(options.file, options.output, options.model, overrides)
        print(f"{count} tensors under the official names")
    print(f"Wrote {options.output}")
