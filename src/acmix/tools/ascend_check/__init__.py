"""What an engineer runs on an Ascend machine: every step from the driver to the tables of speeds.

A step passes, fails, or is skipped with the reason, and the next one is run whatever happened:
``steps.py`` has them in order, ``deployment.py`` those with CANN's and Lite's tools, ``results.py``
what is written and how it gets into the documentation's tables.
"""
