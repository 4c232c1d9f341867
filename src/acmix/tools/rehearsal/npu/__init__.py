"""The software NPU: CANN's operators in NumPy, called by the stand-ins of :mod:`acmix.tools.rehearsal`.

``device`` takes a call, ``operands`` finds its numbers, ``registry`` knows the operators, and
``kernels`` compute. An operator without a kernel is an error by its name.
"""
