"""``acmix rehearse``: MindSpore's own Ascend back end on a host without NPU and without CANN.

MindSpore finds libraries of CANN's names, which are built here from ``stand_in``: they answer what
it asks and record it. No kernel computes anything. ``docs/ascend.md`` says what this proves.
"""
