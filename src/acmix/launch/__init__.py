"""Start and supervise the processes of one training run."""

from acmix.launch.job import Job
from acmix.launch.supervisor import launch

__all__ = ["Job", "launch"]
