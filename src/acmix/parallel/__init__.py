"""Communication between the processes that train one network."""

from acmix.parallel.sync_norm import synchronise_norms
from acmix.parallel.world import World, is_scheduler, join

__all__ = ["World", "is_scheduler", "join", "synchronise_norms"]
