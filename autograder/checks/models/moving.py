"""Operations that move numbers and make none: reshape, transpose, slice, pad, resize and their like.

Each gives the value that comes out, or None where that can't be told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod

from autograder.checks.models.graph import Node
from autograder.checks.models.values import Axis, Shape, Value, merge, regroup

Given = Sequence[Value]


def _numbers(given: Given, at: int) -> tuple[int, ...] | None:
    held = given[at].numbers if at < len(given) else None
    return None if held is None else tuple(int(one) for one in held.reshape(-1))


def _axes_of(node: Node, given: Given, at: int, rank: int) -> tuple[int, ...]:
    """Axes from an input or, in older versions, from the attribute; counted from the front."""
    axes = _numbers(given, at)
    return tuple(axis % rank for axis in (node.ints("axes") if axes is None else axes) if rank)


def _move(value: Value, shape: Shape, target: Mapping[int, int]) -> Value:
    """The value with its dimensions elsewhere: ``target`` says where each went, if it is still there."""
    if all(place in target for place in value.places):
        return replace(value, shape=shape, places=tuple(target[place] for place in value.places))
    return replace(value, shape=shape, axes=value.placed(), places=())


def _reshaped(value: Value, shape: Shape) -> Value:
    value = replace(value, axes=value.placed())
    known = value.shape
    if value.raw and len(shape) >= 3 and not value.axes:  # pixels in a row become an image
        return replace(
            value,
            shape=shape,
            axes=tuple(Axis(size) for size in shape[2:]),
            places=tuple(range(2, len(shape))),
        )
    if known is None:
        return replace(value, shape=shape, places=())
    places = regroup(known, shape, value.places)
    if places is not None:
        return replace(value, shape=shape, places=places)
    before = value.before or ((known, value.places) if value.places else None)
    if before is not None and not value.places:
        restored = _restored(before, shape)
        if restored:
            return replace(value, shape=shape, places=restored, before=None)
    return replace(value, shape=shape, places=(), before=before)


def _restored(before: tuple[Shape, tuple[int, ...]], shape: Shape) -> tuple[int, ...]:
    """Where the axes lie again after a second reshape, if the last dimensions are the image's."""
    old, places = before
    count = len(places)
    if len(set(places)) == count <= len(shape) and tuple(old[at] for at in places) == shape[-count:]:
        return tuple(range(len(shape) - count, len(shape)))
    return ()


def _reshape(node: Node, given: Given) -> Value | None:
    value, wanted = given[0], _numbers(given, 1)
    if value.shape is None or wanted is None or None in value.shape:
        return None
    sizes = [size or 0 for size in value.shape]
    made = [
        sizes[at] if one == 0 and at < len(sizes) and not node.integer("allowzero") else one
        for at, one in enumerate(wanted)
    ]
    if -1 in made:
        rest = prod(one for one in made if one != -1)
        if not rest or prod(sizes) % rest:
            return None
        made[made.index(-1)] = prod(sizes) // rest
    return _reshaped(value, tuple(made)) if prod(made) == prod(sizes) else None


def _flatten(node: Node, given: Given) -> Value | None:
    value, axis = given[0], node.integer("axis", 1)
    if value.shape is None or None in value.shape:
        return None
    sizes = [size or 0 for size in value.shape]
    axis = axis % len(sizes) if axis < 0 else axis
    return _reshaped(value, (prod(sizes[:axis]), prod(sizes[axis:])))


def _transpose(node: Node, given: Given) -> Value | None:
    value = given[0]
    if value.shape is None:
        return None
    order = node.ints("perm") or tuple(reversed(range(len(value.shape))))
    if sorted(order) != [*range(len(value.shape))]:
        return None
    target = {old: new for new, old in enumerate(order)}
    return _move(value, tuple(value.shape[old] for old in order), target)


def _squeeze(node: Node, given: Given) -> Value | None:
    value = given[0]
    if value.shape is None:
        return None
    gone = _axes_of(node, given, 1, len(value.shape))
    gone = gone or tuple(at for at, size in enumerate(value.shape) if size == 1)
    kept = [at for at in range(len(value.shape)) if at not in gone]
    return _move(value, tuple(value.shape[at] for at in kept), {old: new for new, old in enumerate(kept)})


def _unsqueeze(node: Node, given: Given) -> Value | None:
    value = given[0]
    if value.shape is None:
        return None
    axes = _numbers(given, 1) or node.ints("axes")
    rank = len(value.shape) + len(axes)
    added = {axis % rank for axis in axes}
    kept = [at for at in range(rank) if at not in added]
    if len(kept) != len(value.shape):
        return None
    shape: list[int | None] = [1] * rank
    for at, size in zip(kept, value.shape, strict=True):
        shape[at] = size
    return _move(value, tuple(shape), dict(enumerate(kept)))


def _expand(_: Node, given: Given) -> Value | None:
    value, wanted = given[0], _numbers(given, 1)
    if value.shape is None or wanted is None:
        return None
    rank = max(len(wanted), len(value.shape))
    old, new = (1,) * (rank - len(value.shape)) + value.shape, (1,) * (rank - len(wanted)) + wanted
    shape = tuple(second if first == 1 else first for first, second in zip(old, new, strict=True))
    moved = rank - len(value.shape)
    return _move(value, shape, {at: at + moved for at in range(len(value.shape))})


def _slice(node: Node, given: Given) -> Value | None:
    value = given[0]
    if value.shape is None or (len(given) == 1 and not node.attributes):
        return None
    starts = _numbers(given, 1) if len(given) > 1 else node.ints("starts")
    ends = _numbers(given, 2) if len(given) > 2 else node.ints("ends")
    if starts is None or ends is None:
        return None
    axes = _numbers(given, 3) if len(given) > 3 else node.ints("axes")
    axes = axes or tuple(range(len(starts)))
    steps = (_numbers(given, 4) if len(given) > 4 else None) or (1,) * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=False):
        value = _cut(value, axis, slice(start, end, step))
    return value


def _cut(value: Value, axis: int, part: slice) -> Value:
    assert value.shape is not None
    axis %= len(value.shape)
    size = value.shape[axis]
    inside = range(size)[part] if size is not None and part.step else range(0)
    shape = (*value.shape[:axis], len(inside) if size is not None else None, *value.shape[axis + 1 :])
    axes = tuple(
        one.cut(inside.start, inside.step, len(inside)) if place == axis and size is not None else one
        for one, place in zip(value.axes, value.places or (-1,) * len(value.axes), strict=True)
    )
    return replace(value, shape=shape, axes=axes)


def _gather(node: Node, given: Given) -> Value | None:
    value, index = given[0], given[1]
    if value.shape is None or index.shape is None or not value.shape:
        return None
    axis = node.integer("axis") % len(value.shape)
    shape = (*value.shape[:axis], *index.shape, *value.shape[axis + 1 :])
    moved = len(index.shape) - 1
    target = {at: at if at < axis else at + moved for at in range(len(value.shape)) if at != axis}
    if index.shape:
        target[axis] = axis
    return _move(value, shape, target)


def _split(node: Node, given: Given) -> Value | None:
    """One part; which it is makes no difference here where they are as large as each other."""
    value = given[0]
    if value.shape is None:
        return None
    axis = node.integer("axis") % len(value.shape)
    size, parts = value.shape[axis], _numbers(given, 1) or node.ints("split")
    if not parts and size is not None:
        parts = (-(-size // (node.integer("num_outputs") or len(node.outputs) or 1)),)
    if node.op == "SplitToSequence" and not node.integer("keepdims", 1) and not parts:
        return None
    length = parts[0] if parts and len({*parts}) == 1 else None
    return replace(value, shape=(*value.shape[:axis], length, *value.shape[axis + 1 :]))


def _first(_: Node, given: Given) -> Value:
    return given[0]


def _pad(node: Node, given: Given) -> Value | None:
    value = given[0]
    pads = _numbers(given, 1) if len(given) > 1 else node.ints("pads")
    if value.shape is None or not pads:
        return None
    axes = _axes_of(node, given, 3, len(value.shape)) or tuple(range(len(value.shape)))
    if len(pads) != 2 * len(axes):
        return None
    by = {axis: (pads[at], pads[at + len(axes)]) for at, axis in enumerate(axes)}
    shape = tuple(
        None if size is None else size + sum(by.get(at, (0, 0))) for at, size in enumerate(value.shape)
    )
    if not value.places:
        return replace(value, shape=shape)
    padded = value.padded or ((0, 0),) * len(value.axes)
    added = [by.get(place, (0, 0)) for place in value.places]
    return replace(
        value,
        shape=shape,
        axes=tuple(axis.pad(*one) for axis, one in zip(value.axes, added, strict=True)),
        padded=tuple((a + c, b + d) for (a, b), (c, d) in zip(padded, added, strict=True)),
    )


_SEEN = {"nearest": 1, "linear": 2, "cubic": 4}


def _resize(node: Node, given: Given) -> Value | None:
    value = given[0]
    if value.shape is None:
        return None
    factors = given[2 if node.op == "Resize" else 1].numbers if len(given) > 1 else None
    sizes = _numbers(given, 3)
    shape = list(value.shape)
    if sizes and len(sizes) == len(shape):
        shape = [*sizes]
    elif factors is not None and factors.size == len(shape):
        scale = factors.reshape(-1).tolist()
        shape = [None if size is None else int(size * by) for size, by in zip(shape, scale, strict=True)]
    else:
        return None
    seen = _SEEN.get(node.text("mode", "nearest"), 2)
    axes = []
    for axis, place in zip(value.axes, value.places or (0,) * len(value.axes), strict=True):
        old, new = value.shape[place], shape[place]
        factor = Fraction(new, old) if old and new else Fraction(1)
        axes.append(axis if factor == 1 else axis.scale(new, factor, seen))
    return replace(value, shape=tuple(shape), axes=tuple(axes))


def _blocks(node: Node, given: Given) -> Value | None:
    """DepthToSpace and SpaceToDepth."""
    value, block = given[0], node.integer("blocksize", 1)
    if value.shape is None or None in value.shape or len(value.shape) != 4 or block < 1:
        return None
    count, channels, height, width = (size or 0 for size in value.shape)
    if node.op == "DepthToSpace":
        shape = (count, channels // block**2, height * block, width * block)
        axes = tuple(axis.scale(None, Fraction(block), 1) for axis in value.axes)
    else:
        shape = (count, channels * block**2, height // block, width // block)
        axes = tuple(
            replace(axis, field=axis.field + (block - 1) * axis.jump, jump=axis.jump * block)
            for axis in value.axes
        )
    return replace(value, shape=shape, axes=axes)


def _concat(node: Node, given: Given) -> Value | None:
    image = [value for value in given if value.image] or [*given]
    shapes = [value.shape for value in given]
    if any(shape is None or len(shape) != len(shapes[0] or ()) for shape in shapes) or not shapes[0]:
        return None
    known = [shape for shape in shapes if shape is not None]
    axis = node.integer("axis") % len(known[0])
    parts = [shape[axis] for shape in known]
    total = None if None in parts else sum(part or 0 for part in parts)
    shape = (*known[0][:axis], total, *known[0][axis + 1 :])
    places = image[0].places if all(value.places == image[0].places for value in image) else ()
    if axis in places and len(image) < len(given):  # a token that isn't of the image beside it
        places = ()
    return replace(image[0], shape=shape, axes=merge(image), places=places)


MOVES: Mapping[str, Callable[[Node, Given], Value | None]] = {
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Expand": _expand,
    "Slice": _slice,
    "Gather": _gather,
    "Split": _split,
    "SplitToSequence": _split,
    "SequenceAt": _first,
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "DepthToSpace": _blocks,
    "SpaceToDepth": _blocks,
    "Concat": _concat,
}
