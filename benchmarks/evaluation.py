"""Evaluating a network: ONNX Runtime against eager torch, on one thread each.

`python -m benchmarks.evaluation [--images 2000] [--rounds 5]`. Both get the same prepared images in the same
batches, one after the other in each round, so that what slows a round down slows both.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from autograder.checks.models.running import batch_size
from benchmarks.figures import ratios, spread, table
from benchmarks.machine import ROOT, provenance


def mnist_network() -> nn.Module:
    """About 8,000 parameters, as the homework has them."""
    parts: list[nn.Module] = []
    before = 1
    for at, width in enumerate((8, 12, 16, 16, 20)):
        parts += [nn.Conv2d(before, width, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        parts += [nn.MaxPool2d(2)] if at == 1 else []
        before = width
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))


def cifar_network() -> nn.Module:
    """A plain network of the size that a CIFAR-10 notebook trains."""
    parts: list[nn.Module] = []
    before = 3
    for width in (32, 64, 128):
        parts += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)]
        parts += [nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]
        before = width
    return nn.Sequential(*parts, nn.Flatten(), nn.Linear(before * 16, 10))


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
    "MNIST, 8,000 parameters": (mnist_network, (1, 28, 28)),
    "CIFAR-10, 300,000 parameters": (cifar_network, (3, 32, 32)),
}


def room() -> Any:
    """The module that runs in the box, in this process."""
    path: Path = ROOT / "autograder" / "room" / "evaluator.py"
    spec = importlib.util.spec_from_file_location("evaluator", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def export(model: nn.Module, shape: tuple[int, ...]) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (torch.zeros(2, *shape),),
            dynamo=True,
            optimize=False,
            external_data=False,
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            verbose=False,
        )
    assert program is not None
    return np.frombuffer(program.model_proto.SerializeToString(), dtype=np.uint8)


def timed(run: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> tuple[float, np.ndarray]:
    size = batch_size(images.shape[1:])
    start = time.perf_counter()
    answers = [run(images[at : at + size]) for at in range(0, len(images), size)]
    return time.perf_counter() - start, np.concatenate(answers)


def measure(name: str, count: int, rounds: int) -> list[str]:
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    model = make().eval()
    evaluator = room()
    evaluator.load(export(model, shape))
    images = np.random.default_rng(0).random((count, *shape), dtype=np.float32)

    def eager(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return model(torch.from_numpy(batch)).numpy()  # type: ignore[no-any-return]

    ways = {"torch": eager, "ort": evaluator.logits}
    spent: dict[str, list[float]] = {way: [] for way in ways}
    for way in ways.values():
        timed(way, images[:128])  # a warm-up
    apart = 0.0
    for number in range(rounds):
        answers = []
        for way in [*ways] if number % 2 else [*reversed(ways)]:
            seconds, scores = timed(ways[way], images)
            spent[way].append(seconds)
            answers.append(scores)
        apart = max(apart, float(np.abs(answers[0] - answers[1]).max()))
        print(f"{name}: round {number + 1} of {rounds}", file=sys.stderr)
    each = 1000 / count
    return [
        name,
        spread(spent["torch"], "ms", scale=1000 * each),
        spread(spent["ort"], "ms", scale=1000 * each),
        spread(ratios(spent["torch"], spent["ort"])),
        f"{apart:.1e}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.evaluation")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    versions = {"torch": torch.__version__, "threads": "one for each"}
    counts = {"rounds": options.rounds, "images_a_round": options.images}
    print(provenance("Evaluation: ONNX Runtime and eager torch", versions, **counts))
    rows = [measure(name, options.images, options.rounds) for name in NETWORKS]
    head = [
        "network",
        "torch, 1,000 images",
        "ONNX Runtime, 1,000 images",
        "torch ÷ ONNX Runtime",
        "scores apart",
    ]
    print(table(head, rows))


if __name__ == "__main__":
    main()
