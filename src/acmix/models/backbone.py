"""The interface of every backbone to classifiers, dense heads and tools."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mindspore import Parameter, Tensor, nn, ops

from acmix.errors import check, suggest
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.blocks import dense


@dataclass(frozen=True)
class FeatureInfo:
    """One stage: its channels, its stride against the input in pixels, and the Cell's name."""

    channels: int
    reduction: int
    name: str


def blocks_of(stage: nn.Cell) -> list[nn.Cell]:
    """Return the blocks of a stage: its ``blocks``, or else all of it."""
    return list(getattr(stage, "blocks", stage))


class Backbone(nn.Cell):
    """A classifier built of stages, or, with ``features_only``, the maps of chosen stages.

    A family implements :meth:`stem`, :attr:`stages`, and where its stages do not put out maps,
    :meth:`to_feature`; it calls :meth:`finish` at the end of its constructor. A family with ACmix
    operators sets ``default_options`` and passes its ``**acmix_arguments`` to
    :meth:`options_from`.

    Attributes:
        feature_info: a :class:`FeatureInfo` per stage (of the chosen ones with ``features_only``).
        num_features: inputs of the classifier; as a rule, channels of the last stage.
        num_classes: outputs of the classifier, 0 for none.
    """

    feature_info: tuple[FeatureInfo, ...]
    default_options: ACmixOptions | None = None

    @classmethod
    def argument_names(cls) -> set[str]:
        """Return the names of the constructor's arguments, the fields of the options included."""
        parameters = inspect.signature(cls.__init__).parameters.values()
        names = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} - {"self"}
        return names if cls.default_options is None else names | ACmixOptions.names()

    @classmethod
    def options_from(cls, arguments: Mapping[str, Any]) -> ACmixOptions:
        """Return the family's options with the given fields replaced.

        Raises:
            UserError: a name is unknown, or a value is out of its range.
        """
        known = cls.argument_names()
        for name in arguments:
            check(
                name in known, f"{cls.__name__} takes no argument '{name}'.{suggest(name, known)}"
            )
        return replace(cls.default_options or ACmixOptions(), **arguments)

    def finish(
        self,
        feature_info: Sequence[FeatureInfo],
        num_classes: int,
        features_only: bool,
        out_indices: Sequence[int] | None,
        num_features: int | None = None,
    ) -> None:
        """Set the description of the stages, and the classifier or the choice of outputs.

        ``num_features`` are the inputs of the classifier, by default the last stage's channels.
        """
        check(
            features_only or out_indices is None,
            f"out_indices={out_indices} needs features_only=True.",
        )
        self.num_features = num_features or feature_info[-1].channels
        count = len(feature_info)
        chosen = tuple(range(count))
        if out_indices is not None:
            chosen = tuple(int(index) for index in out_indices)
            check(
                len(chosen) > 0 and all(-count <= index < count for index in chosen),
                f"out_indices must name some of the stages 0 to {count - 1}, got {out_indices}.",
            )
            chosen = tuple(sorted({index % count for index in chosen}))
        self.out_indices = chosen if features_only else None
        self.pool = ops.ReduceMean(keep_dims=False)
        if features_only:
            self.feature_info = tuple(feature_info[index] for index in chosen)
            self.num_classes = 0
        else:
            self.feature_info = tuple(feature_info)
            self.reset_classifier(num_classes)

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the network beside its parts: what it puts out."""
        if self.out_indices is None:
            return f"num_classes={self.num_classes}"
        info = self.feature_info
        channels, strides = [one.channels for one in info], [one.reduction for one in info]
        return f"features_only=True, channels={channels}, strides={strides}"

    def reset_classifier(self, num_classes: int) -> None:
        """Replace the classifier by a new one; with 0 classes the model returns pooled features.

        Raises:
            UserError: the number is negative, or the model returns feature maps.
        """
        check(
            self.out_indices is None,
            "features_only models have no classifier to reset: make the model without it.",
        )
        check(num_classes >= 0, f"num_classes must not be negative, got {num_classes}.")
        self.num_classes = num_classes
        classifier = self.make_classifier(num_classes) if num_classes else nn.Identity()
        setattr(self, self.classifier_name, classifier)
        self.compile_cache.clear()  # a graph compiled before holds the old classifier

    classifier_name = "head"

    def make_classifier(self, num_classes: int) -> nn.Cell:
        """Return a new classifier of :meth:`pooled` features."""
        return dense(self.num_features, num_classes)

    @classmethod
    def has_training_logits(cls) -> bool:
        """Whether training compares other logits with the labels than the model's output."""
        return cls.training_logits is not Backbone.training_logits

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits (B, num_classes) of each classifier, over which the loss is a mean."""
        return (self.construct(x),)

    def parameter_layers(self) -> list[list[Parameter]]:
        """Return the parameters of the stem, of the first block, of the second, and so on.

        What a stage has beside its blocks, such as a patch embedding, counts with the first of
        them. Parameters behind the last stage are left out.
        """
        layers: list[list[Parameter]] = [[]]
        for name, cell in self.name_cells().items():
            if name == "stages":
                break
            layers[0] += cell.get_parameters()
        for stage in self.stages:
            blocks = blocks_of(stage)
            inside = [list(block.get_parameters()) for block in blocks]
            known = {id(parameter) for block in inside for parameter in block}
            beside = [p for p in stage.get_parameters() if id(p) not in known]
            if inside:
                inside[0] = beside + inside[0]
            layers += [block for block in inside if block]  # a pooling has none
        return layers

    def all_blocks(self) -> list[nn.Cell]:
        """Return the blocks of all stages, in the order in which they compute."""
        return [block for stage in self.stages for block in blocks_of(stage)]

    def get_classifier(self) -> nn.Cell:
        """Return the classifier, an Identity if there is none."""
        return getattr(self, self.classifier_name)

    def classifier_parameters(self) -> list[Parameter]:
        """Return the parameters that depend on the number of classes."""
        return list(self.get_classifier().get_parameters())

    def stem(self, x: Tensor) -> Tensor:
        """Turn images (B, C_in, H, W) into the input of the first stage."""
        raise NotImplementedError

    def to_feature(self, x: Tensor, index: int) -> Tensor:
        """Turn the output of stage ``index`` into a map (B, C, H', W')."""
        return x

    def forward_features(self, x: Tensor) -> Tensor:
        """Apply stem and all stages: the last stage's output, in the family's data format."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return x

    def pooled(self, x: Tensor) -> Tensor:
        """Turn the last stage's output into one vector per image, (B, num_features)."""
        return self.pool(x, (2, 3))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """Classify the output of :meth:`forward_features`, or only pool it."""
        x = self.pooled(x)
        if pre_logits:
            return x
        return self.get_classifier()(x)

    def construct(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return logits (B, num_classes), or a tuple of maps with ``features_only``."""
        if self.out_indices is None:
            return self.forward_head(self.forward_features(x))
        x = self.stem(x)
        features: tuple = ()
        for index in range(len(self.stages)):
            x = self.stages[index](x)
            if index in self.out_indices:
                features += (self.to_feature(x, index),)
        return features
