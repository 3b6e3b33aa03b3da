"""Preparations worked out from what they did to a few images, then tried on others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from autograder.checks.models.preparation import fit_preparation, make_probes
from autograder.sandbox.exported import Prepared

MEAN, STD = (
    torch.tensor([0.485, 0.456, 0.406])[:, None, None],
    torch.tensor([0.229, 0.224, 0.225])[:, None, None],
)
GREY, COLOURS = (28, 28), (32, 32, 3)
Transform = Callable[[np.ndarray], torch.Tensor]


def tensor(image: np.ndarray) -> torch.Tensor:
    """As torchvision's ToTensor."""
    whole = torch.from_numpy(np.array(image if image.ndim == 3 else image[..., None]))
    return whole.permute(2, 0, 1).contiguous().to(torch.float32).div(255)


def usual(image: np.ndarray) -> torch.Tensor:
    return (tensor(image) - 0.1307) / 0.3081


def resized(image: np.ndarray, side: int, way: Image.Resampling = Image.Resampling.BILINEAR) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((side, side), way))


def scaled(image: np.ndarray, side: int, **more: bool) -> torch.Tensor:
    made = functional.interpolate(
        tensor(image)[None], (side, side), mode="bilinear", align_corners=False, **more
    )
    return made[0]


FOUND: dict[str, tuple[tuple[int, ...], Transform]] = {
    "as it is": (GREY, tensor),
    "normalised": (GREY, usual),
    "from 0 to 255": (GREY, lambda image: tensor(image) * 255),
    "the other way round": (GREY, lambda image: 1 - tensor(image)),
    "padded": (GREY, lambda image: usual(np.pad(image, 2))),
    "padded afterwards": (GREY, lambda image: functional.pad(usual(image), (2, 2, 2, 2))),
    "padded at the end": (GREY, lambda image: functional.pad(usual(image), (0, 4, 0, 4))),
    "the middle": (GREY, lambda image: tensor(image)[:, 2:26, 2:26]),
    "in a row": (GREY, lambda image: usual(image).reshape(-1)),
    "padded, in a row": (GREY, lambda image: tensor(np.pad(image, 2)).reshape(-1)),
    "no axis for channels": (GREY, lambda image: tensor(image)[0]),
    "three times": (GREY, lambda image: (tensor(image).expand(3, -1, -1) - MEAN) / STD),
    "resized by Pillow": (GREY, lambda image: usual(resized(image, 32))),
    "nearest": (GREY, lambda image: tensor(resized(image, 14, Image.Resampling.NEAREST))),
    "resized as tensors": (GREY, lambda image: scaled(image, 20, antialias=False)),
    "antialiased": (GREY, lambda image: scaled(image, 20, antialias=True)),
    "colours": (COLOURS, lambda image: (tensor(image) - MEAN) / STD),
    "colours, resized": (COLOURS, lambda image: (tensor(resized(image, 64)) - MEAN) / STD),
    "channels last": (COLOURS, lambda image: tensor(image).permute(1, 2, 0)),
    "reversed": (COLOURS, lambda image: tensor(image).flip(0)),
    "in grey": (COLOURS, lambda image: tensor(np.asarray(Image.fromarray(image).convert("L")))),
    "colours in a row": (COLOURS, lambda image: tensor(image).reshape(-1)),
    "colours in a row, channels last": (COLOURS, lambda image: tensor(image).permute(1, 2, 0).reshape(-1)),
    "resized, then the middle": (
        (60, 40, 3),
        lambda image: tensor(np.asarray(Image.fromarray(image).resize((256, 384), 2)))[:, 80:304, 16:240],
    ),
}  # fmt: skip
NOT_FOUND: dict[str, Transform] = {
    "by its own mean": lambda image: tensor(image) - tensor(image).mean(),
    "black and white": lambda image: (tensor(image) > 0.5).float(),
    "squared": lambda image: tensor(image) ** 2,
    "by a mean image": lambda image: tensor(image) - torch.arange(784.0).reshape(1, 28, 28) / 784,
    "by chance": lambda image: tensor(image) + torch.rand(1) / 100,
    "barely other": lambda image: tensor(image) + 1e-5 * (tensor(image) > 0.5),
}


def prepared(transform: Transform, images: np.ndarray) -> Prepared:
    return Prepared(
        "a transform", torch.stack([transform(image) for image in images]).numpy().astype(np.float32)
    )


@pytest.mark.parametrize("name", FOUND)
def test_found_and_repeated_on_other_images(name: str) -> None:
    shape, transform = FOUND[name]
    probes, others = make_probes(shape, 1, 3), make_probes(shape, 2, 4)
    found = fit_preparation(prepared(transform, probes), probes)
    assert found is not None
    expected = prepared(transform, others).images
    given = found.prepare(others)
    assert given.dtype == np.float32
    assert given.shape == expected.shape
    assert np.abs(given - expected).max() <= 1e-6 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("name", NOT_FOUND)
def test_not_taken_for_what_it_is_not(name: str) -> None:
    probes = make_probes(GREY, 1)
    assert fit_preparation(prepared(NOT_FOUND[name], probes), probes) is None


def test_other_numbers_of_images_or_shapes_are_none() -> None:
    probes = make_probes(GREY, 1)
    assert fit_preparation(Prepared("few", np.zeros((2, 1, 28, 28), np.float32)), probes) is None
    assert fit_preparation(Prepared("odd", np.zeros((len(probes), 7), np.float32)), probes) is None
    assert fit_preparation(Prepared("many", np.zeros((len(probes), 9, 28, 28), np.float32)), probes) is None
    assert (
        fit_preparation(Prepared("NaN", np.full((len(probes), 28, 28), np.nan, np.float32)), probes) is None
    )
