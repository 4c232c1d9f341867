"""Cost of convolution, self-attention and ACmix at Stage I and Stage II (Tab. 1 and Tab. 8).

Theory counts per pixel of a map with C channels. Practice adds up the traced counts of all
operators of a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mindspore import nn

from acmix.layers.acmix import ACmix
from acmix.models import create_model, list_models
from acmix.tools.analysis.macs import Trace, is_within, trace
from acmix.tools.analysis.paper import PAPER_COMPLEXITY, STAGE_ONE_SHARES
from acmix.utils.table import Style, render_table

OUTPUT_PROJECTION = "proj"
"""Name of the linear layer after the attention, in modes that have one."""


class Cost(NamedTuple):
    """Multiply-adds (for Stage II of a convolution: additions) and parameters."""

    macs: int
    params: int

    def __add__(self, other: Cost) -> Cost:  # type: ignore[override]
        return Cost(self.macs + other.macs, self.params + other.params)


Key = tuple[str, str]
"""Module and stage."""

_ROWS: tuple[Key, ...] = (
    ("convolution", "I"), ("convolution", "II"),
    ("self-attention", "I"), ("self-attention", "II"), ("self-attention", "output projection"),
    ("ACmix", "I"), ("ACmix", "II"), ("ACmix", "output projection"),
)  # fmt: skip


@dataclass(frozen=True)
class Theory:
    """One row of Tab. 1: formulas as text and as a function of C, k_a, k_c and N."""

    flops: str
    params: str
    cost: Callable[[int, int, int, int], Cost]


THEORY: Mapping[Key, Theory] = {
    ("convolution", "I"): Theory(
        "k_c² C²", "k_c² C²", lambda c, ka, kc, n: Cost(kc**2 * c**2, kc**2 * c**2)
    ),
    ("convolution", "II"): Theory("k_c² C", "0", lambda c, ka, kc, n: Cost(kc**2 * c, 0)),
    ("self-attention", "I"): Theory("3 C²", "3 C²", lambda c, ka, kc, n: Cost(3 * c**2, 3 * c**2)),
    ("self-attention", "II"): Theory("2 k_a² C", "0", lambda c, ka, kc, n: Cost(2 * ka**2 * c, 0)),
    ("ACmix", "I"): Theory("3 C²", "3 C²", lambda c, ka, kc, n: Cost(3 * c**2, 3 * c**2)),
    ("ACmix", "II"): Theory(
        "(2 k_a² + 3 k_c² + k_c⁴) C",
        "3 N k_c² + k_c⁴ C",
        lambda c, ka, kc, n: Cost((2 * ka**2 + 3 * kc**2 + kc**4) * c, 3 * n * kc**2 + kc**4 * c),
    ),
}
"""Excludes biases, positional encodings, and the two scalars alpha and beta."""


def operator_costs(network: nn.Cell, counted: Trace) -> dict[Key, Cost]:
    """Add up the costs of a network's ACmix operators, and of their self-attention alone.

    Stage I is the projection to q, k and v, Stage II the rest. An output projection has a row of
    its own, because the paper's analysis does not include it. Biases and positional encodings
    count as parameters of their stage.
    """
    zero = Cost(0, 0)
    stage_one = attention = projection = conv = zero
    for name, cell in network.cells_and_names():
        if not isinstance(cell, ACmix):
            continue
        kinds = next(count.kinds for count in counted.cells if count.name == name)
        stage_one += _below(counted, f"{name}.qkv")
        output = f"{name}.attention.{OUTPUT_PROJECTION}"
        everything = _below(counted, f"{name}.attention")
        projection += _below(counted, output)
        attention += Cost(
            *(a - b for a, b in zip(everything, _below(counted, output), strict=True))
        )
        scalars = sum(weight is not None for weight in (cell.alpha, cell.beta))
        conv += _below(counted, f"{name}.conv_path") + Cost(kinds["fc"] + kinds["conv"], scalars)
    costs: dict[Key, Cost] = {}
    for module, second in (("self-attention", attention), ("ACmix", attention + conv)):
        costs |= {(module, "I"): stage_one, (module, "II"): second}
        if projection != zero:
            costs[module, "output projection"] = projection
    return costs


def convolution_costs(
    network: nn.Cell, counted: Trace, operators: Iterable[str]
) -> dict[Key, Cost]:
    """Add up the convolutions at the places of another model's ACmix operators.

    Stage I is the products with the kernel, one 1x1 convolution per position. Stage II is the
    additions of the shifted maps (Eq. 8).
    """
    cells = dict(network.cells_and_names())
    first = second = Cost(0, 0)
    for name in operators:
        own = _below(counted, name)
        first += own
        second += Cost(own.macs // cells[name].weight.shape[1], 0)
    return {("convolution", "I"): first, ("convolution", "II"): second}


def _below(counted: Trace, ancestor: str) -> Cost:
    cells = [cell for cell in counted.cells if is_within(cell.name, ancestor)]
    return Cost(sum(cell.macs for cell in cells), sum(cell.params for cell in cells))


def paper_complexity(
    size: tuple[int, int] = (224, 224), create: Callable[[str], nn.Cell] = create_model
) -> dict[str, dict[Key, Cost]]:
    """Count the registered models of Tab. 1 and Tab. 8, by their names in the paper."""
    known = set(list_models())
    columns = {}
    for entry in PAPER_COMPLEXITY:
        if entry.name not in known:
            continue
        network = create(entry.name)
        columns[entry.label] = operator_costs(network, trace(network, (1, 3, *size)))
        if entry.conv_name is not None:
            conv_network = create(entry.conv_name)
            operators = [n for n, c in network.cells_and_names() if isinstance(c, ACmix)]
            counted = trace(conv_network, (1, 3, *size))
            columns[entry.label] |= convolution_costs(conv_network, counted, operators)
    return columns


def stage_one_share(costs: Mapping[Key, Cost], module: str) -> float:
    """Return the percentage of Stage I in a module's multiply-adds of Stages I and II."""
    first, second = costs[module, "I"].macs, costs[module, "II"].macs
    return 100 * first / (first + second)


def render_theory(style: Style = "text") -> str:
    """Render the theoretical columns of Tab. 1."""
    rows = [[*key, theory.flops, theory.params] for key, theory in THEORY.items()]
    return render_table(["module", "stage", "FLOPs per pixel", "params"], rows, style)


def render_complexity(columns: Mapping[str, Mapping[Key, Cost]], style: Style = "text") -> str:
    """Render the practical columns of Tab. 1, Tab. 8, and the shares of Stage I."""
    header = ["module", "stage"]
    for label in columns:
        header += [f"{label} GFLOPs", "params (M)"]
    rows = [
        [*key, *(text for costs in columns.values() for text in _cells(costs.get(key)))]
        for key in _ROWS
        if any(key in costs for costs in columns.values())
    ]
    lines = [render_table(header, rows, style), ""]
    for label, costs in columns.items():
        shares = [
            f"{stage_one_share(costs, module):.1f} % of {module}"
            + (f" (paper: {STAGE_ONE_SHARES[module]} %)" if ("convolution", "I") in costs else "")
            for module in ("convolution", "self-attention")
            if (module, "I") in costs
        ]
        lines.append(f"{label}: Stage I has {', '.join(shares)}.")
    lines += [
        "",
        "Each product counts where it is computed: with stride 2 the projections on the input's",
        "map, the attention on the output's. With all on one map Stage II would weigh more.",
    ]
    return "\n".join(lines)


def _cells(cost: Cost | None) -> Sequence[str]:
    return ("-", "-") if cost is None else (f"{cost.macs / 1e9:.3f}", f"{cost.params / 1e6:.2f}")
