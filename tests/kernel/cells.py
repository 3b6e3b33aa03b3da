"""Cells run with the accommodations, for the tests to look at."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a cell: what it printed, its error, and the accommodations that it used."""

    text: str
    error: str
    uses: list[tuple[str, str]]

    @property
    def kinds(self) -> set[str]:
        return {kind for kind, _ in self.uses}


def run_cells(
    cells: Sequence[str],
    tree: Path,
    *,
    data: Path | None = None,
    folder: Path | None = None,
    preload: Sequence[str] = (),
) -> list[Ran]:
    asked = {
        "tree": str(tree),
        "data": str(data) if data else None,
        "folder": str(folder or tree),
        "cells": list(cells),
        "preload": list(preload),
    }
    home = tree.parent / "home"
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.kernel.driver"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        cwd=_ROOT,
        timeout=300,
        env={
            **os.environ,
            "HOME": str(home),
            "IPYTHONDIR": str(home),
            "MPLCONFIGDIR": str(home),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "OMP_NUM_THREADS": "1",
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads(done.stdout.rpartition("\n")[2])
    return [
        Ran(one["text"], one["error"], [(kind, detail) for kind, detail in one["uses"]]) for one in results
    ]


def run_cell(cell: str, tree: Path, *, data: Path | None = None) -> Ran:
    (ran,) = run_cells([cell], tree, data=data)
    return ran


def make_mnist(data: Path, *, packed: bool, dataset: str = "MNIST") -> None:
    """Four small files in torchvision's layout: image n is filled with n, and its label is n % 10."""
    raw = data / dataset / "raw"
    raw.mkdir(parents=True)
    for part, count in (("train", 12), ("t10k", 5)):
        images = np.repeat(np.arange(count, dtype=np.uint8), 784).tobytes()
        labels = (np.arange(count) % 10).astype(np.uint8).tobytes()
        for what, magic, shape, content in (
            ("images-idx3", 2051, (count, 28, 28), images),
            ("labels-idx1", 2049, (count,), labels),
        ):
            header = b"".join(number.to_bytes(4, "big") for number in (magic, *shape))
            name = f"{part}-{what}-ubyte"
            if packed:
                (raw / f"{name}.gz").write_bytes(gzip.compress(header + content))
            else:
                (raw / name).write_bytes(header + content)


def make_cifar(data: Path) -> None:
    """Six small batches, none with bytes that torchvision knows the sum of, and no list of the classes."""
    folder = data / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        batch = {"data": np.full((2, 3072), number, np.uint8), "labels": [number, 9]}
        content = pickle.dumps(batch, protocol=2)
        for key in (b"data", b"labels"):  # texts without a language, as Python 2 wrote them
            content = content.replace(b"X%c\0\0\0" % len(key) + key, b"U%c" % len(key) + key)
        (folder / name).write_bytes(content)


def make_digits(data: Path) -> None:
    """`mnist_png`: three pictures of each digit for training, one for testing. Only their names count."""
    for part, count in (("training", 3), ("testing", 1)):
        for digit in range(10):
            folder = data / "mnist_png" / part / str(digit)
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}.png").write_bytes(b"")
