"""The transforms that are known, each for a whole batch: what it draws for one picture, and what it does.

A step is told what its draws came to, one array for each, with a number for each picture. Before ToTensor a
batch is an array of bytes, (N, H, W, C); after it, a tensor, (N, C, H, W).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms import functional  # type: ignore[import-untyped]  # ships no types

from autograder.sandbox.kernel import datapath_affine as affine
from autograder.sandbox.kernel.datapath_affine import Pictures

Drawn = Sequence[torch.Tensor]
Fill = tuple[int, ...]
INTERPOLATIONS = {"nearest": affine.nearest, "bilinear": affine.bilinear}


@dataclass(frozen=True, slots=True)
class Draw:
    """A number of torch's default generator: `uniform_(low, high)`, `rand(1)` or `randint(low, high)`."""

    kind: str
    low: float = 0.0
    high: float = 1.0

    def of(self, count: int) -> torch.Tensor:
        if self.kind == "uniform":
            return torch.empty(count).uniform_(self.low, self.high)
        if self.kind == "rand":
            return torch.rand(count)
        return torch.randint(int(self.low), int(self.high), size=(count,))


class Step(Protocol):
    @property
    def draws(self) -> tuple[Draw, ...]: ...

    def apply(self, images: Any, drawn: Drawn) -> Any: ...


def draw_all(steps: Sequence[Step], count: int) -> list[list[torch.Tensor]]:
    """What each step would have drawn, picture by picture; the generator is left as it would have been.

    Each of these numbers takes one 32-bit word of the generator, and n of them in one call take n. So a
    column of the table is read by drawing the whole table as numbers of its kind, from the same beginning.
    """
    draws = [draw for step in steps for draw in step.draws]
    if not draws:
        return [[] for _ in steps]
    generator = torch.default_generator
    beginning = generator.get_state() if len(draws) > 1 else None
    tables: dict[Draw, torch.Tensor] = {}
    for draw in draws:
        if draw not in tables:
            if tables and beginning is not None:
                generator.set_state(beginning)
            tables[draw] = draw.of(count * len(draws)).view(count, len(draws))
    columns = iter(tables[draw][:, at] for at, draw in enumerate(draws))
    return [list(itertools.islice(columns, len(step.draws))) for step in steps]


@dataclass(frozen=True, slots=True)
class Rotate:
    low: float
    high: float
    interpolation: str
    center: tuple[float, float] | None
    fill: Fill

    @property
    def draws(self) -> tuple[Draw, ...]:
        return (Draw("uniform", self.low, self.high),)

    def apply(self, images: Pictures, drawn: Drawn) -> Pictures:
        height, width = images.shape[1:3]
        center = self.center or (width / 2, height / 2)
        matrices = [affine.rotation(angle, center) for angle in drawn[0].tolist()]
        return INTERPOLATIONS[self.interpolation](images, np.array(matrices), self.fill)


@dataclass(frozen=True, slots=True)
class Affine:
    """``translate`` is in pixels, across and down."""

    degrees: tuple[float, float]
    translate: tuple[float, float] | None
    scale: tuple[float, float] | None
    shear: tuple[float, ...]
    interpolation: str
    center: tuple[float, float] | None
    fill: Fill

    @property
    def draws(self) -> tuple[Draw, ...]:
        ranges = [self.degrees]
        ranges += [(-far, far) for far in self.translate or ()]
        ranges += [self.scale] if self.scale else []
        ranges += [(low, high) for low, high in zip(self.shear[::2], self.shear[1::2], strict=True)]
        return tuple(Draw("uniform", low, high) for low, high in ranges)

    def apply(self, images: Pictures, drawn: Drawn) -> Pictures:
        height, width = images.shape[1:3]
        center = list(self.center or (width * 0.5, height * 0.5))
        zeros, ones = [0.0] * len(images), [1.0] * len(images)
        columns = iter([column.tolist() for column in drawn])
        angles = next(columns)
        across, down = (next(columns), next(columns)) if self.translate else (zeros, zeros)
        scales = next(columns) if self.scale else ones
        shears = next(columns, zeros), next(columns, zeros)
        inverse = functional._get_inverse_affine_matrix
        matrices = [
            inverse(center, angle, [round(x), round(y)], scale, [shear_x, shear_y])
            for angle, x, y, scale, shear_x, shear_y in zip(
                angles, across, down, scales, *shears, strict=True
            )
        ]
        return INTERPOLATIONS[self.interpolation](images, np.array(matrices), self.fill)


@dataclass(frozen=True, slots=True)
class Flip:
    """``up`` turns the picture upside down; else left and right change sides."""

    share: float
    up: bool = False

    @property
    def draws(self) -> tuple[Draw, ...]:
        return (Draw("rand"),)

    def apply(self, images: Any, drawn: Drawn) -> Any:
        which = drawn[0] < self.share
        if isinstance(images, torch.Tensor):
            images[which] = images[which].flip(-2 if self.up else -1)
            return images
        chosen = which.numpy()
        images[chosen] = images[chosen, ::-1] if self.up else images[chosen, :, ::-1]
        return images


@dataclass(frozen=True, slots=True)
class Pad:
    left: int
    top: int
    right: int
    bottom: int
    fill: Fill
    mode: str

    @property
    def draws(self) -> tuple[Draw, ...]:
        return ()

    def apply(self, images: Any, _drawn: Drawn) -> Any:
        if isinstance(images, torch.Tensor):
            borders = (self.left, self.right, self.top, self.bottom)
            return torch.nn.functional.pad(images, borders, value=float(self.fill[0]))
        borders_of = ((0, 0), (self.top, self.bottom), (self.left, self.right), (0, 0))
        if self.mode != "constant":
            return np.pad(images, borders_of, self.mode)  # type: ignore[call-overload]  # a name it knows
        padded = np.empty(
            [size + before + after for size, (before, after) in zip(images.shape, borders_of, strict=True)],
            np.uint8,
        )
        padded[:] = self.fill
        height, width = images.shape[1:3]
        padded[:, self.top : self.top + height, self.left : self.left + width] = images
        return padded


@dataclass(frozen=True, slots=True)
class Crop:
    """Of a picture of ``within`` (height, width); it begins ``at`` (top, left), or anywhere by chance."""

    height: int
    width: int
    within: tuple[int, int]
    at: tuple[int, int] | None = None

    @property
    def draws(self) -> tuple[Draw, ...]:
        if self.at is not None:
            return ()
        (high, wide) = self.within
        return (
            Draw("randint", 0, high - self.height + 1),
            Draw("randint", 0, wide - self.width + 1),
        )

    def apply(self, images: Any, drawn: Drawn) -> Any:
        is_tensor = isinstance(images, torch.Tensor)
        if self.at is not None:
            (top, left) = self.at
            down, across = slice(top, top + self.height), slice(left, left + self.width)
            return images[..., down, across] if is_tensor else images[:, down, across]
        if is_tensor:
            taken = images.new_empty((*images.shape[:2], self.height, self.width))
        else:
            taken = np.empty((len(images), self.height, self.width, images.shape[3]), np.uint8)
        places = zip(drawn[0].tolist(), drawn[1].tolist(), strict=True)
        for number, (top, left) in enumerate(places):
            down, across = slice(top, top + self.height), slice(left, left + self.width)
            taken[number] = images[number, :, down, across] if is_tensor else images[number, down, across]
        return taken


@dataclass(frozen=True, slots=True)
class ToBytes:
    """`PILToTensor` and v2's `ToImage`: the same bytes, channels first."""

    draws: tuple[Draw, ...] = ()

    def apply(self, images: Pictures, _drawn: Drawn) -> torch.Tensor:
        count, height, width, channels = images.shape
        turned: NDArray[np.uint8] = images.transpose(0, 3, 1, 2) if channels > 1 else images
        return torch.from_numpy(np.ascontiguousarray(turned).reshape(count, channels, height, width))


@dataclass(frozen=True, slots=True)
class ToFloat:
    """Bytes to 0..1: `ToTensor` divides, v2's `ToDtype` multiplies by the inverse, which isn't the same."""

    divide: bool
    draws: tuple[Draw, ...] = ()

    def apply(self, images: torch.Tensor, _drawn: Drawn) -> torch.Tensor:
        values = images.to(torch.float32)
        return values.div_(255) if self.divide else values.mul_(1.0 / 255)


@dataclass(frozen=True, slots=True)
class Normalize:
    """A number alone is a tuple of one: it comes to the same."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    draws: tuple[Draw, ...] = ()

    def apply(self, images: torch.Tensor, _drawn: Drawn) -> torch.Tensor:
        mean, std = (torch.tensor(one, dtype=torch.float32).view(-1, 1, 1) for one in (self.mean, self.std))
        return images.sub_(mean).div_(std)
