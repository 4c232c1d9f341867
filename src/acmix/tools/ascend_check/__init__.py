"""``acmix check-ascend``: the check of an Ascend machine, from the driver to the speed tables.

Every step runs and passes, fails, or is skipped with a reason. ``runner.py`` has their order;
``steps.py`` and ``deployment_steps.py`` (tools of CANN and MindSpore Lite) define them.
``report.py`` writes the results and merges them into the documentation.
"""
