"""What each of two ranks does for test_world.py: python together.py OUTPUT [DEVICE], launched."""

import os
import pickle
import signal
import sys
from dataclasses import replace
from pathlib import Path

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, amp, nn, ops

from acmix.config import Config, OptimConfig
from acmix.data import create_dataset
from acmix.engine import RunDir, Trainer, evaluate
from acmix.engine.moving_statistics import MovingStatistics
from acmix.engine.optim import create_optimizer
from acmix.engine.resume import broadcast_state
from acmix.engine.train_step import TrainStep
from acmix.environment import set_device
from acmix.errors import UserError
from acmix.models.freeze import freeze_norm
from acmix.parallel import World, join, synchronise_norms
from acmix.parallel.all_reduce import make_all_reduce_mean
from acmix.parallel.world import _CHUNK
from acmix.tasks import get_task
from acmix.tasks.classification.objective import ClassificationObjective
from acmix.tasks.detection.metric import DetectionMetric

# Ranks agree to stop without their launcher, which would ask all of them to end for good.
os.environ.pop("ACMIX_ACTIVITY", None)

RESNET = Config.from_dict(
    {
        "runtime": {"device": "CPU"},
        "data": {
            "name": "digits", "image_size": 16, "channels": 1, "mean": [0.3], "std": [0.3],
            "batch_size": 32, "eval_batch_size": 50, "num_workers": 1, "scale": None, "hflip": 0.0,
        },
        "optim": {
            "name": "sgd", "lr": 0.025, "lr_batch": 64, "weight_decay": 0.01, "clip_norm": 1.0,
        },
        "train": {"epochs": 1, "accumulate": 2, "log_interval": 4, "eval_steps": 2},
    }
)  # fmt: skip
SHAPES = Config.from_dict(
    {
        "task": "detection",
        "data": {
            "name": "shapes", "batch_size": 6, "short_side": [32], "long_side": 48,
            "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "num_workers": 1,
        },
    }
)  # fmt: skip
LABEL_SHAPES = Config.from_dict(
    {
        **{key: RESNET.to_dict()[key] for key in ("runtime", "optim", "train")},
        "task": "segmentation",
        "data": {
            "name": "label_shapes", "batch_size": 4, "short_side": 32, "long_side": 32,
            "pad_divisor": 32, "crop_size": 32, "num_workers": 1,
        },
        "model": {"name": "resnet26", "kwargs": {"width": 8, "depths": [1]}},
        "segmenter": {"kwargs": {"neck_channels": 8, "channels": 8, "dropout": 0.0}},
    }
)  # fmt: skip
SMALL_SHAPES = {
    **{key: RESNET.to_dict()[key] for key in ("runtime", "optim", "train")},
    "task": "detection",
    "data": {
        "name": "shapes", "batch_size": 4, "short_side": [32], "long_side": 32,
        "bucket_aspects": [], "mean": [0.5] * 3, "std": [0.25] * 3, "num_workers": 1,
        "max_boxes": 6, "mask_size": 16,
    },
}  # fmt: skip
RETINANET = Config.from_dict(
    SMALL_SHAPES | {"detector": {"kwargs": {"channels": 8, "num_convs": 1, "num_levels": 2}}}
)
# Samples of all that there is: two ranks cannot draw as one does.
MASK_RCNN = Config.from_dict(
    SMALL_SHAPES
    | {
        "data": {**SMALL_SHAPES["data"], "masks": True},
        "detector": {
            "name": "mask_rcnn",
            "kwargs": {
                "channels": 8, "fc_channels": 8, "mask_convs": 1, "mask_channels": 8,
                "anchor_scale": 2, "rpn_samples": 600, "samples": 16, "positive_fraction": 1.0,
                "top_k": 20, "training_top_k": 20, "proposals": 10, "training_proposals": 10,
            },
        },
    }
)  # fmt: skip
STEPS = 3
# Trained on stand-ins for Ascend too, whose collectives are of another library; the losses of the
# other tasks know nothing of it.
ON_ASCEND = ("resnet", "swin")


class Few:
    """The first steps of an epoch."""

    def __init__(self, data, batches):
        self.data, self.batches = data, batches

    def __len__(self):
        return self.batches

    def epoch(self, k, skip_batches=0):
        batches = self.data.epoch(k, skip_batches)
        for _ in range(self.batches - skip_batches):
            yield next(batches)


NETWORKS = {
    "resnet": (RESNET, "resnet26", {"width": 8, "depths": (1,)}),
    "swin": (
        RESNET,
        "acmix_swin_tiny",
        {
            "patch_size": 2, "embed_dim": 8, "depths": (1,), "num_heads": (2,), "window_size": 4,
        },
    ),
    "segmenter": (
        LABEL_SHAPES,
        "resnet26",
        {"width": 8, "depths": (1,), "out_indices": (0,)},
    ),
    "retinanet": (RETINANET, "resnet26", {"width": 8, "depths": (1,), "out_indices": (0,)}),
    "mask_rcnn": (MASK_RCNN, "resnet26", {"width": 8, "depths": (1,), "out_indices": (0,)}),
}  # fmt: skip


def configuration(kind: str, world: World, folder: Path = Path("unused")) -> Config:
    """Return the configuration of a kind; one rank alone takes the batch of two."""
    base, name, arguments = NETWORKS[kind]
    tree = base.to_dict()
    tree["output"] = str(folder)
    tree["model"] |= {"name": name, "kwargs": arguments, "drop_path_rate": 0.0}
    if world.size == 1:
        tree["data"]["batch_size"] *= 2
        if "image_size" in tree["data"]:
            # Of 5 * 71 images: without padding, the truth for those with.
            tree["data"]["eval_batch_size"] = 71
    return Config.from_dict(tree)


def network(kind: str, frozen: bool = True) -> nn.Cell:
    """Make a network whose BatchNorms, if it has any, are frozen or not."""
    config = configuration(kind, World())
    classes = 10 if config.task == "classification" else 4
    model = get_task(config.task).build_model(config, classes)
    if frozen:
        freeze_norm(model)
    return model


def synchronised(folder: Path, world: World) -> dict:
    """Train a network whose BatchNorms see the images of all ranks."""
    ms.set_seed(0)
    model = network("resnet", frozen=False)
    if world.size > 1:
        assert synchronise_norms(model, "Ascend") > 3
    return train_in(folder, "resnet", world, model=model)


def train_in(
    folder: Path,
    kind: str,
    world: World,
    resume: Path | None = None,
    model: nn.Cell | None = None,
) -> dict:
    """Train a small network for a few steps and evaluate it; return how it ended."""
    if model is None:
        ms.set_seed(world.rank)  # other initial weights on every rank, which must not matter
        model = network(kind)
    config = configuration(kind, world, folder)
    data = [
        create_dataset(config.data, split, seed=0, num_shards=world.size, shard_id=world.rank)
        for split in ("train", "val")
    ]
    objective = get_task(config.task).objective(config, model, data[1])
    trainer = Trainer(objective, config, RunDir(folder), world=world)
    result = trainer.fit(Few(data[0], STEPS * config.train.accumulate), data[1], resume)
    weights = {p.name: p.asnumpy().copy() for p in model.get_parameters()}
    return {
        "weights": weights,
        "metrics": result.metrics,
        "log": RunDir(folder).metrics(),
        "saved": sorted((folder / "checkpoints").glob("step_*.ckpt")),
    }


def confusion(world: World) -> np.ndarray:
    """Evaluate a segmenter of fixed weights by two views of each image."""
    ms.set_seed(0)
    tree = LABEL_SHAPES.to_dict()
    tree["data"] |= {"eval_flip": True}
    tree["model"]["kwargs"] = NETWORKS["segmenter"][2]
    config = Config.from_dict(tree)
    data = create_dataset(config.data, "val", seed=0, num_shards=world.size, shard_id=world.rank)
    model = get_task("segmentation").build_model(config, 4)
    objective = get_task("segmentation").objective(config, model, data)
    return evaluate(objective, data, world).confusion


def detections(world: World) -> dict[str, float]:
    """Evaluate detections made of the ground truth, noise and the image's number."""
    data = create_dataset(SHAPES.data, "val", seed=0, num_shards=world.size, shard_id=world.rank)
    metric = DetectionMetric(data.ground_truth, data.image_ids, data.category_ids)
    for images, _, index, scale in data.epoch(0):
        boxes = np.zeros((len(images), 4, 4), np.float32)
        scores = np.zeros((len(images), 4), np.float32)
        labels = np.full((len(images), 4), -1, np.int32)
        for i, position in enumerate(index):
            if position < 0:  # padding, in which a network finds something, too
                boxes[i], scores[i], labels[i] = (0, 0, 9, 9), 1, 0
                continue
            rng = np.random.default_rng(int(position))
            truth = data.ground_truth.imgToAnns[data.image_ids[position]]
            for j, one in enumerate(truth[:4]):
                x, y, width, height = np.array(one["bbox"]) + rng.normal(0, 1, 4)
                boxes[i, j] = np.array([x, y, x + width, y + height]) * np.tile(scale[i], 2)
                # Equal scores of different images are the case that an order could change.
                scores[i, j] = round(rng.random(), 1)
                labels[i, j] = data.category_ids.index(one["category_id"])
        metric.update((boxes, scores, labels), index, scale)
    metric.all_reduce(world)
    return metric.compute()


def overflow(world: World) -> dict:
    """Take a step whose gradient overflows on the last rank alone, then one that is fine."""
    weight = np.ones((2, 3), np.float32)
    network = nn.WithLossCell(nn.Dense(3, 2, Tensor(weight), has_bias=False), nn.MSELoss())
    network = Losses(network)
    scaler = amp.DynamicLossScaler(2.0**10, scale_factor=2, scale_window=100)
    optimizer = create_optimizer(network, OptimConfig(name="adamw"))
    step = TrainStep(network, optimizer, scaler=scaler, all_reduce=world.all_reduce_mean)
    x, y = np.full((4, 3), 1.0 + world.rank, np.float32), np.zeros((4, 2), np.float32)
    bad = np.full_like(x, np.inf) if world.rank == world.size - 1 else x
    results = []
    for images, stop in ((bad, 0.0), (x, float(world.rank == 1))):
        step.stop = stop
        result = step([(images, y)], 0.1)
        results.append((bool(result.finite), float(result.losses[0]), float(result.stop)))
    return {
        "results": results,
        "scale": float(scaler.scale_value.asnumpy()),
        "step": int(optimizer.global_step.asnumpy()),
        "weight": network.trainable_params()[0].asnumpy().copy(),
    }


class Losses(nn.Cell):
    def __init__(self, network):
        super().__init__(auto_prefix=False)
        self.network = network

    def construct(self, x, y):
        return (self.network(x, y),)


class Stopped(Few):
    """One rank alone gets a signal while it makes the second step's batch."""

    def __init__(self, data, batches, signalled):
        super().__init__(data, batches)
        self.signalled = signalled

    def epoch(self, k, skip_batches=0):
        for i, batch in enumerate(super().epoch(k, skip_batches)):
            if self.signalled and i == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch


def stopped(world: World, folder: Path) -> dict:
    """Train a linear classifier with a BatchNorm until the last rank gets a signal."""
    model = nn.SequentialCell(nn.BatchNorm2d(1), nn.Flatten(), nn.Dense(256, 10))
    config = Config.from_dict({**RESNET.to_dict(), "train": {"epochs": 1, "log_interval": 1}})
    data = create_dataset(config.data, "train", seed=0, num_shards=2, shard_id=world.rank)
    trainer = Trainer(ClassificationObjective(model, 10), config, RunDir(folder), world=world)
    result = trainer.fit(Stopped(data, 6, signalled=world.rank == world.size - 1))
    return {
        "step": result.progress.step,
        "by": result.stopped_by,
        "mean": model[0].moving_mean.asnumpy().copy(),
        "weight": model[2].weight.asnumpy().copy(),
    }


def stopped_in_evaluation(world: World, folder: Path) -> dict:
    """Evaluate a linear classifier until the last rank gets a signal."""
    model = nn.SequentialCell(nn.Flatten(), nn.Dense(256, 10))
    config = Config.from_dict({**RESNET.to_dict(), "train": {"epochs": 2, "log_interval": 1}})
    sharding = {"seed": 0, "num_shards": 2, "shard_id": world.rank}
    data, val_data = (create_dataset(config.data, split, **sharding) for split in ("train", "val"))
    trainer = Trainer(ClassificationObjective(model, 10), config, RunDir(folder), world=world)
    batches = len(val_data)
    result = trainer.fit(Few(data, 2), Stopped(val_data, batches, signalled=world.rank == 1))
    return {
        "batches": batches,
        "step": result.progress.step,
        "by": result.stopped_by,
        "concluded": result.progress.is_concluded,
    }


def statistics(world: World) -> np.ndarray:
    """Let a BatchNorm see other images on every rank; return its running mean."""
    norm = nn.BatchNorm2d(2, momentum=0.0)
    moving = MovingStatistics(norm, world.all_reduce_mean)
    norm.set_train()(Tensor(np.full((4, 2, 2, 2), 1.0 + world.rank, np.float32)))
    moving.update(Tensor(True))
    norm(Tensor(np.full((4, 2, 2, 2), np.nan, np.float32)))
    moving.update(Tensor(False))
    return norm.moving_mean.asnumpy().copy()


def conversations(world: World) -> dict:
    """Use everything that ranks say to each other."""
    rank = world.rank
    counts = np.array([2**32 + rank, 0, 2**24 + 1, rank], np.int64)
    parameters = [
        Parameter(Tensor(np.full((3, 2), rank + 0.1, np.float32)), name="a"),
        Parameter(Tensor(np.array([7 + rank, -3], np.int32)), name="b"),
        Parameter(Tensor(np.array([11, 12, 13 + rank], np.int32)), name="random_state"),
    ]
    broadcast_state({p.name: p for p in parameters}, world)
    values = [Tensor(np.full(s, rank + i, np.float32)) for i, s in enumerate([(2, 2), (), (3,)])]
    average = make_all_reduce_mean(world.size)

    def step(*tensors):
        return average(tensors)

    averaged = ms.jit(step)(*values)
    many = [Tensor(np.full(1 + i % 3, rank + i, np.float32)) for i in range(300)]
    nonfinite = world.all_reduce_mean((Tensor([np.nan if rank else 1.0]),))[0]
    differs = None
    try:
        world.check_equal("The thing", [b"%d" % rank], "mend it")
    except UserError as error:
        differs = str(error)
    world.barrier()
    return {
        "place": (rank, world.size, world.is_first),
        "sum": world.all_reduce(counts),
        "gather": world.gather(b"x" * (3 + 2 * _CHUNK) if rank else b"abc"),
        "empty": world.gather(b""),
        "share": world.broadcast({"rank": rank}),
        "parameters": [p.asnumpy().copy() for p in parameters],
        "average": [value.asnumpy() for value in averaged],
        "many": [float(value[0]) for value in ms.jit(step)(*many)],
        "differs": differs,
        "nonfinite": ops.isnan(nonfinite).asnumpy(),
    }


def main() -> None:
    output = Path(sys.argv[1])
    device = sys.argv[2] if len(sys.argv) > 2 else "CPU"
    set_device(replace(RESNET.runtime, device=device))
    world = join()
    kinds = ON_ASCEND if device == "Ascend" else NETWORKS
    found = {
        "device": ms.get_context("device_target"),
        "conversations": conversations(world),
        **{kind: train_in(output / kind, kind, world) for kind in kinds},
        "confusion": confusion(world),
        "detections": detections(world),
        "overflow": overflow(world),
        "statistics": statistics(world),
        "stopped": stopped(world, output / "stopped"),
        "stopped in evaluation": stopped_in_evaluation(world, output / "evaluation"),
    }
    if device == "Ascend":  # no other has the operators
        found["synchronised"] = synchronised(output / "synchronised", world)
    (output / f"rank_{world.rank}.pickle").write_bytes(pickle.dumps(found))
    world.barrier()


if __name__ == "__main__":
    main()
