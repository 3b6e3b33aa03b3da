"""The layers of a network, and those operations that have a kernel: convolutions, poolings, linear layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from autograder.checks.models.graph import Node
from autograder.checks.models.operations import GLOBAL_AVERAGE, GLOBAL_MAX
from autograder.checks.models.values import Axis, Shape, Value, Window, merge

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer. Kernels, strides and sizes are by axis; ``padding`` is what lies before and after.

    Linear layers on a flattened image have the image's size as their kernel. What a Pad before the layer adds
    counts as its padding. ``inputs`` are the names of the layers whose results it gets.
    """

    name: str
    op: str
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[Pair, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    channels_in: int | None = None
    channels_out: int | None = None
    size_in: tuple[int | None, ...] = ()
    size_out: tuple[int | None, ...] = ()
    inputs: tuple[str, ...] = ()
    before: tuple[Axis, ...] = ()
    after: tuple[Axis, ...] = ()

    @property
    def widens(self) -> bool:
        """Whether its units see more of the image than those before it."""
        return any(one > 1 for one in self.kernel)


@dataclass(frozen=True, slots=True, eq=False)
class Slid:
    """What a layer with a kernel makes: a value, and the layer without its name and inputs."""

    value: Value
    layer: Layer


def slide(node: Node, given: Sequence[Value]) -> Slid | None:
    """None where the operation has no kernel, or something is not known that is needed."""
    work = _WORKS.get(node.op)
    return work(node, given) if work is not None and given and given[0].image else None


def _windows(node: Node, kernel: Sequence[int], value: Value) -> tuple[Window, ...]:
    count = len(kernel)
    strides, dilations = node.ints("strides", (1,) * count), node.ints("dilations", (1,) * count)
    pads = node.ints("pads", (0,) * (2 * count))
    auto, ceil_mode = node.text("auto_pad", "NOTSET"), bool(node.integer("ceil_mode"))
    if not len(strides) == len(dilations) == count or len(pads) != 2 * count or min(strides) < 1:
        return ()
    windows = []
    for at in range(count):
        window = Window(kernel[at], strides[at], dilations[at], pads[at], pads[at + count], ceil_mode)
        if auto in ("SAME_UPPER", "SAME_LOWER", "VALID"):
            size = value.shape[2 + at] if value.shape is not None else None
            window = _automatic(window, auto, size)
        windows.append(window)
    return tuple(windows)


def _automatic(window: Window, auto: str, size: int | None) -> Window:
    window = replace(window, before=0, after=0)
    if auto == "VALID" or size is None:
        return window
    steps = -(-size // window.stride)
    both = max((steps - 1) * window.stride + window.reach - size, 0)
    before = both // 2 if auto == "SAME_UPPER" else both - both // 2
    return replace(window, before=before, after=both - before)


def _axes(value: Value, count: int) -> tuple[Axis, ...]:
    """The image's axes at the last ``count`` dimensions, where a kernel goes."""
    known = dict(zip(value.places, value.placed(), strict=True)) if value.places else {}
    shape: Shape = value.shape or (None,) * (2 + count)
    fresh = value.axes == () or value.raw
    return tuple(
        known.get(2 + at, Axis(shape[2 + at]) if fresh else Axis(shape[2 + at], None)) for at in range(count)
    )


def _made(op: str, value: Value, windows: Sequence[Window], after: Sequence[Axis], out: int | None) -> Slid:
    """The layer that goes with ``windows`` over the last dimensions."""
    count = len(windows)
    before = _axes(value, count)
    shape = value.shape or (None, None)
    padded = value.padded if len(value.padded) == count else ((0, 0),) * count
    size_in = tuple(
        None if axis.size is None else axis.size - sum(more)
        for axis, more in zip(before, padded, strict=True)
    )
    axes = tuple(after)
    sizes = tuple(axis.size for axis in axes)
    return Slid(
        Value(
            shape=(shape[0], out, *sizes),
            axes=axes,
            places=tuple(range(2, 2 + count)),
            image=True,
            depth=value.depth,
        ),
        Layer(
            "",
            op,
            kernel=tuple(window.kernel for window in windows),
            stride=tuple(window.stride for window in windows),
            padding=tuple(
                (window.before + more[0], window.after + more[1])
                for window, more in zip(windows, padded, strict=True)
            ),
            dilation=tuple(window.dilation for window in windows),
            channels_in=shape[1] if len(shape) > 1 else None,
            channels_out=out,
            size_in=size_in,
            size_out=sizes,
            before=tuple(replace(axis, size=size) for axis, size in zip(before, size_in, strict=True)),
            after=axes,
        ),
    )


def _conv(node: Node, given: Sequence[Value]) -> Slid | None:
    value, weight = given[0], given[1].shape if len(given) > 1 else None
    if weight is None or len(weight) < 3 or None in weight or not _fits(value, len(weight) - 2):
        return None
    windows = _windows(node, [size or 1 for size in weight[2:]], value)
    after = [axis.slide(window) for axis, window in zip(_axes(value, len(windows)), windows, strict=True)]
    slid = _made("Conv", value, windows, after, weight[0]) if windows else None
    return _grouped(slid, node)


def _conv_transpose(node: Node, given: Sequence[Value]) -> Slid | None:
    value, weight = given[0], given[1].shape if len(given) > 1 else None
    if weight is None or len(weight) < 3 or None in weight or not _fits(value, len(weight) - 2):
        return None
    windows = _windows(node, [size or 1 for size in weight[2:]], value)
    extra = node.ints("output_padding", (0,) * len(windows))
    axes = _axes(value, len(windows))
    after = [axis.spread(window, more) for axis, window, more in zip(axes, windows, extra, strict=False)]
    groups = node.integer("group", 1)
    slid = _made("ConvTranspose", value, windows, after, (weight[1] or 0) * groups) if windows else None
    return _grouped(slid, node)


def _grouped(slid: Slid | None, node: Node) -> Slid | None:
    groups = node.integer("group", 1)
    return slid and Slid(slid.value, replace(slid.layer, groups=groups))


def _pool(node: Node, given: Sequence[Value]) -> Slid | None:
    value, kernel = given[0], node.ints("kernel_shape")
    if not kernel or not _fits(value, len(kernel)):
        return None
    windows = _windows(node, kernel, value)
    after = [axis.slide(window) for axis, window in zip(_axes(value, len(windows)), windows, strict=True)]
    channels = value.shape[1] if value.shape is not None else None
    slid = _made(node.op, value, windows, after, channels) if windows else None
    everything = slid is not None and all(
        size == one and size is not None and size > 1
        for size, one in zip(slid.layer.size_in, slid.layer.kernel, strict=True)
    )
    if slid is not None and everything and node.op in _GLOBAL:
        return Slid(slid.value, replace(slid.layer, op=_GLOBAL[node.op]))
    return slid


_GLOBAL = {"AveragePool": GLOBAL_AVERAGE, "MaxPool": GLOBAL_MAX, "ReduceMean": GLOBAL_AVERAGE}
_GLOBAL |= {"ReduceMax": GLOBAL_MAX, "GlobalAveragePool": GLOBAL_AVERAGE, "GlobalMaxPool": GLOBAL_MAX}
_GLOBAL |= {"ReduceSum": GLOBAL_AVERAGE}  # a mean but for a factor


def _global(node: Node, given: Sequence[Value]) -> Slid | None:
    value = given[0]
    if value.shape is None or len(value.shape) < 3:
        return None
    axes = _axes(value, len(value.shape) - 2)
    return _over_all(
        node, value, axes, (*value.shape[:2], *(1 for _ in axes)), tuple(range(2, len(value.shape)))
    )


def _reduce(node: Node, given: Sequence[Value]) -> Slid | None:
    """A mean, a sum or a maximum over all the image's axes is a global pooling."""
    value = given[0]
    if value.shape is None or not value.places:
        return None
    rank = len(value.shape)
    held = given[1].numbers if len(given) > 1 else None
    axes = node.ints("axes") if held is None else tuple(int(one) for one in held.reshape(-1))
    over = {axis % rank for axis in axes} or {*range(rank)}
    if not over >= {*value.places}:
        return None
    keep = bool(node.integer("keepdims", 1))
    shape = tuple(1 if at in over else size for at, size in enumerate(value.shape) if keep or at not in over)
    return _over_all(node, value, value.placed(), shape, value.places if keep else ())


def _over_all(
    node: Node, value: Value, axes: tuple[Axis, ...], shape: Shape, places: tuple[int, ...]
) -> Slid | None:
    sizes = tuple(axis.size for axis in axes)
    if None in sizes:
        return None
    whole = tuple(axis.whole() for axis in axes)
    ones = (1,) * len(axes)
    channels = value.shape[1] if value.shape is not None and len(value.shape) > 1 else None
    layer = Layer(
        "",
        _GLOBAL[node.op],
        kernel=tuple(size or 1 for size in sizes),
        stride=ones,
        padding=((0, 0),) * len(axes),
        dilation=ones,
        channels_in=channels,
        channels_out=channels,
        size_in=sizes,
        size_out=ones,
        before=axes,
        after=whole,
    )
    made = Value(shape=shape, axes=whole, places=places, image=True, depth=value.depth)
    return Slid(made, layer)


def _linear(node: Node, given: Sequence[Value]) -> Slid | None:
    """A product with weights: of the channels alone, or of a flattened image."""
    value, weight = given[0], given[1] if len(given) > 1 else Value()
    if value.shape is None or weight.shape is None or weight.image or len(weight.shape) != 2:
        return None
    features, out = weight.shape
    if node.op == "Gemm" and node.integer("transB"):
        features, out = out, features
    shape = (*value.shape[:-1], out)
    axes = value.placed()
    mixes = bool(axes) and (not value.places or len(value.shape) - 1 in value.places)
    sizes = tuple(axis.size for axis in axes)
    if mixes and None in sizes:
        return None
    after = tuple(axis.whole() for axis in axes) if mixes else axes
    kernel = tuple(size or 1 for size in sizes) if mixes else (1,) * len(axes)
    ones = (1,) * len(axes)
    layer = Layer(
        "",
        "Linear",
        kernel=kernel,
        stride=ones,
        padding=((0, 0),) * len(axes),
        dilation=ones,
        channels_in=features,
        channels_out=out,
        size_in=sizes,
        size_out=tuple(axis.size for axis in after),
        before=axes,
        after=after,
    )
    places = () if mixes else value.places
    return Slid(Value(shape=shape, axes=after, places=places, image=True, depth=value.depth), layer)


def _fits(value: Value, count: int) -> bool:
    return value.shape is None or len(value.shape) == 2 + count


_WORKS: Mapping[str, Callable[[Node, Sequence[Value]], Slid | None]] = {
    "Conv": _conv,
    "ConvInteger": _conv,
    "ConvTranspose": _conv_transpose,
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), _global),
    **dict.fromkeys(("ReduceMean", "ReduceMax", "ReduceSum"), _reduce),
    **dict.fromkeys(("Gemm", "MatMul"), _linear),
}


def everything(values: Sequence[Value]) -> tuple[Axis, ...]:
    """What is seen where all places are mixed: attention, or a product of two images."""
    return tuple(axis.whole() for axis in merge(values))
