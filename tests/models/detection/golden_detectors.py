"""Small Mask R-CNN and Cascade Mask R-CNN of mmdetection on Swin (tests/golden) as our networks."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from golden_arrays import load
from mindspore import Tensor

from acmix.convert import load_torch_state
from acmix.data import rle
from acmix.data.instance_masks import InstanceMasks, PixelMap
from acmix.data.mask_crops import crop_masks
from acmix.models.detection import PostProcess, TwoStageDetector, create_detector

NAMES = ("mask_rcnn_swin", "cascade_mask_rcnn_swin")


def golden_detector(name: str) -> tuple[TwoStageDetector, SimpleNamespace]:
    """Return the network with the weights of a file, for evaluation, and the file's content.

    The file's losses are those of all proposals, so samples are as large as there are candidates.
    """
    golden = load(name)
    meta = golden.meta
    rule = PostProcess(meta["score_thr"], nms_threshold=meta["nms"], max_detections=12)
    proposals = meta["rpn"]["max_per_img"]
    network = create_detector(
        f"{name}_tiny",
        meta["num_classes"],
        backbone={**meta["backbone"], "mask_padding": False},
        channels=meta["channels"],
        fc_channels=meta["fc"],
        mask_channels=meta["channels"],
        anchor_scale=meta["anchor_scale"],
        top_k=meta["rpn"]["nms_pre"],
        training_top_k=meta["rpn"]["nms_pre"],
        proposals=proposals,
        training_proposals=proposals,
        samples=proposals + 4,
        positive_fraction=1.0,
        post_process=rule,
    )
    load_torch_state(network, golden.state)
    network.rpn_loss.sampler = None
    return network.set_train(False), golden


def inputs(golden: SimpleNamespace) -> tuple[Tensor, Tensor]:
    """Return the images, and their sizes without padding."""
    return Tensor(golden.in_images), Tensor(np.array(golden.meta["images"], np.float32))


def targets(golden: SimpleNamespace, side: int = 112) -> tuple[Tensor, ...]:
    """Return padded boxes, labels and masks of the two images."""
    height, width = golden.in_images.shape[2:]
    boxes = np.zeros((2, 4, 4), np.float32)
    labels = np.full((2, 4), -1, np.int32)
    masks = np.zeros((2, 4, side, side), np.uint8)
    for image in range(2):
        own = getattr(golden, f"in_gt_boxes{image}")
        boxes[image, : len(own)] = own
        labels[image, : len(own)] = getattr(golden, f"in_gt_labels{image}")
        packed = getattr(golden, f"in_gt_masks{image}")
        bitmaps = np.unpackbits(packed, axis=2)[:, :, :width]
        counts = tuple(rle.encode(np.asfortranarray(bitmap)) for bitmap in bitmaps)
        whole = InstanceMasks(height, width, counts)
        masks[image, : len(own)] = crop_masks(whole, PixelMap.identity(height, width), own, side)
    return Tensor(boxes), Tensor(labels), Tensor(masks)
