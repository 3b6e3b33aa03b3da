"""Networks that are built alike, and such that aren't."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from autograder.checks.models.architecture import (
    architecture_of,
    fingerprint,
    known,
    known_version,
    same_architecture,
)
from tests.checks.models.exporting import Net, weighed


class Block(nn.Module):
    """ResNet's, as a student writes it: other names, functions for modules."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.a, self.na = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.b, self.nb = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.short = nn.Sequential()
        if stride != 1:
            self.short = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.nb(self.b(functional.relu(self.na(self.a(x)))))
        return functional.relu(self.short(x) + out)


def resnet(blocks: tuple[int, ...], classes: int) -> nn.Module:
    parts: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    parts.append(nn.MaxPool2d(3, 2, 1))
    before = 64
    for at, count in enumerate(blocks):
        width = 64 << at
        for number in range(count):
            parts.append(Block(before, width, 2 if at and not number else 1))
            before = width
    body = nn.Sequential(*parts, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(512, classes))
    return Net(lambda self, x: torch.log_softmax(self.body((x - 0.45) / 0.225), 1), body=body)


def test_torchvisions_own_are_known_apart() -> None:
    assert {"resnet18", "resnet50", "vgg16_bn", "densenet121", "vit_b_16", "swin_t"} <= {*known().values()}
    assert len(known()) == 80
    assert known_version().startswith("0.28")


@pytest.mark.parametrize(("blocks", "name"), [((2, 2, 2, 2), "resnet18"), ((2, 2, 2, 3), "")])
def test_a_resnet_under_another_name(blocks: tuple[int, ...], name: str) -> None:
    assert architecture_of(weighed(resnet(blocks, 10), (3, 64, 64))) == name


def test_what_makes_no_difference_and_what_does() -> None:
    def small(
        width: int = 4, classes: int = 10, kernel: int = 3, act: type[nn.Module] = nn.ReLU
    ) -> nn.Module:
        parts = [nn.Conv2d(1, width, kernel), act(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*parts, nn.Linear(width, classes))

    one = weighed(small())
    assert same_architecture(one, weighed(small(classes=7), (1, 20, 20)))
    others = [weighed(model) for model in (small(width=5), small(kernel=5), small(act=nn.Tanh))]
    assert not any(same_architecture(one, other) for other in others)
    assert architecture_of(one) == ""
    mine, theirs = (fingerprint(each.graph, each.living) for each in (one, others[2]))
    assert 0 < mine.alike(theirs) < mine.alike(mine) == 1
