"""Trainings as the meter reports them, made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograder.sandbox.training import Training
from autograder.sandbox.training_weights import Beginning

PASS = 469  # batches of 128 in an epoch of MNIST


@dataclass(slots=True)
class Metered:
    """Collects runs, loaders and evaluations, and reads them as a report."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    loaders: list[dict[str, Any]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)

    def loader(
        self,
        *,
        train: bool | None = True,
        items: int = 60_000,
        of: int | None = None,
        batches: int | None = PASS,
        batch: int = 128,
    ) -> int:
        whole = of if of is not None else items
        part = {"name": "MNIST", "module": "torchvision", "items": items, "of": whole, "train": train}
        part |= {"split": "", "folders": [], "like": ""}
        number = len(self.loaders) + 1
        told = {"number": number, "cell": 1, "kind": "torch", "parts": [part], "batches": batches}
        self.loaders.append(told | {"batch": batch, "sampler": "RandomSampler"})
        return number

    def run(
        self,
        cell: int,
        epochs: float,
        loader: int | Sequence[int] | None,
        *,
        model: str = "Net",
        losses: tuple[float, float] | None = (2.3, 0.05),
        **changed: Any,
    ) -> None:
        steps = round(epochs * PASS)
        numbers = [loader] if isinstance(loader, int) else list(loader or [])
        feed = {"passes": int(epochs + 0.999), "complete": int(epochs), "batches": steps, "steps": steps}
        feed |= {"checked": 10, "proven": 10, "after_end": 0}
        told: dict[str, Any] = {
            "number": len(self.runs) + 1,
            "cell": cell,
            "optimizer": "SGD",
            "model": model,
        }
        told |= {"parameters": 7_900, "steps": steps, "backwards": steps, "batch": 128, "lr_most": 0.1}
        told["optimizer"] = "SGD"
        told |= {"change": 1.0, "cells": [{"cell": cell, "steps": steps, "passes": int(epochs)}]}
        told["losses"] = [[1, losses[0]], [max(steps, 2), losses[1]]] if losses else []
        told["feeds"] = [{"loader": one, **feed} for one in numbers]
        for name, value in changed.items():
            if name in feed:
                for each in told["feeds"]:
                    each[name] = value
            else:
                told[name] = value
        self.runs.append(told)

    def evaluated(self, loader: int, *, complete: int = 1, model: str = "Net") -> None:
        counts = {"loader": loader, "cell": 5, "passes": 1, "complete": complete, "batches": 10}
        counts |= {"with_grad": 0, "training_mode": 0, "eval_mode": 1}
        order = {"last_order": len(self.evaluations) + 1, "last_training": False, "model": model}
        self.evaluations.append(counts | order)

    def read(self) -> Training:
        told = {"runs": self.runs, "loaders": self.loaders, "evaluations": self.evaluations}
        training = Training.from_json(told)
        assert training.dropped == 0
        return training


def heavy(generator: np.random.Generator, name: str, shape: tuple[int, ...]) -> Beginning:
    """As the layers of networks that were trained for long: tails like Student's t with 4 degrees."""
    values = 0.02 * generator.standard_t(4, size=shape) - 0.003
    return Beginning(
        name, shape, float(values.mean()), float(values.std()), float(values.min()), float(values.max())
    )


def pretrained(layers: int = 8) -> list[Beginning]:
    generator = np.random.default_rng(0)
    tensors = []
    for at in range(layers):
        tensors.append(heavy(generator, f"conv{at}.weight", (64, 64, 3, 3)))
        for kind, mean, std in (("weight", 0.4, 0.1), ("bias", -0.1, 0.15), ("running_mean", -0.2, 0.4)):
            one = Beginning(f"bn{at}.{kind}", (64,), mean, std, mean - 3 * std, mean + 3 * std)
            tensors.append(one)
    return tensors
