"""The fully connected layer of the convolution path, composed with the projection before it."""

from __future__ import annotations

from mindspore import Tensor, ops


def fold_projection(
    fc_weight: Tensor,
    fc_bias: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    head_dim: int,
    first: int = 0,
) -> tuple[Tensor, Tensor | None]:
    """Compose two linear maps in a row to one.

    The k^2 d maps then come from the operator's input by one large matrix product, twice as fast as
    by q, k and v.

    Args:
        fc_weight: (k^2, F).
        fc_bias: (k^2,) or None. It goes with feature 0, so that the maps of all features may be
            computed apart and added.
        weight: (f * d, C_in), the projection to f of the F features.
        bias: (f * d,) or None.
        head_dim: d.
        first: number of the first of these features.

    Returns:
        (d * k^2, C_in) and (d * k^2,) or None, the channel being ``g * k^2 + m``.
    """
    taps, features = fc_weight.shape
    in_channels, own = weight.shape[1], weight.shape[0] // head_dim
    fc_weight = fc_weight.astype(weight.dtype)  # mixed precision casts the arguments only
    if own < features:
        fc_weight = ops.strided_slice(fc_weight, (0, first), (taps, first + own), (1, 1))
    folded = ops.matmul(fc_weight, weight.reshape((own, -1)))
    folded = folded.reshape((taps, head_dim, in_channels)).transpose(1, 0, 2)
    folded = folded.reshape((head_dim * taps, in_channels))
    constant = None
    if bias is not None:
        constant = ops.matmul(fc_weight, bias.reshape((own, head_dim)))
    if fc_bias is not None and first == 0:
        column = fc_bias.astype(weight.dtype).reshape((taps, 1))
        constant = column.broadcast_to((-1, head_dim)) if constant is None else constant + column
    if constant is not None:
        constant = constant.transpose(1, 0).reshape((-1,))
    return folded, constant


def joined_bias(folded: tuple) -> Tensor | None:
    """Return the bias of the maps: of those of x, and of those of the context where it is apart."""
    bias: Tensor | None = None
    for _, own in folded:
        if own is not None:
            bias = own if bias is None else bias + own
    return bias
