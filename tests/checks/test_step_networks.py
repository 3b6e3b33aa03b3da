"""A step's network is weighed as data, whatever its own code says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import nn

from autograder.checks.step_networks import chosen, in_words, last_epochs
from autograder.outcome import StudentException
from autograder.sandbox.exported import Export, Exports
from autograder.sandbox.submission import Scene
from tests.checks.models.exporting import Net, export

PROBES = np.zeros((1, 28, 28), dtype=np.uint8)


def small(**parts: Any) -> Net:
    """A convolution of 8 channels, global average pooling, and a head: 80 + 90 parameters."""

    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = net.head(torch.relu(net.conv(x)).mean((2, 3)))
        return found

    return Net(run, **({"conv": nn.Conv2d(1, 8, 3), "head": nn.Linear(8, 10)} | parts))


PLAIN = export(small())


def exports(*found: Export) -> Exports:
    return Exports(found, (), ())


def test_a_network_is_weighed_with_its_receptive_field() -> None:
    found = chosen(exports(PLAIN), {170})
    assert found.weighed is not None
    assert (found.weighed.counted, found.others) == (170, 0)
    assert [row.field_out for row in found.rows][:1] == [3]
    assert in_words(found).startswith("1 convolutions, no batch norm, no dropout")


def frozen() -> Net:
    net = small()
    net.conv.weight.requires_grad_(False)  # type: ignore[union-attr]
    return net


def tied() -> Net:
    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = net.head(net.again(torch.relu(net.first(net.conv(x)))).mean((2, 3)))
        return found

    net = Net(run, conv=nn.Conv2d(1, 8, 3), first=nn.Conv2d(8, 8, 3), again=nn.Conv2d(8, 8, 3),
              head=nn.Linear(8, 10))  # fmt: skip
    net.again.weight = net.first.weight  # type: ignore[union-attr]
    return net


class Lies(nn.Module):
    """Its parameters() keeps the convolution's to itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 8, 3), nn.Linear(8, 10)

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        return iter(list(super().parameters(recurse))[-1:])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(torch.relu(self.conv(x)).mean((2, 3)))
        return found


def hidden() -> Net:
    extra = torch.randn(26, 26)

    def run(net: Any, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = net.head(torch.relu(net.conv(x) + extra).mean((2, 3)))
        return found

    return Net(run, conv=nn.Conv2d(1, 8, 3), head=nn.Linear(8, 10))


@pytest.mark.parametrize(
    ("make", "counted", "said", "named"),
    [
        (frozen, 170, 170, "frozen"),
        (tied, 80 + 584 + 8 + 90, 80 + 584 + 8 + 90, "tied"),
        (lambda: small(spare=nn.Linear(100, 100)), 170, 170 + 10_100, "unused"),
        (Lies, 170, 10, ""),
        (hidden, 170 + 676, 170, "hidden"),
    ],
    ids=["frozen", "tied", "unused", "a parameters() that lies", "hidden"],
)
def test_what_the_code_says_is_held_against_the_graph(
    make: Callable[[], nn.Module], counted: int, said: int, named: str
) -> None:
    found = chosen(exports(export(make())), set())
    assert found.weighed is not None
    assert (found.weighed.counted, found.weighed.said) == (counted, said)
    if named:
        assert getattr(found.weighed, named)


def test_a_patched_numel_changes_nothing() -> None:
    told = replace(PLAIN.reported, said=17)  # what a patched torch.Tensor.numel makes of it in the box
    found = chosen(exports(replace(PLAIN, reported=told)), {17})
    assert found.weighed is not None
    assert (found.weighed.counted, found.weighed.said) == (170, 17)
    assert "17" in found.weighed.describe()


def test_of_several_networks_the_one_that_was_printed_is_meant() -> None:
    other = replace(export(small(conv=nn.Conv2d(1, 8, 5))), name="older")
    first = replace(PLAIN, name="net_1")
    for one, two, known, counted in (
        (other, first, {170}, 170),
        (first, other, {298}, 298),
        (other, first, set[int](), 170),  # its name is a usual one
    ):
        found = chosen(exports(one, two), known)
        assert found.weighed is not None
        assert (found.weighed.counted, found.others) == (counted, 1)


def test_a_network_that_has_no_graph_says_why() -> None:
    branching = replace(PLAIN, onnx=None, problem="its forward decides by the numbers that it is given")
    found = chosen(exports(branching), {170})
    assert found.weighed is None
    assert "decides by the numbers" in found.why
    assert chosen(Exports((), (), ("nothing was left behind",)), set()).why.endswith(
        "(nothing was left behind)"
    )
    junk = replace(PLAIN, onnx=b"\x08\x01junk")
    assert chosen(exports(junk), set()).weighed is None


# --- the last epochs --------------------------------------------------------------------------------------


@dataclass
class Kept:
    """A scene that kept some epochs' weights."""

    epochs: dict[int, Exports]
    left: Exports = field(default_factory=lambda: exports(PLAIN))
    asked: list[int | None] = field(default_factory=list)

    def export(self, _: np.ndarray, *, budget_s: float, snapshot: int | None = None) -> Exports:
        assert budget_s > 0
        self.asked.append(snapshot)
        if snapshot is not None and snapshot not in self.epochs:
            raise StudentException("it broke", exception="NameError")
        return self.left if snapshot is None else self.epochs[snapshot]

    @property
    def scene(self) -> Scene:
        return cast(Scene, self)


def test_each_epoch_is_asked_for_once() -> None:
    kept = Kept({-1: exports(PLAIN), -2: exports(replace(PLAIN, name="before"))})
    found = last_epochs(kept.scene, PROBES, 2)
    assert [one.networks[0].name for one in found.exports] == ["model", "before"]
    assert (found.kept, found.why, kept.asked) == (True, "", [-1, -2])


def test_what_the_run_left_will_do_where_nothing_was_kept() -> None:
    kept = Kept({})
    found = last_epochs(kept.scene, PROBES, 0)
    assert (found.kept, kept.asked, len(found.exports)) == (False, [None], 1)
    assert "DataLoader" in found.why


def test_a_network_without_a_graph_is_asked_once() -> None:
    kept = Kept({-1: exports(replace(PLAIN, onnx=None, problem="it branches"))})
    found = last_epochs(kept.scene, PROBES, 3)
    assert (found.kept, found.why, kept.asked, len(found.exports)) == (False, "it branches", [-1], 1)


def test_an_epoch_that_breaks_leaves_those_behind_it() -> None:
    found = last_epochs(Kept({-1: exports(PLAIN)}).scene, PROBES, 3)
    assert (len(found.exports), found.kept) == (1, True)
    assert found.why
