"""Whether a network's weights, before its first batch, are random as networks are made, or trained already.

All that is known of a tensor is its shape and four numbers: mean, standard deviation, least, most. Random
weights follow one of a few laws, and those tie the four together. Of n numbers drawn evenly from an interval
the extremes are sqrt(3) deviations from the mean; of n normal ones, as far as n normal ones go. Training
breaks that: it gives weights a mean, and tails that no such law has. And a network is made after one scheme:
PyTorch's default, He's, Glorot's, or a student's own ``randn(...) * 0.1``, whose deviation follows from
the layer's size or is the same throughout.

A single tensor proves nothing: it may be made by hand, or copied from a paper. So all are weighed together,
and the verdict is for staff unless most tensors are off and the batch norm layers have seen data too.

How often it errs was tried on seven small networks, begun in 26 ways from 20 seeds, and on 22 networks of
torchvision: none was suspected. Of small ones after one to three epochs of some thousand digits, three with
batch norm were suspected in 17 of 20 states, three without in 18 of 36: a short training in small steps
leaves weights that look random, and weights that were trained for long and loaded are what this is for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from autograder.sandbox.training_weights import Beginning

# How many standard errors a number may be off. At 5 a normal one is in 2 million tensors; the rest is room
# for laws that are nearly these.
_ERRORS = 5.0
_RARE = 1e-7  # the chance of extremes so far out, or so far in, for the law that they are held against
_FEWEST = 48  # numbers in a tensor that is weighed: fewer fit any law
_SHAPE_ALONE = 1500  # numbers from which extremes alone tell a law
_TRIALS = 200  # batches that a network may have seen before its training: a summary, a trial of the loop
_SQRT3 = math.sqrt(3)
_CUT_STD, _CUT_AT = 0.8796257, 2.0  # of a normal law that is cut off at two deviations
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, slots=True)
class Start:
    """What speaks against a random beginning: ``odd`` of ``weighed`` tensors, and batch norm's state.

    ``certain``: overwhelming. ``text`` names the tensors, for staff.
    """

    odd: tuple[str, ...]
    weighed: int
    norms: tuple[str, ...]
    certain: bool
    text: str


def random_start(tensors: Sequence[Beginning]) -> Start | None:
    """What speaks against the weights' being random; None where nothing does to speak of."""
    odd, weighed = _odd_weights(tensors)
    norms = tuple(_odd_norms(tensors))
    layers = sum(one.kind == "running_mean" for one in tensors)
    most_odd = weighed >= 3 and len(odd) >= 0.6 * weighed
    some_odd = weighed >= 2 and len(odd) >= max(2, 0.34 * weighed)
    moved = layers > 0 and len({name.rpartition(".")[0] for name in norms}) > 0.5 * layers
    if not some_odd and not moved:
        return None
    told = []
    if odd:
        told.append(f"{len(odd)} of {weighed} weight tensors follow no usual initialisation ({_named(odd)})")
    if norms:
        told.append(f"batch norm layers are not as they are made ({_named(norms)})")
    text = f"Before its first training batch the network did not look random: {'; '.join(told)}."
    return Start(odd, weighed, norms, most_odd and moved, text)


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")


# --- batch norm ------------------------------------------------------------------------------------------


def _odd_norms(tensors: Sequence[Beginning]) -> Iterator[str]:
    """Batch norm's tensors that aren't as they are made: weights of 1, biases and means of 0.

    Its running statistics move in any pass in training mode, so they count only where many were made.
    """
    layers = {one.layer for one in tensors if one.kind == "running_mean"}
    for one in tensors:
        if one.layer not in layers:
            continue
        seen = one.kind == "num_batches_tracked" and one.most > _TRIALS
        if seen or (one.kind in ("weight", "bias") and not _is_made(one)):
            yield one.name


def _is_made(one: Beginning) -> bool:
    """All alike (1, 0 or a small start), even on [0, 1] as once, or normal by the usual 0.02."""
    if one.numel < 4 or one.most - one.least <= 1e-6 * max(1.0, abs(one.most)):
        return True
    if one.kind == "weight" and one.least >= 0 and one.most <= 1:
        return _has_even_extremes(one)
    return _is_near(one.std, 0.02, one.numel) and abs(one.mean - (one.kind == "weight")) < 0.03


# --- weights ---------------------------------------------------------------------------------------------


def _odd_weights(tensors: Sequence[Beginning]) -> tuple[tuple[str, ...], int]:
    """The weight tensors that follow no law, and how many were weighed."""
    norms = {one.layer for one in tensors if one.kind == "running_mean"}
    weights = [one for one in tensors if len(one.shape) >= 2 and one.layer not in norms]
    weights = [one for one in weights if one.numel >= _FEWEST and one.kind not in _STATISTICS]
    if not weights:
        return (), 0
    unexplained = [one for one in weights if not _follows_a_scheme(one)]
    shared = _shared_deviations(weights)
    odd = tuple(one.name for one in unexplained if not _follows_own_law(one, shared))
    return odd, len(weights)


def _follows_a_scheme(one: Beginning) -> bool:
    """Whether a known initialisation of a tensor of this shape looks like this."""
    if one.most == one.least:
        return True  # zeros, ones: fixup, or a layer that is to begin as nothing
    if _is_identity(one) or (one.least >= 0 and _has_even_extremes(one)):
        return True  # the latter as `rand` makes them, which is no good start, but a random one
    return any(_has_law(one, std, law) for std, laws in _schemes(one) for law in laws)


def _schemes(one: Beginning) -> Iterator[tuple[float, tuple[str, ...]]]:
    """The standard deviations that known initialisations give, each with its laws."""
    field = math.prod(one.shape[2:])
    fan_in, fan_out = one.shape[1] * field, one.shape[0] * field
    both = ("even", "normal", "cut")
    yield 1 / math.sqrt(3 * fan_in), ("even",)  # PyTorch's default: kaiming_uniform_(a=sqrt(5))
    for fan in {fan_in, fan_out, (fan_in + fan_out) / 2, field}:  # the last of depthwise layers
        for gain in (1.0, 2.0, 2 / (1 + 0.01), 2 / (1 + 0.04), 25 / 9, 1 / 3, 0.5):  # squared
            yield math.sqrt(gain / fan), both
    longest = max(one.shape[0], fan_in)
    for gain in (1.0, math.sqrt(2), 5 / 3):
        yield gain / math.sqrt(longest), ("orthogonal",)
    for std in (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0):
        yield std, ("normal", "cut", "own normal")
        yield std / _SQRT3, ("even",)
        yield std / math.sqrt(12), ("even",)  # (rand() - 0.5) * std
    # Recurrent layers are scaled by their hidden size: four gates of an LSTM, three of a GRU, or one.
    for gates in (4, 3, 1):
        yield 1 / math.sqrt(3 * one.shape[0] / gates), ("even",)
    # Attention keeps its query, key and value in one matrix.
    yield math.sqrt(2 / (one.shape[0] / 3 + fan_in)), both


def _has_law(one: Beginning, std: float, law: str) -> bool:
    """Whether the four numbers are those of so many draws from a law with this deviation."""
    if law == "orthogonal":
        size = math.hypot(one.std, one.mean)  # which orthogonality fixes
        return abs(size / std - 1) < 0.01 and _mean_is_zero(one) and _not_too_far(one)
    if not _mean_is_zero(one):
        return False
    if law == "even":
        return _is_near(one.std, std, one.numel, 0.447) and _has_even_extremes(one)
    if law == "cut":
        return _is_near(one.std, _CUT_STD * std, one.numel) and _is_cut(one)
    return _is_near(one.std, std, one.numel) and _is_normal(one)


def _shared_deviations(weights: Sequence[Beginning]) -> tuple[float, ...]:
    """Deviations that two tensors of different sizes share: a student's own ``randn(...) * k``."""
    large = sorted((one for one in weights if one.numel >= _FEWEST), key=lambda one: one.std)
    return tuple(
        math.sqrt(less.std) * math.sqrt(more.std)
        for less, more in pairwise(large)
        if less.std > 0
        and more.std / less.std - 1 < 3 / math.sqrt(2 * min(less.numel, more.numel))
        and less.shape != more.shape
    )


def _follows_own_law(one: Beginning, shared: Sequence[float]) -> bool:
    """Whether it follows a law at a scale of the student's own: shared with others, or told by extremes."""
    if any(_has_law(one, std, law) for std in shared for law in ("normal", "even")):
        return True
    if one.numel < _SHAPE_ALONE or not _mean_is_zero(one):
        return False
    return _is_normal(one) or _has_even_extremes(one) or _is_cut(one)


def _is_identity(one: Beginning) -> bool:
    """Ones on a diagonal and zeros elsewhere, as `dirac_` and `eye_` make: a share of ones says all."""
    if one.least != 0 or one.most <= 0:
        return False
    share = min(one.mean / one.most, 1.0)  # they come rounded
    return abs(one.std - one.most * math.sqrt(share * (1 - share))) <= 1e-3 * one.most


def _mean_is_zero(one: Beginning) -> bool:
    return abs(one.mean) <= _ERRORS * one.std / math.sqrt(one.numel) + 1e-6


def _is_near(std: float, wanted: float, numel: int, error: float = 1 / math.sqrt(2)) -> bool:
    """Whether a deviation is within its standard error, ``error`` / sqrt(n) of it, of the wanted one."""
    return abs(std / wanted - 1) <= _ERRORS * error / math.sqrt(numel) + 0.003


def _has_even_extremes(one: Beginning) -> bool:
    """Whether the extremes are those of draws that are even between two ends."""
    end, root = _SQRT3 * one.std, math.sqrt(one.numel)
    room = (
        end * (_ERRORS * 0.447 / root + 0.003) + _ERRORS * one.std / root
    )  # the deviation's, and the mean's
    # The gaps between the extremes and the ends are 2 * end / n on average, and rarely many times that.
    gap = 2 * end * -math.log(_RARE) / one.numel
    return one.std > 0 and all(
        end - gap - room <= side <= end + room for side in (one.most - one.mean, one.mean - one.least)
    )


def _is_normal(one: Beginning) -> bool:
    """Whether the extremes are as far out as those of normal draws: no further, and with many no nearer."""
    return _not_too_far(one) and all(
        one.numel < _SHAPE_ALONE or side >= _nearest(one.numel) * 0.97 for side in _sides(one)
    )


def _not_too_far(one: Beginning) -> bool:
    return all(side <= _furthest(one.numel) * 1.03 for side in _sides(one))


def _is_cut(one: Beginning) -> bool:
    """Whether the extremes are those of normal draws cut off at two deviations."""
    end = _CUT_AT / _CUT_STD
    spread = _ERRORS * 0.7 / math.sqrt(one.numel) + 0.005
    # At its ends such a law still has 0.0566 of a draw for each deviation.
    nearest = end - -math.log(_RARE) / (0.0566 * one.numel) - 2 * spread
    return all(nearest <= side <= end * (1 + spread) + spread for side in _sides(one))


def _sides(one: Beginning) -> tuple[float, float]:
    """How far the extremes lie from the mean, in deviations."""
    if not one.std:  # rounded away
        return math.inf, math.inf
    return (one.most - one.mean) / one.std, (one.mean - one.least) / one.std


def _furthest(numel: int) -> float:
    """The most that the largest of n normal draws exceeds with a chance of `_RARE`; of few, their bound."""
    from scipy.stats import norm  # noqa: PLC0415  (slow to import)

    # Deviations are those of the sample itself, so none can be further than sqrt(n - 1).
    return min(float(norm.isf(_RARE / numel)), math.sqrt(numel - 1))


def _nearest(numel: int) -> float:
    """The least that the largest of n normal draws falls below with a chance of `_RARE`."""
    from scipy.stats import norm  # noqa: PLC0415

    return float(norm.ppf(_RARE ** (1 / numel)))
