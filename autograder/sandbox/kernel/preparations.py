"""How a notebook turns an image into what its network takes: found in its namespace, or tried out.

A preparation takes uint8 images, (N, H, W) or (N, H, W, 3), and gives a float tensor (N, C, H, W), or
whatever the notebook's own transform gives.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.sandbox.kernel.candidates import walk

_MOST_PREPARATIONS = 9
_AUGMENTS = re.compile(
    r"random|jitter|augment|augmix|cutout|mixup|cutmix|erasing|noise|blur|elastic|flip", re.I
)
_FOR_TESTS = re.compile(r"test|val|eval|infer", re.I)
_A_TRANSFORM = re.compile(r"transform|tfm|preproc|normali[sz]e|to_?tensor", re.I)
_MEAN = re.compile(r"mean", re.I)
_FOR_MEAN = ("std", "STD", "Std", "sd", "stddev")  # what stands in the other name where one says "mean"
_STATS = re.compile(r"stat|norm", re.I)


@dataclass(frozen=True, slots=True)
class Preparation:
    """``name`` says where it comes from, in words."""

    name: str
    prepare: Callable[[np.ndarray], Any]


def preparations(namespace: Mapping[str, Any], sample: np.ndarray) -> list[Preparation]:
    """Those of the notebook's own first; ``sample`` is some of the images, for their statistics."""
    if "torch" not in sys.modules:
        return []
    found = {one.name: one for one in (*_transforms(namespace), *_plain_ways(namespace, sample))}
    return list(found.values())[:_MOST_PREPARATIONS]


# --- the notebook's own ------------------------------------------------------------------------------


def _transforms(namespace: Mapping[str, Any]) -> Iterator[Preparation]:
    tests: list[Preparation] = []
    trainings: list[Preparation] = []
    others: list[Preparation] = []
    for name, value in walk(namespace):
        kind = type(value).__module__.partition(".")[0]
        if kind == "fastai" and callable(getattr(value, "test_dl", None)):
            tests.append(Preparation(f"{name}.test_dl", _by_fastai(value)))
        elif callable(getattr(type(value), "__getitem__", None)) and _transform_of(value) is not None:
            own = _transform_of(value)
            train = getattr(value, "train", None)
            where = tests if train is False or (train is None and _FOR_TESTS.search(name)) else trainings
            where.append(Preparation(f"the transform of {name}{_changed(own)}", _each(without_chance(own))))
        elif _A_TRANSFORM.search(name) and callable(value) and not isinstance(value, type):
            where = tests if _FOR_TESTS.search(name) else others
            if ".transforms" not in name:  # a part of another, or torchvision's of an image and a label
                where.append(Preparation(f"{name}{_changed(value)}", _each(without_chance(value))))
    # Many data sets share a transform, so few of each are enough.
    yield from (*tests[:3], *trainings[:2], *others[:2])


def _transform_of(dataset: Any) -> Any:
    try:
        held = vars(dataset)
    except TypeError:
        return None
    own = held.get("transform") or held.get("transforms") or held.get("tfms")
    return own if callable(own) else None


def _changed(transform: Any) -> str:
    parts = getattr(transform, "transforms", None)
    plain = not isinstance(parts, (list, tuple)) or all(_certain(one) is one for one in parts)
    return "" if plain else ", without augmentation"


def without_chance(transform: Any) -> Any:
    """The transform with its augmentations taken out; crops of another size are made in the middle."""
    parts = getattr(transform, "transforms", None)
    if not isinstance(parts, (list, tuple)):
        return transform
    kept = [replaced for one in parts if (replaced := _certain(one)) is not None]
    return lambda image: _through(kept, image)


def _certain(part: Any) -> Any:
    name = type(part).__name__
    if isinstance(getattr(part, "transforms", None), (list, tuple)) and not _AUGMENTS.search(name):
        return without_chance(part)
    if not _AUGMENTS.search(name):
        return part
    size = getattr(part, "size", None)
    if "Crop" not in name or size is None:
        return None
    transforms = sys.modules["torchvision"].transforms
    return transforms.Resize(size) if "Resized" in name else transforms.CenterCrop(size)


def _through(parts: list[Any], image: Any) -> Any:
    for part in parts:
        image = part(image)
    return image


def _each(transform: Any) -> Callable[[np.ndarray], Any]:
    """The transform, for a whole batch; it may want pictures, arrays or tensors."""
    torch = sys.modules["torch"]
    form: list[Callable[[np.ndarray], Any]] = []  # the one that it takes, once known
    ways: list[Callable[[np.ndarray], Any]] = [
        lambda image: transform(_picture(image)),
        lambda image: transform(image=image),  # albumentations
        transform,
        lambda image: transform(_tensor(image)),
    ]

    def one(image: np.ndarray) -> Any:
        error: Exception | None = None
        for way in form or ways:
            try:
                given = way(image)
                given = given.get("image", given) if isinstance(given, dict) else given
                made = torch.as_tensor(np.asarray(given)) if not torch.is_tensor(given) else given
            except Exception as problem:  # the student's own code, given what it may not take
                error = error or problem
                continue
            form[:] = [way]
            return made
        raise error or TypeError("the transform takes no image")

    def prepare(images: np.ndarray) -> Any:
        return torch.stack([one(image) for image in images])

    return prepare


def _picture(image: np.ndarray) -> Any:
    from PIL import Image  # noqa: PLC0415  (the notebook's data sets have imported it)

    return Image.fromarray(image)


def _tensor(image: np.ndarray) -> Any:
    torch = sys.modules["torch"]
    return torch.from_numpy(image[None] if image.ndim == 2 else image.transpose(2, 0, 1).copy())


def _by_fastai(loaders: Any) -> Callable[[np.ndarray], Any]:
    torch = sys.modules["torch"]

    def prepare(images: np.ndarray) -> Any:
        loader = loaders.test_dl([_picture(image) for image in images], num_workers=0, bs=len(images))
        return torch.cat([batch[0].as_subclass(torch.Tensor) for batch in loader])

    return prepare


# --- what anybody does -------------------------------------------------------------------------------


def _plain_ways(namespace: Mapping[str, Any], sample: np.ndarray) -> Iterator[Preparation]:
    channels = 1 if sample.ndim == 3 else sample.shape[3]
    for name, mean, std in _constants(namespace, channels):
        top = 255.0 if np.max(mean) > 1.5 else 1.0
        yield Preparation(f"pixels from 0 to {top:g}, normalised with {name}", _scaled(top, mean, std))
    yield Preparation("pixels from 0 to 1", _scaled(1.0, 0.0, 1.0))
    axes = tuple(range(3))
    pixels = sample / 255.0
    yield Preparation(
        "pixels normalised with the images' own mean and standard deviation",
        _scaled(1.0, pixels.mean(axes[: sample.ndim]), pixels.std(axes[: sample.ndim]) + 1e-6),
    )
    yield Preparation("pixels from -1 to 1", _scaled(1.0, 0.5, 0.5))
    yield Preparation("pixels from 0 to 255", _scaled(255.0, 0.0, 1.0))
    if channels > 1:
        yield Preparation("pixels from 0 to 1, channels last", _channels_last)


def _scaled(top: float, mean: Any, std: Any) -> Callable[[np.ndarray], Any]:
    torch = sys.modules["torch"]

    def prepare(images: np.ndarray) -> Any:
        spread = images if images.ndim == 4 else images[..., None]
        scaled = (spread * (np.float32(top) / np.float32(255.0)) - np.asarray(mean)) / np.asarray(std)
        return torch.from_numpy(np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), dtype=np.float32))

    return prepare


def _channels_last(images: np.ndarray) -> Any:
    return sys.modules["torch"].from_numpy(images.astype(np.float32) / np.float32(255.0))


def _constants(namespace: Mapping[str, Any], channels: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Pairs of a mean and a standard deviation that the notebook has a name for."""
    for name, value in namespace.items():
        if name.startswith("_"):
            continue
        if _MEAN.search(name):
            for other in (_MEAN.sub(word, name) for word in _FOR_MEAN):
                mean, std = _numbers(value, channels), _numbers(namespace.get(other), channels)
                if mean is not None and std is not None and (std > 0).all():
                    yield f"{name} and {other}", mean, std
        elif _STATS.search(name) and isinstance(value, (list, tuple)) and len(value) == 2:
            mean, std = _numbers(value[0], channels), _numbers(value[1], channels)
            if mean is not None and std is not None and (std > 0).all():
                yield name, mean, std


def _numbers(value: Any, channels: int) -> np.ndarray | None:
    """One number, or one for each channel."""
    try:
        numbers = np.asarray(value, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError, RuntimeError):
        return None
    return numbers if numbers.size in (1, channels) and np.isfinite(numbers).all() else None
