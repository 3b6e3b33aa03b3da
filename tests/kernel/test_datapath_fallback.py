"""What isn't known goes the student's own way, and what came out otherwise is never handed out again."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Subset
from torch.utils.data._utils import collate

from tests.kernel.cells import make_mnist, run_cells
from tests.kernel.datapaths import (
    T,
    all_as,
    cifar,
    datasets,
    in_memory,
    made_up,
    mnist,
    same_both_ways,
    steps,
    take,
    trust,
)
from tests.kernel.metered import installed


class MyRotation(T.RandomRotation):  # type: ignore[misc]  # torchvision has no types
    pass


class MyMNIST(datasets.MNIST):  # type: ignore[misc]
    def __getitem__(self, index: int) -> Any:
        picture, label = super().__getitem__(index)
        return picture, label + 1


def _with(transform: Any, **attributes: Any) -> Any:
    for name, value in attributes.items():
        setattr(transform, name, value)
    return transform


def _hooked(transform: Any) -> Any:
    transform.register_forward_hook(lambda _module, _inputs, output: output)
    return transform


_UNKNOWN: dict[str, Callable[[], Any]] = {
    "lambda": lambda: T.Lambda(lambda picture: picture),
    "function": lambda: lambda picture: picture,
    "subclass": lambda: MyRotation(5),
    "jitter": lambda: T.ColorJitter(0.3),
    "applied by chance": lambda: T.RandomApply([T.RandomRotation(9)]),
    "sequential": lambda: nn.Sequential(T.RandomRotation(9)),
    "expanded": lambda: T.Compose([T.RandomRotation((9, 9), expand=True)]),
    "bicubic": lambda: T.RandomRotation(9, interpolation=T.InterpolationMode.BICUBIC),
    "resized": lambda: T.Resize(20),
    "hooked": lambda: _hooked(T.RandomRotation(9)),
    "own forward": lambda: _with(T.RandomRotation(9), forward=lambda picture: picture),
    "own parameters": lambda: _with(T.RandomRotation(9), get_params=lambda _degrees: 4.0),
    "a tensor's share": lambda: T.RandomHorizontalFlip(torch.tensor(0.5)),
    "not a number": lambda: T.RandomHorizontalFlip(float("nan")),
    "too bright": lambda: T.RandomRotation(9, fill=300),
    "padded to fit": lambda: T.RandomCrop(40, pad_if_needed=True),
    "cut by padding": lambda: T.Pad(-2),
    "center beyond": lambda: T.CenterCrop(40),
}


@pytest.mark.parametrize("name", _UNKNOWN)
def test_an_unknown_transform(name: str) -> None:
    transform = T.Compose([_UNKNOWN[name](), T.ToTensor()])
    assert same_both_ways(lambda: DataLoader(mnist(transform), 30, shuffle=True)).plain == 3


@pytest.mark.parametrize(
    "transform",
    [
        T.Compose([T.ToTensor(), T.RandomRotation(9)]),
        T.Compose([T.ToTensor(), T.RandomErasing()]),
        T.Compose([T.ToTensor(), T.RandomCrop(28, padding=2, padding_mode="reflect")]),
        T.Compose([T.ToTensor(), T.Pad(1, fill=0.5)]),
        T.Compose([T.ToTensor(), T.ConvertImageDtype(torch.float64)]),
        T.Compose([T.PILToTensor(), T.ConvertImageDtype(torch.float64)]),
        T.Compose([T.Compose([T.Compose([T.Compose([T.Compose([T.ToTensor()])])])])]),
        lambda picture: torch.from_numpy(np.array(picture)),
    ],
    ids=lambda transform: repr(transform).replace("\n", "").partition(" at 0x")[0][:60],
)
def test_an_unknown_order(transform: Any) -> None:
    assert same_both_ways(lambda: DataLoader(mnist(transform), 30)).plain == 3


def _collated(batch: Any) -> Any:
    return collate.default_collate(batch)  # type: ignore[no-untyped-call]


def _batches(dataset: Any, batches: list[Any]) -> DataLoader[Any]:
    return DataLoader(dataset, batch_sampler=batches)


_LOADERS: dict[str, Callable[[Any], DataLoader[Any]]] = {
    "own collate": lambda d: DataLoader(d, 30, collate_fn=_collated),
    "own class": lambda _: DataLoader(made_up(MyMNIST, T.ToTensor()), 30),
    "own labels": lambda _: DataLoader(mnist(T.ToTensor(), target_transform=lambda label: -label), 30),
    "put together": lambda d: DataLoader(ConcatDataset([d, d]), 30),
    "one by one": lambda d: DataLoader(d, batch_size=None, sampler=range(20)),
    "few at a time": lambda d: DataLoader(Subset(d, range(20)), 4),
    "from the end": lambda d: _batches(d, [[-1, -2, *range(10)]]),
    "a tuple": lambda d: _batches(d, [tuple(range(10))]),
    "an array": lambda d: _batches(d, [np.arange(10)]),
    "one subset's own": lambda d: DataLoader(
        _with(Subset(d, range(40)), __getitems__=lambda _: [(1, 2)]), 10
    ),
    "its own": lambda d: DataLoader(_with(d, __getitems__=lambda _: [(1, 2)]), 10),
    "pictures of floats": lambda d: DataLoader(_with(d, data=d.data.float()), 10),
    "labels of floats": lambda d: DataLoader(_with(d, targets=d.targets + 0.5), 10),
    "labels of arrays": lambda _: DataLoader(_with(cifar(T.ToTensor()), targets=np.arange(90)), 10),
    "labels of truth": lambda _: DataLoader(_with(cifar(T.ToTensor()), targets=[True] * 90), 10),
    "subsets of subsets": lambda d: DataLoader(
        Subset(Subset(Subset(Subset(d, range(9)), range(9)), range(9)), range(9)), 9
    ),
    "chosen by names": lambda d: DataLoader(Subset(d, dict.fromkeys(range(9), 3)), 9),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", _LOADERS)
def test_an_unknown_loader(name: str) -> None:
    counted = same_both_ways(lambda: _LOADERS[name](mnist(T.Compose([T.RandomRotation(5), T.ToTensor()]))))
    assert counted.plain > 0


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: _batches(mnist(T.ToTensor()), [list(range(84, 94))]), IndexError),
        (lambda: DataLoader(Subset(mnist(T.ToTensor()), [*range(20), 200]), 21), IndexError),
        (
            lambda: DataLoader(mnist(T.Compose([T.ToTensor(), T.Normalize((0.1,), (0.0,))])), 20),
            ValueError,
        ),
        (
            lambda: DataLoader(
                mnist(T.Compose([T.ToTensor(), T.Normalize((0.1, 0.2), (1, 1))])),
                20,
            ),
            RuntimeError,
        ),
        (
            lambda: DataLoader(mnist(T.Compose([T.RandomCrop(30), T.ToTensor()])), 20),
            ValueError,
        ),
        (
            lambda: DataLoader(
                mnist(T.Compose([T.RandomRotation(9, fill=(1, 2, 3)), T.ToTensor()])),
                20,
            ),
            ValueError,
        ),
        (
            lambda: DataLoader(mnist(T.Compose([T.Normalize((0.1,), (0.3,))])), 20),
            TypeError,
        ),
        (lambda: DataLoader(mnist(None), 20), TypeError),
        (lambda: DataLoader(mnist(T.RandomRotation(9)), 20), TypeError),
    ],
)
def test_a_mistake_keeps_its_own_error(make: Callable[[], DataLoader[Any]], error: type[Exception]) -> None:
    with pytest.raises(error) as expected:
        take(make)
    with in_memory(), pytest.raises(error) as found:
        take(make)
    assert str(found.value) == str(expected.value)


def _turned_by_nothing(picture: Any, *_: Any, **__: Any) -> Any:
    return picture


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (T.functional, "rotate", _turned_by_nothing),
        (T.RandomRotation, "forward", lambda _self, picture: picture),
        (T.RandomRotation, "get_params", staticmethod(lambda _degrees: 3.0)),
        (T.ToTensor, "__call__", lambda _self, _picture: torch.ones(1, 2, 2)),
        (PIL.Image.Image, "rotate", _turned_by_nothing),
        (datasets.MNIST, "__getitem__", lambda _self, index: (torch.ones(3), index)),
        (datasets.MNIST, "__getitems__", lambda _self, many: [(torch.ones(3), 0) for _ in many]),
        (collate, "collate_tensor_fn", lambda *_, **__: 3),
        (torch, "rand", lambda *_: torch.zeros(1)),
        (torch.Tensor, "uniform_", lambda tensor, *_: tensor.fill_(2.0)),
        (torch.Tensor, "div", lambda tensor, other: tensor * other),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_replaced_function(owner: Any, name: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> DataLoader[Any]:
        return DataLoader(
            mnist(T.Compose([T.RandomRotation(5), T.RandomHorizontalFlip(), T.ToTensor()])),
            30,
        )

    with in_memory() as counted:
        taken = take(make)
        assert counted.plain == 0
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, value, raising=False)
            found = take(make)
        assert counted.plain == 3
        assert all_as(take(make), taken)
        assert counted.plain == 3
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, value, raising=False)
        assert len(take(make)) == len(found)


def test_what_is_set_for_all_of_torch() -> None:
    def make() -> DataLoader[Any]:
        return DataLoader(mnist(T.ToTensor()), 30)

    hooks = nn.modules.module
    with in_memory() as counted:
        torch.set_default_dtype(torch.float64)
        try:
            assert take(make)[0].batch[0].dtype is torch.float64
        finally:
            torch.set_default_dtype(torch.float32)
        assert counted.plain == 3
        with torch.device("cpu"):
            take(make)
        assert counted.plain == 6
        handle = hooks.register_module_forward_hook(lambda *_: None)
        take(make)
        handle.remove()
        assert counted.plain == 9
        handle = hooks.register_module_forward_pre_hook(lambda *_: None)
        take(make)
        handle.remove()
        assert counted.plain == 12
        collate.default_collate_fn_map[complex] = collate.collate_int_fn
        take(make)
        del collate.default_collate_fn_map[complex]
        assert counted.plain == 15
        with torch.inference_mode():
            assert take(make)[0].batch[0].is_inference()
        assert counted.plain == 15


def test_it_can_be_switched_off() -> None:
    with in_memory() as counted:
        counted.context.in_memory = False
        take(lambda: DataLoader(mnist(T.ToTensor()), 30))
        assert counted.plain == 3


# Tests of itself


def _rotating() -> DataLoader[Any]:
    return DataLoader(mnist(T.Compose([T.RandomRotation(40), T.ToTensor()])), 10, shuffle=True)


def test_the_first_batches_are_the_loaders_own_and_it_is_told_once() -> None:
    expected = take(_rotating, passes=2)
    with in_memory(tested=2) as counted:
        assert all_as(take(_rotating, passes=2), expected)
    assert counted.plain == 2
    (use,) = counted.uses
    assert use[0] == "data path"
    assert use[1].startswith("batches of MNIST (RandomRotation, ToTensor) are made in memory")


def _upside_down(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = steps.Rotate.apply
    monkeypatch.setattr(steps.Rotate, "apply", lambda *given: usual(*given)[:, ::-1])


def _one_more_number(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = steps.Rotate.apply

    def apply(*given: Any) -> Any:
        torch.rand(1)
        return usual(*given)

    monkeypatch.setattr(steps.Rotate, "apply", apply)


def _pythons_own(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = steps.Rotate.apply

    def apply(*given: Any) -> Any:
        random.random()  # noqa: S311  (a number, no secret)
        return usual(*given)

    monkeypatch.setattr(steps.Rotate, "apply", apply)


def _minus_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = steps.ToFloat.apply
    monkeypatch.setattr(
        steps.ToFloat, "apply", lambda *given: torch.where(usual(*given) == 0, -0.0, usual(*given))
    )


@pytest.mark.parametrize("break_it", [_upside_down, _one_more_number, _pythons_own, _minus_zero])
def test_what_comes_out_otherwise_is_left_to_the_loader(
    break_it: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = take(_rotating, passes=2)
    break_it(monkeypatch)
    with in_memory(tested=2) as counted:
        assert all_as(take(_rotating, passes=2), expected)
    assert counted.plain == 18
    (use,) = counted.uses
    assert use == (
        "data path",
        "batches of MNIST (RandomRotation, ToTensor) came out otherwise in memory, so the loader makes them",
    )


def test_a_later_batch_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with in_memory(tested=1, spot_every=8) as counted:
        taken = take(_rotating, most=5)
        assert counted.plain == 1
        _upside_down(monkeypatch)
        dataset = counted.path._trusted
        assert len(dataset) == 0  # a data set that is gone isn't kept
        loader = _rotating()
        torch.manual_seed(3)
        for number, _ in enumerate(loader):
            if number == 0:
                assert counted.plain == 2
        assert [kind for kind, _ in counted.uses] == ["data path", "data path"]
    assert len(taken) == 6


def test_a_fault_of_ours_is_nobodys_business(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = take(_rotating)

    def apply(*_: Any) -> Any:
        torch.rand(5)
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(steps.Rotate, "apply", apply)
    for tested in (0, 2):
        with in_memory(tested=tested) as counted:
            assert all_as(take(_rotating), expected)
        assert counted.plain == 9
        assert counted.uses == [("fault", "data path: ZeroDivisionError: of ours")]


def test_a_setting_that_is_changed_is_tested_anew() -> None:
    dataset = mnist(T.Compose([T.RandomRotation(5), T.ToTensor()]))
    loader = DataLoader(dataset, 10)
    with in_memory(tested=2) as counted:
        list(loader)
        assert counted.plain == 2
        list(loader)
        assert counted.plain == 2
        dataset.transform.transforms[0].fill = 9
        list(loader)
        assert counted.plain == 4
        dataset.transform = T.Compose([T.RandomRotation(5), T.ToTensor()])
        list(loader)
        assert counted.plain == 4  # as it was at first


def test_random_states_are_read_and_put_back() -> None:
    before = trust._Generators.now()

    def draw() -> tuple[Any, ...]:
        return torch.randn(3).tolist(), random.gauss(), np.random.standard_normal()

    drawn = draw()
    assert trust._Generators.now() != before
    before.restore()
    assert trust._Generators.now() == before
    assert draw() == drawn


# With the other parts


def _train(tree: Path, *, memory: bool) -> tuple[Any, list[float]]:
    """What the meter saw of a small training and its evaluation, and the weights that came out."""
    with pytest.MonkeyPatch.context() as patch:
        metered = installed(patch, tree)
        torch.manual_seed(5)
        transform = T.Compose([T.RandomRotation(7), T.ToTensor()])
        train = DataLoader(mnist(transform), 20, shuffle=True)
        test = DataLoader(mnist(T.ToTensor()), 45)
        network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        optimizer = torch.optim.SGD(network.parameters(), 0.01)
        with in_memory(tested=2) as counted, metered.cell(1):
            if not memory:
                counted.context.in_memory = False
            for _ in range(3):
                for pictures, labels in train:
                    optimizer.zero_grad()
                    nn.functional.cross_entropy(network(pictures), labels).backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
                with torch.no_grad():
                    for pictures, _ in test:
                        network(pictures)
        seen = metered.meter.snapshot()
        for run in seen["runs"]:
            for name in ("rate", "between_s", "seconds"):
                del run[name]
        return seen, network[1].weight.flatten().tolist()  # type: ignore[operator]


def test_the_meter_sees_the_same(tmp_path: Path) -> None:
    plain, weights = _train(tmp_path, memory=False)
    seen, same_weights = _train(tmp_path, memory=True)
    assert seen == plain
    assert weights == same_weights
    assert [one["passes"] for one in seen["evaluations"]] == [3]


def test_a_notebook_gets_it(tmp_path: Path) -> None:
    tree, course = tmp_path / "tree", tmp_path / "course"
    tree.mkdir()
    make_mnist(course, packed=False)
    head = (
        "import torch\nfrom torchvision import datasets, transforms as T\n"
        "from torch.utils.data import DataLoader\n"
        "d = datasets.MNIST('x', download=True, "
        "transform=T.Compose([T.RandomAffine(5, (0.1, 0.1)), T.ToTensor()]))\n"
        "l = DataLoader(d, 10, shuffle=True, num_workers=2, pin_memory=True)\n"
    )
    loop = (
        "for _ in range(4):\n    for x, y in l: assert (x.shape[1:], y.dtype) == ((1, 28, 28), torch.int64)\n"
    )
    first, second, third = run_cells([head, loop, loop], tree, data=course)
    assert [first.error, second.error, third.error] == ["", "", ""]
    assert first.kinds == {"data", "workers", "gpu"}
    assert second.uses == [
        (
            "data path",
            "batches of MNIST (RandomAffine, ToTensor) are made in memory, equal to the loader's to the bit",
        )
    ]
    assert third.uses == []
