"""Starting the processes of one training run, and watching over them."""

from acmix.launch.job import Job
from acmix.launch.supervisor import launch

__all__ = ["Job", "launch"]
