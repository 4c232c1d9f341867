"""Waiting for the device, without which nothing on it can be timed."""

from __future__ import annotations

import mindspore as ms

from acmix.utils.target import current_target


def wait_for(result: object) -> None:
    """Return when the device has computed ``result``, a tensor or a sequence of such.

    On accelerators it waits for everything that was launched.
    """
    if current_target().asynchronous:
        ms.runtime.synchronize()
    elif isinstance(result, (tuple, list)):
        for item in result:
            wait_for(item)
    elif hasattr(result, "asnumpy"):
        # synchronize() is not for CPU: its first call there waits for nothing and logs an error.
        result.asnumpy()
