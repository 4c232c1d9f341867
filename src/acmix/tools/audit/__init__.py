"""What MindSpore's registries say of a graph on Ascend, without an Ascend device.

A graph is parsed, every operator gets a verdict with its evidence, and every rule of what is known
to fail or to hurt there is applied. It proves what is registered in the wheel, never that it runs.
"""
