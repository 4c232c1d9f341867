"""Map a function over tensors in code that MindSpore compiles."""

from __future__ import annotations

from mindspore import ops

for_every = ops.HyperMap()
"""``(function, tensors, ...)`` to the tuple of the function's results, one for each tensor.

The function is an ``ops.MultitypeFuncGraph``. The compiler expands the map at once. A loop or a
comprehension it nests, one function in the other: with hundreds of parameters that takes most of
the time of compiling a step.
"""
