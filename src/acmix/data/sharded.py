"""`ShardedDataset`: what the data sets of all tasks have in common."""

from __future__ import annotations

from collections.abc import Sequence

from acmix.config import DataConfig


class ShardedDataset:
    """One shard of the batches of a split.

    ``epoch(k)`` of every data set gives the same batches whenever and wherever it is asked for:
    order and augmentation derive from seed, epoch and sample, not from what was read before, the
    number of worker threads or the machine.

    Args:
        names: of the samples of the split, over all shards.
        config: the section ``data``.
        training: whether the split is trained on.
        seed: of order and augmentation.
        num_shards: devices that share the split.
        shard_id: which of them this is.
        corrupt: names of the images left out because they cannot be decoded.

    Attributes:
        names, corrupt: as given.
        num_samples: samples of the split, over all shards.
        batch_size: samples of a batch on this shard.
    """

    def __init__(
        self,
        names: Sequence[str],
        config: DataConfig,
        *,
        training: bool,
        seed: int,
        num_shards: int = 1,
        shard_id: int = 0,
        corrupt: tuple[str, ...] = (),
    ) -> None:
        self.names = names
        self.num_samples = len(names)
        self.corrupt = corrupt
        evaluation_size = config.eval_batch_size or config.batch_size
        self.batch_size = config.batch_size if training else evaluation_size
        self._training = training
        self._seed = seed
        self._num_shards = num_shards
        self._shard = slice(shard_id, None, num_shards)
