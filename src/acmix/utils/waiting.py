"""Synchronisation with the device, for timing."""

from __future__ import annotations

import mindspore as ms

from acmix.utils.target import current_target


def wait_for(result: object) -> None:
    """Wait until the device has computed ``result``, a tensor or a sequence of tensors.

    On accelerators this waits for all launched operators.
    """
    if current_target().asynchronous:
        ms.runtime.synchronize()
    elif isinstance(result, (tuple, list)):
        for item in result:
            wait_for(item)
    elif hasattr(result, "asnumpy"):
        # Not synchronize(): on CPU its first call does not wait and logs an error.
        result.asnumpy()
