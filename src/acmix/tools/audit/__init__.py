"""Audit of graphs against MindSpore's registries for Ascend, without an Ascend device.

Every operator of a parsed graph gets a verdict with its evidence. Rules find known failures and
slow constructs. An audit proves registration in the wheel, not execution.
"""
