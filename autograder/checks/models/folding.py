"""The arithmetic of shapes: small arrays that a graph computes with to know how to reshape or where to cut.

Only what is small and known goes in, so no graph can ask for much; what can't be worked out is None, never a
guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from autograder.checks.models.graph import Node

MOST = 4_096  # numbers in one of these arrays
_RANGES = (-(2**40), 2**40)
Numbers = Sequence[np.ndarray | None]


def fold(node: Node, given: Numbers) -> np.ndarray | None:
    """What the operation makes of these arrays; None where one that it needs is unknown."""
    work = _WORKS.get(node.op)
    if work is None:
        return None
    known = [one for one in given if one is not None]
    if len(known) != len(node.inputs) and node.op != "CastLike":
        return None
    try:
        with np.errstate(all="ignore"):
            made = np.asarray(work(node, known))
    except (ValueError, IndexError, ZeroDivisionError, OverflowError, TypeError, MemoryError):
        return None
    return made if made.size <= MOST and made.dtype.kind in "biuf" else None


def _axes(node: Node, known: Sequence[np.ndarray], at: int = 1) -> tuple[int, ...]:
    return tuple(int(one) for one in known[at].reshape(-1)) if len(known) > at else node.ints("axes")


def _gather(node: Node, known: Sequence[np.ndarray]) -> np.ndarray:
    made: np.ndarray = np.take(known[0], known[1].astype(np.int64), axis=node.integer("axis"))
    return made


def _slice(_: Node, known: Sequence[np.ndarray]) -> np.ndarray:
    starts, ends = (known[at].reshape(-1).tolist() for at in (1, 2))
    axes = known[3].reshape(-1).tolist() if len(known) > 3 else [*range(len(starts))]
    steps = known[4].reshape(-1).tolist() if len(known) > 4 else [1] * len(starts)
    cut = [slice(None)] * known[0].ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cut[int(axis)] = slice(int(start), int(end), int(step))
    return known[0][tuple(cut)]


def _squeeze(node: Node, known: Sequence[np.ndarray]) -> np.ndarray:
    axes = _axes(node, known)
    return np.squeeze(known[0], axis=axes or None)


def _unsqueeze(node: Node, known: Sequence[np.ndarray]) -> np.ndarray:
    return np.expand_dims(known[0], _axes(node, known))


def _reshape(_: Node, known: Sequence[np.ndarray]) -> np.ndarray:
    return known[0].reshape(known[1].astype(np.int64).tolist())


def _expand(_: Node, known: Sequence[np.ndarray]) -> np.ndarray:
    shape = known[1].astype(np.int64).tolist()
    if np.prod([float(one) for one in shape]) > MOST:
        raise ValueError("too large")
    return known[0] * np.ones(shape, dtype=known[0].dtype)


def _range(_: Node, known: Sequence[np.ndarray]) -> np.ndarray:
    start, limit, delta = (one.reshape(-1)[0].item() for one in known)
    if not delta or not abs((limit - start) / delta) <= MOST:
        raise ValueError("too large")
    return np.arange(start, limit, delta)


def _full(_: Node, known: Sequence[np.ndarray]) -> np.ndarray:
    shape = known[0].astype(np.int64).tolist()
    if np.prod([float(one) for one in shape]) > MOST:
        raise ValueError("too large")
    return np.full(shape, known[1].reshape(-1)[0] if len(known) > 1 else 0)


def _cast(node: Node, known: Sequence[np.ndarray]) -> np.ndarray:
    whole = node.integer("to") in (2, 3, 4, 5, 6, 7, 12, 13)
    if not whole or known[0].dtype.kind != "f":
        return known[0]
    made: np.ndarray = known[0].clip(*_RANGES).astype(np.int64)
    return made


def _div(_: Node, known: Sequence[np.ndarray]) -> np.ndarray:
    one, other = known
    if one.dtype.kind in "iu" and other.dtype.kind in "iu":
        whole: np.ndarray = np.trunc(one / other).astype(np.int64)
        return whole
    return np.asarray(one / other)


def _concat(node: Node, known: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(known, axis=node.integer("axis"))


_WORKS: Mapping[str, Callable[[Node, Sequence[np.ndarray]], np.ndarray]] = {
    "Identity": lambda _, known: known[0],
    "CastLike": lambda _, known: known[0],
    "Cast": _cast,
    "Gather": _gather,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Expand": _expand,
    "Range": _range,
    "ConstantOfShape": _full,
    "Concat": _concat,
    "Add": lambda _, known: known[0] + known[1],
    "Sub": lambda _, known: known[0] - known[1],
    "Mul": lambda _, known: known[0] * known[1],
    "Div": _div,
    "Mod": lambda _, known: known[0] % known[1],
    "Neg": lambda _, known: -known[0],
    "Abs": lambda _, known: np.abs(known[0]),
    "Sign": lambda _, known: np.sign(known[0]),
    "Floor": lambda _, known: np.floor(known[0]),
    "Ceil": lambda _, known: np.ceil(known[0]),
    "Sqrt": lambda _, known: np.sqrt(known[0]),
    "Min": lambda _, known: np.minimum.reduce(np.broadcast_arrays(*known)),
    "Max": lambda _, known: np.maximum.reduce(np.broadcast_arrays(*known)),
    "Equal": lambda _, known: known[0] == known[1],
    "Where": lambda _, known: np.where(known[0], known[1], known[2]),
    "Transpose": lambda node, known: np.transpose(known[0], node.ints("perm") or None),
    "ReduceProd": lambda _, known: known[0].prod(keepdims=True),
}
