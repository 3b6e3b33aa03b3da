"""Small data sets in each of the forms that a course may have them in."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from autograder.datasets import cifar, mnist, pickles
from autograder.datasets.found import Split

PER_BATCH = 20


def digits(count: int, start: int = 0) -> Split:
    """Random pictures of 28x28; of every class some."""
    made = np.random.default_rng(start).integers(0, 256, (count, mnist.SIDE, mnist.SIDE), np.uint8)
    return Split(made, (np.arange(count, dtype=np.int64) + start) % mnist.CLASSES)


def write_idx(folder: Path, *, packed: bool = True) -> tuple[Split, Split]:
    """MNIST's four files, packed as they are downloaded or not."""
    training, test = digits(30), digits(20, start=3)
    mnist.write(folder, training, test)
    if packed:
        for path in list(folder.iterdir()):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    return training, test


def batches() -> list[Split]:
    """Six batches of CIFAR-10's layout: rows of 1,024 values of red, of green and of blue."""
    made = np.random.default_rng(1).integers(0, 256, (6, PER_BATCH, 3072), np.uint8)
    labels = np.arange(PER_BATCH, dtype=np.int64) % cifar.CLASSES
    return [Split(images, labels) for images in made]


def write_batches(folder: Path) -> list[Split]:
    """The folder of Python's pickles."""
    folder.mkdir(parents=True)
    made = batches()
    for name, batch in zip(cifar.BATCHES, made, strict=True):
        labels = [int(label) for label in batch.labels]
        (folder / name).write_bytes(pickles.write({"labels": labels, "data": batch.images}))
    (folder / cifar.META).write_bytes(pickles.write({"label_names": cifar.NAMES}))
    return made


def write_binary(folder: Path) -> list[Split]:
    """The folder of the binary version."""
    folder.mkdir(parents=True)
    made = batches()
    for name, batch in zip(cifar.BATCHES, made, strict=True):
        rows = np.hstack([batch.labels.astype(np.uint8)[:, None], batch.images])
        (folder / f"{name}.bin").write_bytes(rows.tobytes())
    return made


def pack(folder: Path, archive: Path) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, folder.name)


def plain(label: int, number: int) -> np.ndarray:
    """A picture of one colour, which JPEG keeps nearly as it is, and that tells which one it is."""
    return np.broadcast_to(np.array([label * 20 + 10, number * 10 + 5, 128], np.uint8), (32, 32, 3))


def write_jpegs(folder: Path, order: list[int], tests: int) -> None:
    """The archive of copies, with as many test images of each class, and the list of labels."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [("test", label, number) for label in range(cifar.CLASSES) for number in range(tests)]
    for label in range(cifar.CLASSES):
        pictures += [("train", label, number) for number in range(order.count(label))]
    with tarfile.open(folder / "cifar10-jpeg.tar.xz", "w:xz") as tar:
        for part, label, number in pictures:
            file = io.BytesIO()
            Image.fromarray(plain(label, number)).save(file, "JPEG", quality=95)
            info = tarfile.TarInfo(f"./{part}/{cifar.NAMES[label]}/{number:04d}.jpg")
            info.size = len(file.getvalue())
            tar.addfile(info, io.BytesIO(file.getvalue()))
    rows = [f"{number},{cifar.NAMES[label]}" for number, label in enumerate(order, start=1)]
    (folder / "kaggle_trainLabels.csv").write_text("\n".join(["id,label", *rows]) + "\n")
