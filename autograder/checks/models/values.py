"""What is known of a value inside a network: its shape, and what it sees of the image, axis by axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, prod

import numpy as np

Shape = tuple[int | None, ...]
ONE = Fraction(1)
_MOST = 2**50


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of the image, as a layer's units see it.

    Unit i sees the pixels from ``start + i * jump`` on, ``field`` of them. After an upsampling ``jump`` is a
    fraction, and ``start`` is None: it then differs from unit to unit.
    """

    size: int | None
    start: Fraction | None = Fraction(0)
    field: Fraction = ONE
    jump: Fraction = ONE

    def __post_init__(self) -> None:
        for one in (self.field, self.jump):
            if one.numerator > _MOST or one.denominator > _MOST:
                raise ValueError("no image is so large")  # a forged stride; its numbers would grow for ever

    @property
    def pixels(self) -> int:
        return ceil(self.field)

    def slide(self, window: Window) -> Axis:
        """After a window has gone over it: j_out = j_in * s, r_out = r_in + (k - 1) * j_in."""
        start = None if self.start is None else self.start - window.before * self.jump
        return Axis(
            window.count(self.size),
            start,
            self.field + (window.reach - 1) * self.jump,
            self.jump * window.stride,
        )

    def spread(self, window: Window, extra: int = 0) -> Axis:
        """After a transposed convolution: the inputs that one output unit can see, at most."""
        seen = (window.reach - 1) // window.stride + 1
        size = None
        if self.size is not None:
            size = (self.size - 1) * window.stride + window.reach + extra - window.before - window.after
        return Axis(size, None, self.field + (seen - 1) * self.jump, self.jump / window.stride)

    def scale(self, size: int | None, factor: Fraction, seen: int) -> Axis:
        """After a resizing that takes ``seen`` inputs for each output."""
        return Axis(size, None, self.field + (seen - 1) * self.jump, self.jump / factor)

    def pad(self, before: int, after: int) -> Axis:
        size = None if self.size is None else self.size + before + after
        start = None if self.start is None else self.start - before * self.jump
        return replace(self, size=size, start=start)

    def cut(self, begin: int, step: int, size: int | None) -> Axis:
        start = None if self.start is None else self.start + begin * self.jump
        return replace(self, size=size, start=start, jump=self.jump * abs(step))

    def whole(self) -> Axis:
        """One unit that sees all units of this axis."""
        more = (self.size - 1) * self.jump if self.size is not None else Fraction(0)
        return Axis(1, self.start, self.field + more, self.jump)


@dataclass(frozen=True, slots=True)
class Window:
    """One axis of a kernel, and how it goes over its input."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0
    ceil_mode: bool = False

    @property
    def reach(self) -> int:
        """From its first input to its last."""
        return self.dilation * (self.kernel - 1) + 1

    def count(self, size: int | None) -> int | None:
        """n_out = floor((n_in + 2p - k) / s) + 1, or with ceil; then the last window must begin inside."""
        if size is None:
            return None
        room = size + self.before + self.after - self.reach
        steps = -(-room // self.stride) if self.ceil_mode else room // self.stride
        if self.ceil_mode and steps * self.stride >= size + self.before:
            steps -= 1
        return max(steps + 1, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """``places`` says at which dimensions the image's axes lie: twice the same where they are one, () where
    they are mixed with the channels or gone."""

    shape: Shape | None = None
    numbers: np.ndarray | None = None  # if it is small and does not depend on the image
    axes: tuple[Axis, ...] = ()
    places: tuple[int, ...] = ()
    image: bool = False  # whether it depends on the image
    raw: bool = False  # ... pixel by pixel, through no layer
    layers: tuple[int, ...] = ()  # the layers just before it
    depth: int = 0  # of layers with weights before it
    padded: tuple[tuple[int, int], ...] = ()  # by a Pad that no layer has used yet
    weights: bool = False  # made of the file's numbers alone
    before: tuple[Shape, tuple[int, ...]] | None = None  # the shape and places before a reshape mixed them

    def placed(self) -> tuple[Axis, ...]:
        """The axes with the sizes that the shape gives."""
        if self.shape is None or len(set(self.places)) != len(self.axes):
            return self.axes
        return tuple(
            replace(axis, size=self.shape[place]) if place < len(self.shape) else axis
            for axis, place in zip(self.axes, self.places, strict=True)
        )


def merge(values: Sequence[Value]) -> tuple[Axis, ...]:
    """What a unit sees that sees through all of these at once."""
    seen = [value.axes for value in values if value.axes]
    if not seen:
        return ()
    most = max(len(axes) for axes in seen)
    return tuple(_union([axes[at] for axes in seen if len(axes) == most]) for at in range(most))


def _union(axes: Sequence[Axis]) -> Axis:
    largest = max(axes, key=lambda axis: (axis.size or 0, axis.field))
    starts = [axis.start for axis in axes if axis.start is not None]
    jumps = {axis.jump for axis in axes}
    if len(starts) < len(axes) or len(jumps) > 1:
        # Units that lie differently: the largest field is what one can be sure of.
        start = largest.start if len(jumps) > 1 else None
        return Axis(largest.size, start, max(axis.field for axis in axes), largest.jump)
    ends = [start + axis.field for start, axis in zip(starts, axes, strict=True)]
    return Axis(largest.size, min(starts), max(ends) - min(starts), largest.jump)


def broadcast(shapes: Sequence[Shape | None]) -> Shape | None:
    if any(shape is None for shape in shapes):
        return None
    known = [shape for shape in shapes if shape is not None]
    rank = max((len(shape) for shape in known), default=0)
    spread = [(1,) * (rank - len(shape)) + shape for shape in known]
    return tuple(
        None if None in sizes and max(size or 1 for size in sizes) == 1 else max(size or 1 for size in sizes)
        for sizes in zip(*spread, strict=True)
    )


def regroup(old: Shape, new: Shape, places: tuple[int, ...]) -> tuple[int, ...] | None:
    """Where the image's axes lie after a reshape; None where they are mixed with other dimensions."""
    if None in old or None in new or not places:
        return None
    target: dict[int, int] = {}
    for left, right in _groups(old, new):
        lefts = [*left]
        inside = [place for place in left if place in places]
        big = [place for place in left if old[place] != 1]
        if len(right) == 1 and inside in (big, lefts):
            target |= dict.fromkeys(inside, right[0])
        elif len(left) == len(right):
            target |= dict(zip(left, right, strict=True))
    return tuple(target[place] for place in places) if all(place in target for place in places) else None


def _groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    """Runs of dimensions with the same product on both sides, as short as they can be."""
    groups: list[tuple[list[int], list[int]]] = []
    left = right = 0
    while left < len(old) and right < len(new):
        lefts, rights = [left], [right]
        left, right = left + 1, right + 1
        while (sizes := _sizes(old, lefts, new, rights))[0] != sizes[1]:
            if sizes[0] < sizes[1] and left < len(old):
                lefts.append(left)
                left += 1
            elif sizes[0] > sizes[1] and right < len(new):
                rights.append(right)
                right += 1
            else:
                return groups
        groups.append((lefts, rights))
    return groups


def _sizes(old: Shape, lefts: list[int], new: Shape, rights: list[int]) -> tuple[int, int]:
    return prod(old[at] or 0 for at in lefts), prod(new[at] or 0 for at in rights)
