"""The software NPU: CANN's operators in NumPy, which the stand-ins call.

``device`` takes a call, ``operands`` finds its numbers, ``registry`` knows the operators, and
``kernels`` compute. An operator without a kernel is an error by its name.
"""
