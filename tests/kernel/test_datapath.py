"""Batches made in memory: the same pixels, labels and random states as of the loader's own path."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils import data
from torch.utils.data import DataLoader, Subset

from autograder.datasets import mnist as digits
from tests.kernel.datapaths import (
    COUNT,
    T,
    affine,
    all_as,
    cifar,
    datasets,
    made_up,
    mnist,
    same_both_ways,
    steps,
    take,
    v2,
)

REAL = os.environ.get("AUTOGRADER_DATA", "")
BILINEAR = T.InterpolationMode.BILINEAR
_GRAY, _COLOUR = T.Normalize((0.1307,), (0.3081,)), T.Normalize([0.49, 0.48, 0.45], [0.25, 0.24, 0.26])

_KNOWN: dict[str, Callable[[], list[Any]]] = {
    "nothing": list,
    "rotation": lambda: [T.RandomRotation(7)],
    "rotation, filled": lambda: [T.RandomRotation((-7.0, 7.0), fill=(33,))],
    "rotation all round": lambda: [T.RandomRotation(360)],
    "rotation about a corner": lambda: [T.RandomRotation((10, 80), center=(0, 0), fill=255)],
    "rotation between": lambda: [T.RandomRotation(30, interpolation=BILINEAR, fill=9)],
    "quarters": lambda: [
        T.RandomRotation((90, 90)),
        T.RandomRotation((180, 180)),
        T.RandomRotation((-90, -90)),
    ],
    "half and none": lambda: [T.RandomRotation((180, 180)), T.RandomRotation((0, 0))],
    "a quarter about a point": lambda: [T.RandomRotation((90, 90), center=(5, 9))],
    "a quarter between": lambda: [T.RandomRotation((90, 90), interpolation=BILINEAR)],
    "affine": lambda: [T.RandomAffine(10, (0.1, 0.2), (0.8, 1.3), 5)],
    "affine, two shears": lambda: [T.RandomAffine((-5, 20), shear=(-9, 9, -3, 14), fill=200)],
    "affine between": lambda: [T.RandomAffine(10, (0.1, 0.2), (0.8, 1.3), interpolation=BILINEAR)],
    "moved": lambda: [T.RandomAffine(0, translate=(0.5, 1.0))],
    "stretched": lambda: [T.RandomAffine(0, scale=(0.02, 9))],
    "about a point": lambda: [T.RandomAffine(40, center=(3, 30))],
    "crop": lambda: [T.RandomCrop(28, padding=4)],
    "crop, reflected": lambda: [T.RandomCrop((20, 24), padding=(1, 2), padding_mode="reflect")],
    "crop, its edge": lambda: [T.RandomCrop(25, padding=[1, 2, 3, 4], padding_mode="edge")],
    "crop, symmetric": lambda: [T.RandomCrop(30, padding=3, padding_mode="symmetric")],
    "crop of all": lambda: [T.CenterCrop(28), T.RandomCrop(28)],
    "flips": lambda: [T.RandomHorizontalFlip(), T.RandomVerticalFlip(0.3)],
    "pads": lambda: [T.Pad(2), T.Pad((1, 0), fill=17), T.Pad((0, 1, 2, 3), padding_mode="edge")],
    "center": lambda: [T.CenterCrop((21, 20))],
    "all": lambda: [
        T.Pad(2, fill=5),
        T.RandomCrop(28),
        T.RandomHorizontalFlip(0.7),
        T.RandomRotation(15),
        T.RandomAffine(5, (0.1, 0.1)),
    ],
}
_AFTER: dict[str, Callable[[], list[Any]]] = {
    "flip": lambda: [T.RandomHorizontalFlip(), T.RandomVerticalFlip()],
    "crop": lambda: [T.RandomCrop(26, padding=2)],
    "center and pad": lambda: [T.CenterCrop(24), T.Pad(1, fill=1)],
}


@pytest.mark.parametrize("name", _KNOWN)
@pytest.mark.parametrize("make", [mnist, cifar], ids=["gray", "colour"])
def test_a_known_transform(make: Callable[..., Any], name: str) -> None:
    normalize = _GRAY if make is mnist else _COLOUR
    transform = T.Compose([*_KNOWN[name](), T.ToTensor(), normalize])
    counted = same_both_ways(lambda: DataLoader(make(transform), 32, shuffle=True))
    assert counted.plain == 0


@pytest.mark.parametrize("name", _AFTER)
@pytest.mark.parametrize("make", [mnist, cifar], ids=["gray", "colour"])
def test_what_comes_after_the_tensor(make: Callable[..., Any], name: str) -> None:
    normalize = _GRAY if make is mnist else _COLOUR
    transform = T.Compose([T.ToTensor(), normalize, *_AFTER[name]()])
    assert same_both_ways(lambda: DataLoader(make(transform), 32, shuffle=True)).plain == 0


@pytest.mark.parametrize(
    "transform",
    [
        T.ToTensor(),
        T.PILToTensor(),
        T.Compose([T.PILToTensor(), T.RandomHorizontalFlip(), T.ConvertImageDtype(torch.float32)]),
        T.Compose([T.Compose([T.RandomRotation(3)]), T.Resize(28), T.Resize((28, 28)), T.ToTensor()]),
        T.Compose([T.ToTensor(), T.Normalize(0.5, 0.5), T.Normalize((0.1,), (2,), inplace=True)]),
        T.Compose(
            [T.ToTensor(), T.Normalize((torch.tensor(0.13),), torch.tensor([0.3], dtype=torch.float64))]
        ),
        T.Compose([T.ToTensor(), T.Normalize(np.array([0.1]), (np.float64(0.3),))]),
        v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.13], [0.31])]),
        v2.Compose([v2.RandomRotation(20, fill=(1,)), v2.RandomHorizontalFlip(), v2.ToImage()]),
        v2.Compose([T.RandomRotation(20), v2.RandomHorizontalFlip(0.2), T.ToTensor()]),
    ],
    ids=lambda transform: repr(transform).replace("\n", "")[:60],
)
def test_other_ways_to_a_tensor(transform: Any) -> None:
    assert same_both_ways(lambda: DataLoader(mnist(transform), 30)).plain == 0


_STEPS = st.lists(st.sampled_from(sorted(_KNOWN)), max_size=3)


_places: Any = np.arange(3, 60)


def _sampled(dataset: Any, kind: str, batch: int) -> DataLoader[Any]:
    draws = torch.Generator().manual_seed(12)
    if kind == "own generator":
        return DataLoader(dataset, batch, shuffle=True, generator=draws)
    if kind == "with replacement":
        return DataLoader(
            dataset, batch, sampler=data.RandomSampler(dataset, replacement=True, num_samples=70)
        )
    if kind == "weighted":
        weights = torch.rand(len(dataset), generator=draws).tolist()
        return DataLoader(dataset, batch, sampler=data.WeightedRandomSampler(weights, 50), drop_last=True)
    if kind == "subset":
        return DataLoader(dataset, batch, sampler=data.SubsetRandomSampler(_places))
    if kind == "batches":
        return DataLoader(
            dataset, batch_sampler=data.BatchSampler(data.SequentialSampler(dataset), batch, False)
        )
    if kind == "split":
        first, _ = data.random_split(dataset, [60, len(dataset) - 60])
        return DataLoader(first, batch, shuffle=True)
    return DataLoader(dataset, batch, shuffle=kind == "shuffled", drop_last=kind == "dropped")


_SAMPLERS = (
    "own generator, with replacement, weighted, subset, batches, split, shuffled, dropped, in order".split(
        ", "
    )
)


@settings(max_examples=40, deadline=None)
@given(
    names=_STEPS,
    gray=st.booleans(),
    sampler=st.sampled_from(_SAMPLERS),
    batch=st.integers(8, 50),
    seed=st.integers(0, 2**32 - 1),
    most=st.integers(1, 8),
)
def test_any_of_them(  # noqa: PLR0913, PLR0917  (a loader is the sum of these)
    names: list[str], gray: bool, sampler: str, batch: int, seed: int, most: int
) -> None:
    transform = T.Compose([*(one for name in names for one in _KNOWN[name]()), T.ToTensor()])
    dataset = (mnist if gray else cifar)(transform)
    make = functools.partial(_sampled, dataset, sampler, batch)
    with contextlib.suppress(ValueError):  # a crop of what an earlier one has left too small
        dataset[0]
        same_both_ways(make, seed=seed, most=most, passes=2)


@pytest.mark.parametrize("kind", [datasets.FashionMNIST, datasets.KMNIST])
def test_data_sets_read_as_mnist_is(kind: Any) -> None:
    assert same_both_ways(lambda: DataLoader(made_up(kind, T.ToTensor()), 30)).plain == 0


@pytest.mark.parametrize(
    "chosen", [range(9, 80), tuple(range(40)), np.arange(40), torch.arange(40), np.arange(40).tolist() * 3]
)
def test_subsets(chosen: Any) -> None:
    part = Subset(Subset(mnist(T.ToTensor()), range(5, COUNT)), chosen)
    assert same_both_ways(lambda: DataLoader(part, 20, shuffle=True)).plain <= 1  # fewer than 8 are left over


def test_pictures_and_labels_that_are_changed_on_the_way() -> None:
    dataset = mnist(T.Compose([T.RandomRotation(5), T.ToTensor()]))

    def make() -> DataLoader[Any]:
        dataset.data = mnist(None).data[:64]
        dataset.targets = (mnist(None).targets[:64] == 3).to(torch.uint8)
        dataset.transform.transforms[0].degrees = [-5.0, 5.0]
        loader = DataLoader(dataset, 16, shuffle=True)

        class Changing(DataLoader[Any]):
            def __iter__(self) -> Any:
                for number, batch in enumerate(super().__iter__()):
                    yield batch
                    dataset.data[:] = 255 - dataset.data
                    dataset.targets[number] = 1
                    dataset.transform.transforms[0].degrees = [0.0, 90.0]

        return Changing(dataset, 16, sampler=loader.sampler)

    assert same_both_ways(make, passes=2).plain == 0


def test_workers_and_pinned_memory_are_the_loaders_affair() -> None:
    """What loading.py leaves of them gets here as a plain loader."""

    def make() -> DataLoader[Any]:
        return DataLoader(mnist(T.ToTensor()), 20, pin_memory=False, drop_last=True, worker_init_fn=print)

    assert same_both_ways(make).plain == 0


@pytest.mark.parametrize("words", [1, 2, 3, 7])
def test_numbers_drawn_at_once_are_those_drawn_one_by_one(words: int) -> None:
    kinds = [
        steps.Draw("uniform", -7.0, 7.0),
        steps.Draw("randint", 0, 9),
        steps.Draw("rand"),
        steps.Draw("uniform", 0.1, 0.30000001),
    ]
    draws = tuple(kinds[number % 4] for number in range(words))

    @dataclass
    class Step:
        draws: tuple[Any, ...]

        def apply(self, images: Any, _drawn: Any) -> Any:
            return images

    step = Step(draws)
    torch.manual_seed(1)
    torch.randn(1)  # one more is kept by the generator, and must still be there
    one_by_one = [[float(draw.of(1)) for draw in draws] for _ in range(333)]
    after = torch.get_rng_state()
    torch.manual_seed(1)
    torch.randn(1)
    (columns,) = steps.draw_all([step], 333)
    assert [list(map(float, row)) for row in zip(*columns, strict=True)] == one_by_one
    assert torch.equal(torch.get_rng_state(), after)


_NUMBERS = st.one_of(st.floats(-3, 3), st.fractions(-3, 3, max_denominator=12).map(float), st.just(0.0))
_PLACES = st.one_of(st.floats(-40, 40), st.fractions(-40, 40, max_denominator=24).map(float))
_MATRICES = st.one_of(
    st.tuples(_NUMBERS, _NUMBERS, _PLACES, _NUMBERS, _NUMBERS, _PLACES),
    st.tuples(_NUMBERS, st.just(0.0), _PLACES, st.just(0.0), _NUMBERS, _PLACES),
)


@settings(max_examples=120, deadline=None)
@given(
    matrices=st.lists(_MATRICES, min_size=1, max_size=4),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    channels=st.sampled_from([1, 3]),
    between=st.booleans(),
)
@example([(1 / 3, 0, 1 / 6, 0, -1 / 3, 5.5)], (30, 30), 1, False)
@example([(1.1, 0, 0.55, 0, 0.7, -0.35)], (40, 40), 3, False)
def test_pillows_affine(matrices: list[Any], size: tuple[int, int], channels: int, between: bool) -> None:
    """Also where a place falls on the border between two pixels."""
    shape = (len(matrices), *size, channels)
    pictures = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    fill = (7, 250, 99)[:channels]
    ours = (affine.bilinear if between else affine.nearest)(pictures, np.array(matrices, float), fill)
    way = Image.Resampling.BILINEAR if between else Image.Resampling.NEAREST
    for matrix, picture, one in zip(matrices, pictures, ours, strict=True):
        source = Image.fromarray(picture[..., 0] if channels == 1 else picture)
        colour = fill if channels == 3 else fill[0]
        theirs = source.transform(source.size, Image.Transform.AFFINE, matrix, way, fillcolor=colour)
        assert np.array_equal(one.reshape(shape[1:]), np.asarray(theirs).reshape(shape[1:]))


def test_what_fixed_point_cannot_follow_is_left_to_pillow() -> None:
    pictures = np.zeros((1, 28, 28, 1), np.uint8)
    for far in (40_000.0, -40_000.0, float("nan"), float("inf")):
        for interpolate in (affine.nearest, affine.bilinear):
            with pytest.raises(affine.OutOfRange):
                interpolate(pictures, np.array([[1.0, 0, far, 0, 1, 0]]), (0,))
    transform = T.Compose([T.RandomAffine(0, shear=(89.999, 90.0)), T.ToTensor()])
    counted = same_both_ways(lambda: DataLoader(mnist(transform), 30))
    assert counted.plain == 3


@pytest.mark.skipif(not REAL, reason="AUTOGRADER_DATA names no course data")
def test_real_mnist() -> None:
    found = digits.find("mnist", Path(REAL))
    assert found is not None
    training, test, _ = digits.read("mnist", found, print)
    normalize = T.Normalize((0.1307,), (0.3081,))
    for split in (training, test):
        dataset = mnist(T.Compose([T.RandomRotation((-7.0, 7.0), fill=(1,)), T.ToTensor(), normalize]))
        dataset.data = torch.from_numpy(np.array(split.images))
        dataset.targets = torch.from_numpy(np.array(split.labels, np.int64))
        make = functools.partial(DataLoader, dataset, 128, shuffle=True)
        assert same_both_ways(make, most=20).plain == 0


def test_a_difference_would_be_seen() -> None:
    """The comparison that all of this rests on."""
    make = lambda: DataLoader(mnist(T.ToTensor()), 30, shuffle=True)  # noqa: E731
    first, second = take(make), take(make)
    assert all_as(first, second)
    assert not all_as(first, take(make, seed=4))
    second[0].batch[0][0, 0, 3, 3] += 2**-20
    second[1].generator[17] ^= 1
    second[2].batch[1][4] += 1
    assert [one.is_as(other) for one, other in zip(first, second, strict=True)] == [False] * 3 + [True]
    first[3].batch.append(torch.zeros(1))
    second[3].batch.append(-torch.zeros(1))
    assert not first[3].is_as(second[3])
