"""The course's data folder as a notebook meets it: found by file name, by address, never by the network."""

from __future__ import annotations

import contextlib
import gzip
import io
import pickle
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

from autograder.sandbox.kernel.context import Context

KIND, MISSING = "data", "data missing"
CIFAR = {"cifar-10-batches-py": "CIFAR10", "cifar-100-python": "CIFAR100"}
_ARCHIVES = {"cifar-10-python.tar.gz": "cifar-10-batches-py", "cifar-100-python.tar.gz": "cifar-100-python"}
_LOOK_ALIKES = {"fashion": "FashionMNIST", "kmnist": "KMNIST"}  # by a word of the address
_IDX_HEADER = {"images": 16, "labels": 8}
IDX_FILES = tuple(
    f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")
)
_VALIDATION = 10_000  # images that the tutorials' mnist.pkl.gz holds out, the last of the training set


class Course:
    """The data folder. What is asked for and isn't there is None."""

    def __init__(self, context: Context) -> None:
        self._context, self._root = context, context.data

    def used(self, detail: str) -> None:
        self._context.used(KIND, detail)

    def missing(self, name: str) -> RuntimeError:
        """What to raise for a data set that isn't here; staff hear of it too."""
        self._context.used(MISSING, name)
        return RuntimeError(
            f"{name} isn't in the course's data folder, and nothing can be downloaded where notebooks run. "
            "If the homework needs it, tell the course staff."
        )

    def folder(self, *names: str) -> Path | None:
        """The first of these folders that is there."""
        places = [self._root / name for name in names] if self._root else []
        return next(filter(Path.is_dir, places), None)

    def idx_file(self, dataset: str, name: str) -> Path | None:
        """One of a MNIST-like data set's four files, unpacked or packed."""
        folder = self.folder(f"{dataset}/raw", dataset)
        files = [folder / name, folder / f"{name}.gz"] if folder else []
        return next(filter(Path.is_file, files), None)

    def has_idx(self, dataset: str) -> bool:
        return all(self.idx_file(dataset, name) for name in IDX_FILES)

    def read_idx(self, dataset: str, *, train: bool, what: str) -> np.ndarray[Any, Any]:
        """``what`` is "images" or "labels"."""
        name = f"{'train' if train else 't10k'}-{what}-idx{3 if what == 'images' else 1}-ubyte"
        file = self.idx_file(dataset, name)
        if file is None:
            raise self.missing(f"{dataset} ({name})")
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        values = np.frombuffer(content, np.uint8, offset=_IDX_HEADER[what])
        return (values.reshape(-1, 28, 28) if what == "images" else values).copy()

    def fetch(self, url: str, target: Path) -> bool:
        """Put what the address leads to at ``target`` if the data folder has it."""
        name = url.partition("?")[0].rstrip("/").rpartition("/")[2]
        if not self._write(name, url, target):
            return False
        self.used(f"{name} from the course's data folder, for {url}")
        return True

    def _write(self, name: str, url: str, target: Path) -> bool:
        if name in _ARCHIVES:
            return self._write_archive(_ARCHIVES[name], target)
        if name.removesuffix(".gz").replace(".idx", "-idx") in IDX_FILES:
            return self._write_idx(name.replace(".idx", "-idx"), url, target)
        if name in ("mnist.pkl.gz", "mnist.npz") and self.has_idx("MNIST"):
            _make_way(target)
            (self._write_pickle if name == "mnist.pkl.gz" else self._write_npz)(target)
            return True
        return False

    def _write_archive(self, folder: str, target: Path) -> bool:
        """An archive of one link, which unpacks to the folder: 180 MB less to write, twice."""
        there = self.folder(folder)
        if there is None:
            return False
        _make_way(target)
        with tarfile.open(target, "w:gz") as archive:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, str(there), 0o777
            archive.addfile(entry)
        return True

    def _write_idx(self, name: str, url: str, target: Path) -> bool:
        lower = url.lower()
        dataset = next((name for word, name in _LOOK_ALIKES.items() if word in lower), "MNIST")
        file = self.idx_file(dataset, name.removesuffix(".gz"))
        if file is None:
            return False
        _make_way(target)
        if file.suffix == target.suffix or (file.suffix != ".gz" and not name.endswith(".gz")):
            shutil.copyfile(file, target)
        elif file.suffix == ".gz":
            target.write_bytes(gzip.decompress(file.read_bytes()))
        else:
            target.write_bytes(gzip.compress(file.read_bytes(), 1))
        return True

    def _write_pickle(self, target: Path) -> None:
        """The file of many tutorials: ((images, labels), ...) for training, validation and test."""
        parts = []
        for train in (True, False):
            images = self.read_idx("MNIST", train=train, what="images").reshape(-1, 784)
            labels = self.read_idx("MNIST", train=train, what="labels").astype(np.int64)
            parts.append((images.astype(np.float32) / 256, labels))
        (images, labels), test = parts
        cut = len(images) - _VALIDATION
        whole = ((images[:cut], labels[:cut]), (images[cut:], labels[cut:]), test)
        with gzip.open(target, "wb", compresslevel=1) as file:
            pickle.dump(whole, file, protocol=2)

    def _write_npz(self, target: Path) -> None:
        arrays = {
            f"{letter}_{part}": self.read_idx("MNIST", train=part == "train", what=what)
            for part in ("train", "test")
            for letter, what in (("x", "images"), ("y", "labels"))
        }
        packed = io.BytesIO()
        np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]  # its keyword for pickles isn't among them
        target.write_bytes(packed.getvalue())


def _make_way(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink():  # of an earlier call; never write through it
        target.unlink()


def link(target: Path, source: Path) -> None:
    """Have ``target`` lead to ``source``, where that is possible and nothing is there yet."""
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
