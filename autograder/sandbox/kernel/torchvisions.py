"""Which of torchvision's networks a state dict may belong to, by the names of its tensors."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

# A name that only these have, and the functions that make them; the commonest first.
_FAMILIES: tuple[tuple[str, str], ...] = (
    (
        "layer1.0.conv1.weight",
        "resnet18 resnet34 resnet50 resnet101 resnet152 wide_resnet50_2 wide_resnet101_2 resnext50_32x4d "
        "resnext101_32x8d resnext101_64x4d",
    ),
    ("features.denseblock1.denselayer1.norm1.weight", "densenet121 densenet169 densenet201 densenet161"),
    ("features.3.squeeze.weight", "squeezenet1_0 squeezenet1_1"),
    ("features.1.conv.0.0.weight", "mobilenet_v2"),
    ("inception3a.branch1.conv.weight", "googlenet"),
    ("Mixed_5b.branch1x1.conv.weight", "inception_v3"),
    (
        "stage2.0.branch1.0.weight",
        "shufflenet_v2_x1_0 shufflenet_v2_x0_5 shufflenet_v2_x1_5 shufflenet_v2_x2_0",
    ),
    (
        "trunk_output.block1.block1-0.proj.0.weight",
        "regnet_y_400mf regnet_y_800mf regnet_y_1_6gf regnet_y_3_2gf regnet_x_400mf regnet_x_800mf "
        "regnet_x_1_6gf regnet_x_3_2gf",
    ),
    ("layers.8.0.layers.0.weight", "mnasnet1_0 mnasnet0_5 mnasnet0_75 mnasnet1_3"),
    ("conv_proj.weight", "vit_b_16 vit_b_32 vit_l_16"),
    ("features.1.0.attn.relative_position_bias_table", "swin_t swin_s swin_b swin_v2_t"),
    ("features.1.0.layer_scale", "convnext_tiny convnext_small convnext_base"),
    (
        "features.1.0.block.0.0.weight",
        "efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_v2_s "
        "efficientnet_v2_m",
    ),
    ("features.1.block.0.0.weight", "mobilenet_v3_large mobilenet_v3_small"),
    ("classifier.6.weight", "vgg16 vgg16_bn vgg11 vgg11_bn vgg13 vgg13_bn vgg19 vgg19_bn alexnet"),
)
_WRAPPERS = ("module.", "_orig_mod.", "model.")


def torchvision_makers(
    state: Mapping[str, Any], asked: Sequence[str] = ()
) -> Iterator[tuple[str, Callable[[], Any], Callable[[], Any]]]:
    """The likely ones, and those that were asked for by name: each with a function that makes it, and one
    that makes a sketch of it, which has shapes and no numbers and costs little."""
    keys = set(state)
    for prefix in _WRAPPERS:
        keys |= {key.removeprefix(prefix) for key in keys}
    likely = [name for mark, names in _FAMILIES if mark in keys for name in names.split()]
    wanted = [name for name in asked if name.replace("_", "").isalnum() and name.islower()]
    if not likely and not wanted:
        return
    try:
        models = importlib.import_module("torchvision.models")  # slow, and few ask
    except Exception:  # torch and torchvision may be of versions that don't fit
        return
    layers = [tuple(one.shape) for one in state.values() if one.dim() >= 2]
    for name in dict.fromkeys((*wanted, *likely)):
        kind = getattr(models, name, None)
        if callable(kind) and not isinstance(kind, type):
            keywords: dict[str, Any] = {"weights": None, "num_classes": layers[-1][0] if layers else 1000}
            if name in ("googlenet", "inception_v3"):
                keywords |= {"aux_logits": any("ux" in key for key in keys), "init_weights": False}
            make = partial(kind, **keywords)
            yield f"torchvision's {name}", make, partial(_sketch, make)


def _sketch(make: Callable[[], Any]) -> Any:
    with sys.modules["torch"].device("meta"):
        return make()
