"""How a submission prepares validation images, as far as its source says: sizes, and the normalisation.

What is found is applied by us. Several ways may stand in the source, so each is tried on a few images, the
usual one always, and the one that does best is taken.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from autograder.checks.from_scratch.settings import Settings, parsed, written
from autograder.datasets.imagenet import Evaluated

_NORMALIZE = ("Normalize", "normalize")
_MOST = 6
_SIDES = range(32, 601)
_PLAIN = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
_HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_CROP_OPTIONS = ("val_crop_size", "crop_size", "img_size", "image_size", "input_size", "val_size", "size")
_RESIZE_OPTIONS = ("val_resize_size", "resize_size", "resize", "val_resize")

Triple = tuple[float, float, float]


def read_ways(sources: Mapping[str, str], settings: Settings) -> tuple[Evaluated, ...]:
    """Ways to prepare an image, the source's own before the usual ones."""
    means: dict[tuple[Triple, Triple], None] = {}
    sizes: dict[tuple[int, int], None] = {}
    for source in sources.values():
        tree = parsed(source)
        constants = _constants(tree)
        means |= dict.fromkeys(_normalised(tree, constants))
        sizes |= dict.fromkeys(_sizes(tree, constants, settings))
    sizes.setdefault((256, 224))
    usual = Evaluated()
    for pair in ((usual.mean, usual.std), *(() if means else (_PLAIN, _HALF))):
        means.setdefault(pair)
    ways = [Evaluated(side, crop, mean, std) for side, crop in sizes for mean, std in means]
    return tuple(dict.fromkeys(ways))[:_MOST]


def _constants(tree: ast.Module) -> dict[str, ast.expr]:
    """Names that are given a literal, wherever that is."""
    found: dict[str, ast.expr] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant | ast.List | ast.Tuple):
            for target in node.targets:
                if isinstance(target, ast.Name | ast.Attribute):
                    found[target.id if isinstance(target, ast.Name) else target.attr] = node.value
    return found


def _normalised(tree: ast.Module, constants: Mapping[str, ast.expr]) -> Iterator[tuple[Triple, Triple]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _name(node) not in _NORMALIZE:
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        given = [*node.args, None, None]
        mean = _triple(keywords.get("mean", given[0]), constants)
        std = _triple(keywords.get("std", given[1]), constants)
        if mean and std and all(0.01 < one <= 1 for one in std) and all(0 <= one < 1 for one in mean):
            yield mean, std


def _triple(node: ast.expr | None, constants: Mapping[str, ast.expr]) -> Triple | None:
    node = _followed(node, constants)
    if not isinstance(node, ast.List | ast.Tuple):
        return None
    numbers = [number for one in node.elts if (number := _number(one)) is not None]
    if len(numbers) == 1:
        numbers *= 3
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None


def _sizes(
    tree: ast.Module, constants: Mapping[str, ast.expr], settings: Settings
) -> Iterator[tuple[int, int]]:
    """Pairs of a Resize and the CenterCrop right after it; a Resize to a square alone is its own crop."""
    resize: int | None = None
    calls = sorted(
        (node for node in ast.walk(tree) if isinstance(node, ast.Call)),
        key=lambda node: (node.lineno, node.col_offset),
    )
    for node in calls:
        if _name(node) == "Resize":
            resize = _side(node, constants, settings, _RESIZE_OPTIONS)
        elif _name(node) == "CenterCrop":
            crop = _side(node, constants, settings, _CROP_OPTIONS)
            if crop is not None:
                side = resize if resize is not None and resize >= crop else round(crop / 0.875)
                yield side, crop
            resize = None


def _side(
    call: ast.Call, constants: Mapping[str, ast.expr], settings: Settings, options: tuple[str, ...]
) -> int | None:
    first = (
        call.args[0] if call.args else next((one.value for one in call.keywords if one.arg == "size"), None)
    )
    node = _followed(first, constants)
    if isinstance(node, ast.List | ast.Tuple) and node.elts:
        node = _followed(node.elts[0], constants)
    if (number := _number(node)) is not None:
        return int(number) if int(number) in _SIDES else None
    names = (
        [node.attr] if isinstance(node, ast.Attribute) else [node.id] if isinstance(node, ast.Name) else []
    )
    for name in (*names, *options):
        option = settings.option(name)
        if option is not None and option.value.isdecimal() and int(option.value[:9]) in _SIDES:
            return int(option.value)
    return None


def _followed(node: ast.expr | None, constants: Mapping[str, ast.expr]) -> ast.expr | None:
    if isinstance(node, ast.Name):
        return constants.get(node.id, node)
    if isinstance(node, ast.Attribute):
        return constants.get(node.attr, node)
    return node


def _name(call: ast.Call) -> str:
    return written(call.func).rpartition(".")[2] if isinstance(call.func, ast.Name | ast.Attribute) else ""


def _number(node: ast.expr | None) -> float | None:
    value = node.value if isinstance(node, ast.Constant) else None
    return float(value) if isinstance(value, int | float) and abs(value) < 1e9 else None
