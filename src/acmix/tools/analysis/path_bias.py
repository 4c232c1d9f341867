"""Weights of the attention and convolution paths in each ACmix operator (Fig. 5)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from acmix.errors import check
from acmix.utils.files import write_text


@dataclass(frozen=True)
class PathBias:
    """The weights of one operator with both paths."""

    operator: str
    alpha: float
    beta: float

    @property
    def log_ratio(self) -> float:
        """log(alpha / beta): positive if attention dominates; NaN unless the ratio is positive."""
        if self.beta == 0 or self.alpha / self.beta <= 0:
            return math.nan
        return math.log(self.alpha / self.beta)


def path_biases(weights: Mapping[str, float]) -> list[PathBias]:
    """Pair alpha and beta of ``path_weights``; skip operators with a single path."""
    operators = [
        name.removesuffix("alpha") for name in weights if name.rpartition(".")[2] == "alpha"
    ]
    return [
        PathBias(name.removesuffix("."), weights[f"{name}alpha"], weights[f"{name}beta"])
        for name in operators
        if f"{name}beta" in weights
    ]


def check_comparable(runs: Mapping[str, Sequence[PathBias]]) -> None:
    """Raise UserError unless all runs have the same operators with both paths."""
    names = {run: [bias.operator for bias in biases] for run, biases in runs.items()}
    first = next(iter(names))
    for run, operators in names.items():
        check(bool(operators), f"{run} has no operator with both paths: there is no ratio.")
        check(
            operators == names[first],
            f"{run} has other operators than {first}; compare runs of one model "
            f"({len(operators)} and {len(names[first])} operators).",
        )


def undefined_ratios(runs: Mapping[str, Sequence[PathBias]]) -> list[str]:
    """Name the operators, as ``run: operator``, whose log(alpha / beta) is not a number."""
    return [
        f"{run}: {bias.operator}"
        for run, biases in runs.items()
        for bias in biases
        if math.isnan(bias.log_ratio)
    ]


def write_path_biases(runs: Mapping[str, Sequence[PathBias]], target: str | Path) -> None:
    """Write one CSV line per run and operator; ratios that are not a number read ``nan``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "depth", "operator", "alpha", "beta", "log_ratio"])
    for run, biases in runs.items():
        for depth, bias in enumerate(biases, start=1):
            writer.writerow([run, depth, bias.operator, bias.alpha, bias.beta, bias.log_ratio])
    write_text(Path(target), text.getvalue())
