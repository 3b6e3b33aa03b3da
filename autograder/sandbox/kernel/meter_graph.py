"""What the graph behind a loss says: over how many examples it was taken, which parameter lies nearest to it,
and whether a loader's batch is really in it.

The graph is read just before the backward pass frees it. Nothing in it is changed, and reading is bounded in
nodes, so that a deep network costs no more than a shallow one. It says more than patching the losses would: a
loss written by hand, or imported by name, leaves the same nodes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

_NEAR_NODES = 64  # from a loss to its nearest parameter; cross-entropy on a linear layer takes four
_LOSS_NODES = 12  # from a loss to the node that has its batch
_PROOF_NODES = 400  # down to the first layer of a usual network; a label is found within the first few
_MOST_TENSORS = 6  # of a batch
_LOSSES = ("NllLoss", "MseLoss", "BinaryCrossEntropy", "SmoothL1Loss", "HuberLoss", "KlDiv", "SoftMargin")
_REDUCTIONS = ("MeanBackward", "SumBackward")
_saved_names: dict[type, tuple[str, ...]] = {}


def nodes(root: Any, most: int) -> Iterator[Any]:
    """The graph's nodes from the loss downwards, nearest first."""
    seen, waiting = {root}, deque([root])
    while waiting and most > 0:
        node = waiting.popleft()
        most -= 1
        yield node
        for below, _ in node.next_functions:
            if below is not None and below not in seen:
                seen.add(below)
                waiting.append(below)


def anchor(root: Any) -> Any:
    """The parameter nearest to the loss, as a rule the last layer's bias: it tells one model from another."""
    for node in nodes(root, _NEAR_NODES):
        if type(node).__name__ == "AccumulateGrad":
            return node.variable
    return None


def examples(root: Any) -> int | None:
    """Over how many examples the loss was taken, where the nodes next to it say."""
    reduced: int | None = None
    for node in nodes(root, _LOSS_NODES):
        name = type(node).__name__
        if name.startswith(_LOSSES):
            return leading(_read(node, "_saved_self"))
        if reduced is None and name.startswith(_REDUCTIONS):
            sizes = _read(node, "_saved_self_sym_sizes")
            reduced = int(sizes[0]) if sizes else None
    return reduced


def leading(value: Any) -> int | None:
    """The first dimension of a tensor, or of the first tensor in a batch."""
    for tensor in tensors(value):
        if tensor.dim() > 0:
            return int(tensor.shape[0])
    return None


def tensors(value: Any, depth: int = 3) -> Iterator[Any]:
    """The tensors of a batch, whatever it is made of."""
    if hasattr(value, "untyped_storage"):
        yield value
    elif depth > 0 and isinstance(value, dict):
        for part in list(value.values())[:_MOST_TENSORS]:
            yield from tensors(part, depth - 1)
    elif depth > 0 and isinstance(value, (list, tuple)):
        for part in value[:_MOST_TENSORS]:
            yield from tensors(part, depth - 1)


def memories(value: Any) -> set[int]:
    """Where the tensors of a batch lie. A view, a slice and a cast to the same type lie at the same place."""
    found = (tensor.untyped_storage().data_ptr() for tensor in tensors(value))
    return {place for place in found if place}


def found_in(root: Any, candidates: list[set[int]]) -> list[bool]:
    """Which of the candidates' memories the graph has saved; the search ends when all are found.

    The candidates' tensors must be alive, or their memory may have been given to another tensor since.
    """
    found = [False] * len(candidates)
    for node in nodes(root, _PROOF_NODES):
        for place in _places(node):
            for at, candidate in enumerate(candidates):
                found[at] = found[at] or place in candidate
        if all(found):
            break
    return found


def _places(node: Any) -> Iterator[int]:
    kind = type(node)
    names = _saved_names.get(kind)
    if names is None:
        names = tuple(name for name in dir(kind) if name.startswith("_saved_") and "_sym_" not in name)
        names += ("saved_tensors",) if hasattr(kind, "saved_tensors") else ()
        _saved_names[kind] = names
    for name in names:
        for tensor in tensors(_read(node, name)):
            yield tensor.untyped_storage().data_ptr()


def _read(node: Any, name: str) -> Any:
    try:
        return getattr(node, name)
    except (RuntimeError, AttributeError):  # freed, changed in place since, or not of this kind
        return None
