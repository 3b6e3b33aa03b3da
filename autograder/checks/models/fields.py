"""The receptive field of every layer, as a table to compare one's own with.

With kernel k, stride s, padding p and dilation d (then k is d(k - 1) + 1):

    n_out = floor((n_in + 2p - k) / s) + 1      size
    j_out = j_in * s                            jump: pixels between two units that lie side by side
    r_out = r_in + (k - 1) * j_in               receptive field

(Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019.) Where
branches meet, a unit sees what any of them sees. The field is not cut at the image's border, as in the
formula: it may be larger than the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from autograder.checks.models.layers import Layer, Pair
from autograder.checks.models.operations import POOLS
from autograder.checks.models.structure import Structure

_ALWAYS = POOLS | {"Conv", "ConvTranspose"}
_HEAD = ("layer", "k", "s", "p", "d", "n_in", "n_out", "j_in", "j_out", "r_in", "r_out")


@dataclass(frozen=True, slots=True)
class AxisRow:
    """One layer along one axis of the image."""

    kernel: int
    stride: int
    padding: Pair
    dilation: int
    size_in: int | None
    size_out: int | None
    jump_in: Fraction
    jump_out: Fraction
    field_in: int
    field_out: int


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One layer. What it says without naming an axis is that of the axis with the largest field."""

    layer: str
    op: str
    axes: tuple[AxisRow, ...]
    inputs: tuple[str, ...]

    @property
    def largest(self) -> AxisRow:
        return max(self.axes, key=lambda axis: axis.field_out)

    @property
    def kernel(self) -> int:
        return self.largest.kernel

    @property
    def stride(self) -> int:
        return self.largest.stride

    @property
    def padding(self) -> int:
        """The larger of the two sides'."""
        return max(self.largest.padding)

    @property
    def dilation(self) -> int:
        return self.largest.dilation

    @property
    def size_in(self) -> int:
        """0 where it isn't known."""
        return self.largest.size_in or 0

    @property
    def size_out(self) -> int:
        return self.largest.size_out or 0

    @property
    def jump_in(self) -> Fraction:
        return self.largest.jump_in

    @property
    def jump_out(self) -> Fraction:
        return self.largest.jump_out

    @property
    def field_in(self) -> int:
        return self.largest.field_in

    @property
    def field_out(self) -> int:
        return self.largest.field_out


def receptive_fields(structure: Structure) -> tuple[FieldRow, ...]:
    """A row for each convolution and pooling, and for a linear layer that takes more than one place."""
    return tuple(
        FieldRow(layer.name, layer.op, _axes(layer), layer.inputs)
        for layer in structure.layers
        if layer.after and (layer.op in _ALWAYS or layer.widens)
    )


def final_field(rows: Sequence[FieldRow]) -> int:
    """The largest of all, which is the last one's unless branches end before; 0 without rows."""
    return max((row.field_out for row in rows), default=0)


def _axes(layer: Layer) -> tuple[AxisRow, ...]:
    return tuple(
        AxisRow(
            kernel=layer.kernel[at],
            stride=layer.stride[at],
            padding=layer.padding[at],
            dilation=layer.dilation[at],
            size_in=layer.size_in[at],
            size_out=layer.size_out[at],
            jump_in=before.jump,
            jump_out=after.jump,
            field_in=before.pixels,
            field_out=after.pixels,
        )
        for at, (before, after) in enumerate(zip(layer.before, layer.after, strict=True))
    )


def table(rows: Sequence[FieldRow]) -> str:
    """The rows as text, in columns; where the axes differ, both figures."""
    lines = [_HEAD, *(_line(row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(cells)
        )
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    )


def _line(row: FieldRow) -> tuple[str, ...]:
    def cell(name: str) -> str:
        shown = [_shown(getattr(axis, name)) for axis in row.axes]
        return shown[0] if len({*shown}) == 1 else "x".join(shown)

    fields = ("kernel", "stride", "padding", "dilation", "size_in", "size_out")
    return (row.layer, *map(cell, (*fields, "jump_in", "jump_out", "field_in", "field_out")))


def _shown(value: object) -> str:
    if value is None:
        return "?"
    if isinstance(value, tuple):
        return str(value[0]) if value[0] == value[1] else f"({value[0]},{value[1]})"
    return str(value)
