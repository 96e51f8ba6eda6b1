"""The backbones: Keras's MobileNets without their tops, where feature maps leave them, and what of them is frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import keras

from detector_trainer.configuration import Configuration


@dataclass(frozen=True)
class Backbone:
    """One of Keras's networks, https://keras.io/api/applications/mobilenet/

    Attributes:
        title: for messages.
        kind: its function's name in ``keras.applications``.
        features: the layers where feature maps leave it, by stride.
        last_block: number of what follows its blocks, or of the last of them.
        last_layers: those without a number that belong there; the others belong to the stem, 0.
    """

    title: str
    kind: str
    features: Mapping[int, str]
    last_block: int
    last_layers: tuple[str, ...] = ()

    def build(
        self,
        configuration: Configuration,
        *,
        weights: str | None = None,
        input_tensor: keras.KerasTensor | None = None,
    ) -> keras.Model:
        """From pixels in [-1, 1]; ``ValueError`` where Keras has no such weights for this width."""
        return getattr(keras.applications, self.kind)(
            (configuration.input_size, configuration.input_size, 3),
            alpha=configuration.width,
            include_top=False,
            weights=weights,
            input_tensor=input_tensor,
        )

    def block(self, layer: str) -> int:
        """Which block a layer belongs to, by its name: ``block_3_expand``, ``conv_dw_3_bn``."""
        numbered = re.match(r"(?:block|conv_dw|conv_pw)_(\d+)(?:_|$)", layer)
        if numbered:
            return int(numbered[1])
        return self.last_block if layer in self.last_layers else 0


BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        # https://arxiv.org/abs/1704.04861; strides 16 and 32 as the TF Object Detection API's ssd_mobilenet_v1.
        "mobilenet_v1": Backbone(
            "MobileNetV1",
            "MobileNet",
            MappingProxyType({8: "conv_pw_5_relu", 16: "conv_pw_11_relu", 32: "conv_pw_13_relu"}),
            13,
        ),
        # https://arxiv.org/abs/1801.04381, section 6.2: SSDLite takes the expansion of block 13 for stride 16 and the
        # last layer for stride 32; block 6's for stride 8 is our addition.
        "mobilenet_v2": Backbone(
            "MobileNetV2",
            "MobileNetV2",
            MappingProxyType({8: "block_6_expand_relu", 16: "block_13_expand_relu", 32: "out_relu"}),
            17,
            ("Conv_1", "Conv_1_bn", "out_relu"),
        ),
    }
)


def backbone_of(configuration: Configuration) -> Backbone:
    return BACKBONES[configuration.backbone]
