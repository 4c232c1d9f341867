"""A toy problem for the engine: four blobs as 4x4 images, a net with everything that has state."""

import itertools

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from acmix.ops.random import random_state, uniform
from acmix.tasks.classification.objective import ClassificationObjective


class RandomScale(nn.Cell):
    """Stochastic depth without the skip: scales each sample by 0 or 1 / keep."""

    def __init__(self, seed):
        super().__init__()
        self.random_state = Parameter(Tensor(random_state(seed)), requires_grad=False)

    def construct(self, x):
        if not self.training:
            return x
        numbers, following = uniform(self.random_state, x.shape[0])
        ops.assign(self.random_state, following)
        kept = ops.floor(numbers + 0.8) / 0.8
        return x * kept.astype(x.dtype).reshape(-1, 1, 1, 1)


class ToyNet(nn.Cell):
    def __init__(self, seed=0):
        super().__init__()
        rng = np.random.default_rng(seed)

        def init(*shape):
            return Tensor(0.3 * rng.normal(size=shape), ms.float32)

        self.conv = nn.Conv2d(1, 8, 3, pad_mode="same", weight_init=init(8, 1, 3, 3))
        self.norm = nn.BatchNorm2d(8, momentum=0.9)
        self.drop = RandomScale(seed)
        self.head = nn.Dense(8, 4, weight_init=init(4, 8), bias_init="zeros")

    def construct(self, x):
        x = self.drop(ops.relu(self.norm(self.conv(x))))
        return self.head(ops.ReduceMean()(x, (2, 3)))


class Blobs:
    """Class k is a bright k-th quadrant in noise. Batches depend on (seed, epoch) alone."""

    def __init__(self, batches=6, batch_size=8, seed=0, padded=0):
        self.batches, self.batch_size, self.seed, self.padded = batches, batch_size, seed, padded

    def __len__(self):
        return self.batches

    def epoch(self, k, skip_batches=0):
        return itertools.islice(self.whole_epoch(k), skip_batches, None)

    def whole_epoch(self, epoch):
        rng = np.random.default_rng((self.seed, epoch))
        for i in range(self.batches):
            labels = rng.integers(0, 4, self.batch_size).astype(np.int32)
            images = 0.3 * rng.normal(size=(self.batch_size, 1, 4, 4)).astype(np.float32)
            for image, label in zip(images, labels, strict=True):
                row, column = 2 * (label // 2), 2 * (label % 2)
                # Quadrants differ in sign patterns too, which survive the average over space.
                image[0, row : row + 2, column : column + 2] += (-1) ** label * (1 + label)
            if i == self.batches - 1 and self.padded:
                labels[-self.padded :] = -1
            yield images, labels


def toy_task(seed=0, label_smoothing=0.0):
    return ClassificationObjective(ToyNet(seed), num_classes=4, label_smoothing=label_smoothing)
