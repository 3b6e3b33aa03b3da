"""A notebook's run as the meter sees it: the meter is installed in this process and taken out afterwards."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, dataloader

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.meter import Meter
from autograder.sandbox.training import Training, TrainingRun


class Metered:
    """``with metered.cell(3):`` runs what stands below as cell 3."""

    def __init__(self, tree: Path) -> None:
        self.context = Context(tree)
        self.meter = Meter(self.context)

    @contextmanager
    def cell(self, number: int) -> Iterator[None]:
        self.context.cell = number
        try:
            yield
        finally:
            self.context.cell = 0

    def training(self) -> Training:
        """What the trusted side reads, by way of the JSON that crosses over."""
        text = json.dumps(self.meter.snapshot(), allow_nan=False)
        assert len(text) < 1 << 20
        training = Training.from_json(json.loads(text))
        assert (training.dropped, training.errors, training.error) == (0, 0, "")
        return training

    def only_run(self) -> TrainingRun:
        (run,) = self.training().runs
        return run


def installed(monkeypatch: pytest.MonkeyPatch, tree: Path) -> Metered:
    """With all that it replaces put back at the test's end."""
    optimizers = sys.modules["torch.optim.optimizer"]
    for owner, name in (
        (torch.autograd, "backward"),
        (torch.autograd, "grad"),
        (DataLoader, "__iter__"),
        (dataloader._BaseDataLoaderIter, "__next__"),
        (torch.amp.GradScaler, "scale"),
        (torch, "load"),
        (torch.jit, "load"),
        (nn.Module, "load_state_dict"),
        (sys, "meta_path"),
    ):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    for hooks in ("_global_optimizer_pre_hooks", "_global_optimizer_post_hooks"):
        monkeypatch.setattr(optimizers, hooks, OrderedDict(getattr(optimizers, hooks)))
    metered = Metered(tree)
    metered.meter.install()
    return metered


SIZE, CLASSES, EXAMPLES, BATCH = 8, 3, 256, 32


def examples(count: int = EXAMPLES, seed: int = 1) -> TensorDataset:
    """Points that a linear classifier can tell apart."""
    rng = torch.Generator().manual_seed(seed)
    points = torch.randn(count, SIZE, generator=rng)
    weights = torch.randn(SIZE, CLASSES, generator=torch.Generator().manual_seed(0))
    return TensorDataset(points, (points @ weights).argmax(1))


def loader(count: int = EXAMPLES, batch: int = BATCH, **named: Any) -> DataLoader[Any]:
    return DataLoader(examples(count), batch_size=batch, **named)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(SIZE, 16), nn.ReLU(), nn.Linear(16, CLASSES))
