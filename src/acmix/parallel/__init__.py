"""Communication between the processes that train one network."""

from acmix.parallel.sync_norm import synchronise_norms
from acmix.parallel.world import World, join

__all__ = ["World", "join", "synchronise_norms"]
