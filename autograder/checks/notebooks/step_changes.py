"""What a step has that the one before it hadn't, as far as its source says it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from autograder.checks.notebooks.cellcode import called_name, trees_of
from autograder.checks.notebooks.source_facts import Setting, SourceFacts
from autograder.loaders.notebook import Notebook
from autograder.text import one_line

_LAYERS = {
    "batch norm": ("BatchNorm2d", "BatchNorm1d", "BatchNormalization", "batch_norm"),
    "layer norm": ("LayerNorm", "GroupNorm", "InstanceNorm2d", "LayerNormalization"),
    "dropout": ("Dropout", "Dropout2d", "dropout", "dropout2d", "SpatialDropout2D"),
    "global average pooling": ("AdaptiveAvgPool2d", "AvgPool2d", "adaptive_avg_pool2d", "avg_pool2d",
                               "GlobalAveragePooling2D", "AveragePooling2D"),
    "max-pooling": ("MaxPool2d", "max_pool2d", "MaxPooling2D"),
    "linear layers": ("Linear", "Dense"),
    "depthwise convolutions": ("SeparableConv2D", "DepthwiseConv2D"),
}  # fmt: skip
_MOST = 12


def features(notebook: Notebook, source: SourceFacts) -> dict[str, str]:
    """What the step uses: a word for it, and its value where it has one."""
    called = {
        called_name(node)
        for tree in trees_of(notebook).values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    found = {name: "" for name, calls in _LAYERS.items() if called.intersection(calls)}
    for one in (*source.augmentations, *source.schedulers):
        found.setdefault(one_line(one.name, 40), "")
    for one in source.optimizers[-1:]:
        found["optimizer"] = one_line(one.name, 40)
    for name, settings in (
        ("learning rate", source.learning_rates),
        ("batch size", source.batch_sizes),
        ("epochs", source.epochs),
    ):
        value = _value(settings)
        if value is not None:
            found[name] = f"{value:g}"
    return found


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Such as "batch norm added; linear layers taken out; learning rate 0.01 -> 0.1"."""
    told = [f"{name} added" for name in now if name not in before and not now[name]]
    told += [f"{name} taken out" for name in before if name not in now and not before[name]]
    told += [
        f"{name} {before[name]} -> {now[name]}"
        for name in now
        if before.get(name) and now[name] and before[name] != now[name]
    ]
    more = f"; and {len(told) - _MOST} more" if len(told) > _MOST else ""
    return "; ".join(told[:_MOST]) + more if told else "nothing that the source shows"


def _value(settings: Sequence[Setting]) -> float | None:
    return next((one.value for one in settings if one.value is not None), None)
