"""Networks by name, with random weights or with those of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from acmix.errors import check, suggest
from acmix.models import Backbone, registry
from acmix.models.detection import Detector, PostProcess
from acmix.models.detection import registry as detectors
from acmix.models.registry import PLAIN, network_classes, split_name
from acmix.models.segmentation import Segmenter
from acmix.models.segmentation import registry as segmenters
from acmix.workflows.pretrained import start_from
from acmix.workflows.weights import MODES, WeightFile, head_size_of

Network = Backbone | Detector | Segmenter
HeadedT = TypeVar("HeadedT", Detector, Segmenter)


class InitialWeights:
    """What the functions of this module start networks from: a file, or nothing.

    Args:
        path: of the file; None for random weights.
        key: chooses in a file of PyTorch with several sets of weights.
        mode: ``strict`` or ``exact``.
        reset_head: make a new classifier in any case.

    Raises:
        UserError: an unknown mode, or arguments that say how a file is used that is not named.
    """

    def __init__(self, path: str | Path | None, key: str | None, mode: str, reset_head: bool):
        check(mode in MODES, f"warm_start='{mode}' is unknown.{suggest(mode, MODES)}")
        check(
            path is not None or (mode == MODES[0] and not reset_head and key is None),
            "warm_start, reset_head and pretrained_key say how pretrained is used; name a file.",
        )
        self.file = None if path is None else WeightFile(path, key, owner="")
        self.mode, self.reset_head = mode, reset_head

    def num_classes(self, kind: str, name: str) -> int | None:
        """Return the number of classes of a network's head in the file; None without."""
        model, *body = network_classes(kind, name)
        return head_size_of(model, self.file, *body) if self.file else None

    def load(
        self,
        kind: str,
        name: str,
        model: Network,
        backbone: Backbone,
        arguments: Mapping[str, Any],
    ) -> None:
        """Load the weights, except for a classifier of another number of classes.

        Args:
            kind: see :func:`acmix.models.list_networks`.
            name: of the network.
            model: the network.
            backbone: its backbone, or ``model``.
            arguments: those that the backbone was made with, except its outputs.
        """
        if self.file is None:
            return
        known = self.num_classes(kind, name)
        differs = model.num_classes > 0 and known not in (None, model.num_classes)
        body = name if kind == PLAIN else split_name(kind, name)[1]
        arguments = {key: value for key, value in arguments.items() if key != "out_indices"}

        def make_classifier(classes: int) -> Backbone:
            return registry.create_model(body, num_classes=classes, **arguments)

        reset_head = self.reset_head or differs
        start_from(name, self.file, model, backbone, make_classifier, self.mode, reset_head)


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    drop_path_rate: float | None = None,
    features_only: bool = False,
    out_indices: Sequence[int] | None = None,
    pretrained: str | Path | None = None,
    pretrained_key: str | None = None,
    warm_start: str = "strict",
    reset_head: bool = False,
    **kwargs: Any,
) -> Backbone:
    """Make a classifier or a backbone by name.

    Args:
        name: one of :func:`acmix.list_models`.
        num_classes: K, outputs of the classifier; 0 for none, which leaves pooled features. None
            takes as many as ``pretrained`` has, else 1000.
        in_channels: C_in, channels of the images: 1 for grey, 3 for RGB, which is the default.
        drop_path_rate: probability with which training drops the branch of the last block for a
            sample; earlier blocks have less. None means 0.
        features_only: return the maps of the stages ``out_indices`` instead of logits; their
            channels and strides are in ``feature_info``.
        out_indices: numbers of stages from 0, or from the end from -1; all of them by default.
        pretrained: file of weights: a checkpoint of this package, or a public file of PyTorch
            (``.pth``, ``.safetensors``, ...); None initialises at random. The classifier is new
            where the file has one of other than ``num_classes`` classes.
        pretrained_key: which weights of a PyTorch file with several: their key, such as ``ema``.
        warm_start: ``strict``: the file holds weights of this model. ``exact``: it holds those of
            the plain model without convolution paths, and the ACmix model computes the same.
        reset_head: make a new classifier even if the file has one of as many classes.
        **kwargs: arguments of the family (``depths``, ``window_size``, ...) and, where it has ACmix
            operators, the fields of :class:`acmix.layers.acmix_options.ACmixOptions` (``combine``,
            ``conv_kernel_size``, ...).

    Shape:
        Images (B, C_in, H, W); logits (B, K), or a tuple of maps (B, C, H', W').

    Raises:
        UserError: unknown name or argument, a value the model cannot take, or a file that cannot be
            read or does not fit.
    """
    weights = InitialWeights(pretrained, pretrained_key, warm_start, reset_head)
    body = {"in_channels": in_channels, "drop_path_rate": drop_path_rate, **kwargs}
    if num_classes is None and not features_only:
        num_classes = weights.num_classes(PLAIN, name)
    model = registry.create_model(
        name,
        num_classes=num_classes,
        features_only=features_only or None,
        out_indices=out_indices,
        **body,
    )
    weights.load(PLAIN, name, model, model, body)
    return model


def create_detector(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    drop_path_rate: float | None = None,
    frozen_stages: int = 0,
    frozen_norm: bool = False,
    post_process: PostProcess | None = None,
    backbone: Mapping[str, Any] | None = None,
    pretrained: str | Path | None = None,
    pretrained_key: str | None = None,
    warm_start: str = "strict",
    reset_head: bool = False,
    **kwargs: Any,
) -> Detector:
    """Make a detector by name.

    Args:
        name: one of :func:`acmix.list_detectors`.
        num_classes: K, without background. None takes as many as ``pretrained`` has, else 80.
        in_channels, drop_path_rate: see :func:`create_model`.
        frozen_stages: the stem and this many stages are not trained.
        frozen_norm: BatchNorms keep their running statistics.
        post_process: how detections are chosen; None takes the detector's own.
        backbone: further arguments of the backbone.
        pretrained: file of weights of the detector, of a classifier or of another detector; of the
            latter two the backbone is taken.
        pretrained_key, warm_start, reset_head: see :func:`create_model`.
        **kwargs: the detector's own arguments.

    Raises:
        UserError: see :func:`create_model`.
    """
    weights = InitialWeights(pretrained, pretrained_key, warm_start, reset_head)
    body = {"in_channels": in_channels, "drop_path_rate": drop_path_rate, **(backbone or {})}
    kwargs |= {"frozen_stages": frozen_stages, "frozen_norm": frozen_norm}
    make = partial(detectors.create_detector, name, post_process=post_process, **kwargs)
    return _on_backbone(detectors.KIND, name, make, num_classes, body, weights)


def create_segmenter(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    drop_path_rate: float | None = None,
    backbone: Mapping[str, Any] | None = None,
    pretrained: str | Path | None = None,
    pretrained_key: str | None = None,
    warm_start: str = "strict",
    reset_head: bool = False,
    **kwargs: Any,
) -> Segmenter:
    """Make a segmenter by name.

    Args:
        name: one of :func:`acmix.list_segmenters`.
        num_classes: K, without the ignored label. None takes as many as ``pretrained`` has, else
            150.
        in_channels, drop_path_rate: see :func:`create_model`.
        backbone: further arguments of the backbone.
        pretrained: file of weights of the segmenter, of a classifier or of another segmenter; of
            the latter two the backbone is taken.
        pretrained_key, warm_start, reset_head: see :func:`create_model`.
        **kwargs: the head's own arguments.

    Raises:
        UserError: see :func:`create_model`.
    """
    weights = InitialWeights(pretrained, pretrained_key, warm_start, reset_head)
    body = {"in_channels": in_channels, "drop_path_rate": drop_path_rate, **(backbone or {})}
    make = partial(segmenters.create_segmenter, name, **kwargs)
    return _on_backbone(segmenters.KIND, name, make, num_classes, body, weights)


def _on_backbone(
    kind: str,
    name: str,
    make: Callable[..., HeadedT],
    num_classes: int | None,
    body: Mapping[str, Any],
    weights: InitialWeights,
) -> HeadedT:
    """Make a network on a backbone with the arguments ``body``, and load its weights."""
    if num_classes is None:
        num_classes = weights.num_classes(kind, name)
    model = make(num_classes=num_classes, backbone=body)
    weights.load(kind, name, model, model.backbone, body)
    return model
