"""Operators of PyNative mode run one after the other instead of through a queue.

The queue's threads spin: on two busy cores they cost these tests seven times their time. The
setting holds for the whole test process.
"""

import mindspore as ms

ms.runtime.launch_blocking()
