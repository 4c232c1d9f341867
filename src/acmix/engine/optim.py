"""Optimizers, and the rule for parameters without weight decay."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from acmix.config import OptimConfig
from acmix.config.sections import NoDecay
from acmix.engine.step_functions import for_every
from acmix.errors import UserError


def create_optimizer(network: nn.Cell, config: OptimConfig) -> nn.Optimizer:
    """Build the optimizer of ``network``'s trainable parameters.

    Its ``learning_rate`` is a scalar Parameter, set before every step from the schedule.

    Args:
        network: its parameters with ``requires_grad=False`` are left out.
        config: the section ``optim`` of the configuration.

    Raises:
        UserError: no parameter of ``network`` is trainable.
    """
    groups = parameter_groups(network, config.weight_decay, config.no_decay)
    if config.name == "sgd":
        # Not nn.Momentum: on CPU it silently ignores use_nesterov (MindSpore 2.8).
        return nn.SGD(groups, config.lr, config.momentum, nesterov=config.nesterov)
    return AdamW(groups, config.lr, betas=config.betas, eps=config.eps)


def parameter_groups(network: nn.Cell, weight_decay: float, no_decay: NoDecay = "1d") -> list[dict]:
    """Split the trainable parameters into those with ``weight_decay`` and those without.

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

    Raises:
        UserError: no parameter of ``network`` is trainable.
    """
    exempt = set() if no_decay == "none" else {id(p) for p in _declared_exempt(network)}
    if no_decay == "norms":
        exempt |= {id(p) for p in _of_layer_norms(network)}
    decayed: list[Parameter] = []
    plain: list[Parameter] = []
    for parameter in network.trainable_params():
        is_plain = id(parameter) in exempt or (no_decay == "1d" and parameter.ndim <= 1)
        (plain if is_plain else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise UserError("The network has no trainable parameter: all have requires_grad=False.")
    return groups


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
    """

    def __init__(
        self,
        params: list,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(learning_rate, params, weight_decay)
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
        shared = {decay: Tensor(decay, ms.float32) for decay in decays}  # divided once each
        self.decays = tuple(shared[decay] for decay in decays)

    def construct(self, gradients: tuple[Tensor, ...]) -> bool:
        """Update the parameters in place."""
        ops.assign_add(self.global_step, self.global_step_increase_tensor)
        step = self.global_step.astype(ms.float32).reshape(())
        root2 = ops.sqrt(-ops.expm1(step * self.log_beta2))
        correction = root2 / -ops.expm1(step * self.log_beta1)
        learning_rate = self.get_lr() * correction
        eps = self.eps * root2
        for_every(
            ops.partial(_step, self.beta1, self.beta2, learning_rate, eps, correction),
            self.decays,
            self.parameters,
            self.first_moments,
            self.second_moments,
            gradients,
        )
        return True


_update = ops.AdamWeightDecay()
_step = ops.MultitypeFuncGraph("step")


@_step.register(*["Tensor"] * 10)
def _adamw(
    beta1: Tensor,
    beta2: Tensor,
    learning_rate: Tensor,
    eps: Tensor,
    correction: Tensor,
    decay: Tensor,
    parameter: Tensor,
    first: Tensor,
    second: Tensor,
    gradient: Tensor,
) -> bool:
    decay = decay / correction
    _update(parameter, first, second, learning_rate, beta1, beta2, eps, decay, gradient)
    return True
