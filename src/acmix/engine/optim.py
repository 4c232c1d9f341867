"""Optimizers, and the rule for parameters without weight decay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from acmix.config import OptimConfig
from acmix.config.sections import NoDecay
from acmix.engine.step_functions import product
from acmix.errors import UserError
from acmix.utils.for_every import for_every


def create_optimizer(network: nn.Cell, config: OptimConfig) -> nn.Optimizer:
    """Build the optimizer of ``network``'s trainable parameters.

    Its ``learning_rate`` is a scalar Parameter, set before every step from the schedule.

    Args:
        network: its parameters with ``requires_grad=False`` are left out.
        config: the section ``optim`` of the configuration.

    Raises:
        UserError: no parameter of ``network`` is trainable.
    """
    groups = parameter_groups(network, config.weight_decay, config.no_decay, config.layer_decay)
    scales = [group.get("scale", 1.0) for group in groups for _ in group["params"]]
    groups = [{key: group[key] for key in ("params", "weight_decay")} for group in groups]
    if config.name == "sgd":
        # Not nn.Momentum: on CPU it silently ignores use_nesterov (MindSpore 2.8).
        return SGD(groups, config.lr, config.momentum, config.nesterov, scales)
    return AdamW(groups, config.lr, betas=config.betas, eps=config.eps, scales=scales)


def parameter_groups(
    network: nn.Cell, weight_decay: float, no_decay: NoDecay = "1d", layer_decay: float = 1.0
) -> list[dict]:
    """Split the trainable parameters by ``weight_decay``.

    With ``layer_decay`` also by the factor on the learning rate, which a group has as ``scale``.

    A Cell lists parameters without decay in ``no_weight_decay() -> set[str]``, a convention of
    timm. It returns attribute names of own parameters, for example
    ``{"relative_position_bias_table"}``.

    Args:
        network: its parameters with ``requires_grad=False`` are left out.
        weight_decay: of the others.
        no_decay: who has none. ``1d``: those that Cells list, scalars and one-dimensional ones,
            that is biases, scales and offsets of norms. ``norms``: those that Cells list and those
            of LayerNorms. Swin's dense code finds them by ``norm`` in their names, which its
            BatchNorms, called ``bn``, do not have. ``none``: nobody.
        layer_decay: ``scale`` is its power by the distance from the head, see
            :func:`layer_scales`.

    Raises:
        UserError: no parameter of ``network`` is trainable.
    """
    exempt = set() if no_decay == "none" else {id(p) for p in _declared_exempt(network)}
    if no_decay == "norms":
        exempt |= {id(p) for p in _of_layer_norms(network)}
    scales = layer_scales(network, layer_decay)
    groups: dict[tuple[float, float], list[Parameter]] = {}
    for parameter in network.trainable_params():
        is_plain = id(parameter) in exempt or (no_decay == "1d" and parameter.ndim <= 1)
        key = 0.0 if is_plain else weight_decay, scales.get(id(parameter), 1.0)
        groups.setdefault(key, []).append(parameter)
    if not groups:
        raise UserError("The network has no trainable parameter: all have requires_grad=False.")
    # Those with weight decay first, however the network orders its parameters.
    keys = sorted(groups, key=lambda key: key[0], reverse=True)
    return [
        {"params": groups[decay, scale], "weight_decay": decay}
        | ({} if layer_decay == 1 else {"scale": scale})
        for decay, scale in keys
    ]


def layer_scales(network: nn.Cell, layer_decay: float) -> dict[int, float]:
    """Return the factor of the learning rate by ``id`` of a parameter, 1 for those left out.

    Layer l of the L that a backbone lists in ``parameter_layers()`` has ``layer_decay ** (L - l)``:
    BEiT (arXiv:2106.08254), appendix; what is behind the backbone has 1.
    """
    if layer_decay == 1:
        return {}
    return {
        id(parameter): layer_decay ** (len(layers) - number)
        for _, cell in network.cells_and_names()
        if hasattr(cell, "parameter_layers")
        for layers in [cell.parameter_layers()]
        for number, layer in enumerate(layers)
        for parameter in layer
    }


def _declared_exempt(network: nn.Cell) -> list[Parameter]:
    return [
        getattr(cell, name)
        for _, cell in network.cells_and_names()
        if hasattr(cell, "no_weight_decay")
        for name in sorted(cell.no_weight_decay())
    ]


def _of_layer_norms(network: nn.Cell) -> list[Parameter]:
    return [
        parameter
        for _, cell in network.cells_and_names()
        if isinstance(cell, nn.LayerNorm)
        for parameter in (cell.gamma, cell.beta)
    ]


class SGD(nn.SGD):
    """MindSpore's SGD, with a factor on the learning rate of each parameter.

    Args:
        groups: see :func:`parameter_groups`.
        learning_rate: of a factor of 1.
        momentum, nesterov: see ``nn.SGD``.
        scales: of each parameter of the groups; None for 1.
    """

    def __init__(
        self,
        groups: list[dict],
        learning_rate: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        scales: Sequence[float] | None = None,
    ):
        super().__init__(groups, learning_rate, momentum, nesterov=nesterov)
        self.scales = _scale_tensors(scales)

    def scale_grad(self, gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return the factors times the gradients, to which the weight decay was added before.

        A step is linear in these, so that a factor on them is one on the rate. Not ``construct``:
        MindSpore compiles that of the base class by name, and takes the one of this class.
        """
        gradients = super().scale_grad(gradients)
        return gradients if self.scales is None else for_every(product, self.scales, gradients)


class AdamW(nn.Optimizer):
    r"""Adam with bias correction and decoupled weight decay.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101, Algorithm 2,
    with the decay multiplied by the learning rate as in PyTorch:

    .. math::
        m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t, \quad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
        w_t &= w_{t-1} - \gamma \left(\frac{m_t / (1-\beta_1^t)}
               {\sqrt{v_t / (1-\beta_2^t)} + \epsilon} + \lambda w_{t-1}\right)

    MindSpore's ``nn.AdamWeightDecay`` has no bias correction and ``mint.optim.AdamW`` no CPU
    kernel. The operator ``ops.AdamWeightDecay`` updates in one pass on every device. Its scalars
    can express the correction exactly. With :math:`c = \sqrt{1-\beta_2^t}/(1-\beta_1^t)`
    its arguments are :math:`\gamma c`, :math:`\epsilon \sqrt{1-\beta_2^t}` and
    :math:`\lambda / c`.

    Args:
        params: parameters, or groups of them with their own ``weight_decay``.
        learning_rate: :math:`\gamma`.
        betas: :math:`\beta_1, \beta_2` in [0, 1).
        eps: :math:`\epsilon`.
        weight_decay: :math:`\lambda` of parameters that are not in groups.
        scales: factors of :math:`\gamma`, one for each parameter; None for 1.
    """

    def __init__(
        self,
        params: list,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        scales: Sequence[float] | None = None,
    ):
        super().__init__(learning_rate, params, weight_decay)
        self.scales = _scale_tensors(scales)
        self.beta1, self.beta2 = (Tensor(beta, ms.float32) for beta in betas)
        self.log_beta1, self.log_beta2 = (
            # exp(t log(beta)): not every device has pow of a float and an integer.
            Tensor(np.log(max(beta, float(np.finfo(np.float32).tiny))), ms.float32)
            for beta in betas
        )
        self.eps = Tensor(eps, ms.float32)
        self.first_moments = self.parameters.clone(prefix="first_moment", init="zeros")
        self.second_moments = self.parameters.clone(prefix="second_moment", init="zeros")
        decays = self.weight_decay if self.is_group else [self.weight_decay] * self.param_length
        self.decays = _shared(decays)

    def construct(self, gradients: tuple[Tensor, ...]) -> bool:
        """Update the parameters in place."""
        ops.assign_add(self.global_step, self.global_step_increase_tensor)
        step = self.global_step.astype(ms.float32).reshape(())
        root2 = ops.sqrt(-ops.expm1(step * self.log_beta2))
        correction = root2 / -ops.expm1(step * self.log_beta1)
        learning_rate = self.get_lr() * correction
        eps = self.eps * root2
        if self.scales is None:
            rates = (learning_rate,) * self.param_length
        else:
            rates = for_every(ops.partial(product, learning_rate), self.scales)
        for_every(
            ops.partial(_update, self.beta1, self.beta2, eps, correction),
            rates,
            self.decays,
            self.parameters,
            self.first_moments,
            self.second_moments,
            gradients,
        )
        return True


_adamw = ops.AdamWeightDecay()
_update = ops.MultitypeFuncGraph("update")


@_update.register(*["Tensor"] * 10)
def _update_one(
    beta1: Tensor,
    beta2: Tensor,
    eps: Tensor,
    correction: Tensor,
    learning_rate: Tensor,
    decay: Tensor,
    parameter: Tensor,
    first: Tensor,
    second: Tensor,
    gradient: Tensor,
) -> bool:
    decay = decay / correction
    _adamw(parameter, first, second, learning_rate, beta1, beta2, eps, decay, gradient)
    return True


def _shared(numbers: Iterable[float]) -> tuple[Tensor, ...]:
    """Return a Tensor for each number, one for equal ones: what is computed of it is done once."""
    numbers = list(numbers)
    tensors = {number: Tensor(number, ms.float32) for number in numbers}
    return tuple(tensors[number] for number in numbers)


def _scale_tensors(scales: Sequence[float] | None) -> tuple[Tensor, ...] | None:
    """Return None where all factors are 1, which then cost nothing."""
    return None if scales is None or all(scale == 1 for scale in scales) else _shared(scales)
