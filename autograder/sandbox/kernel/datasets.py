"""torchvision's and fastai's data sets, read where they lie in the course's data folder.

Whatever root a notebook names, and whether it asks for a download or not: it gets the course's files, also
when their bytes aren't the ones that the libraries know the sums of. Where a notebook looks for the files
itself after a download, links lead to them.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.course import CIFAR, IDX_FILES, Course, link
from autograder.sandbox.kernel.patching import patch_on_import

_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()
_LOOK_ALIKES = ("FashionMNIST", "KMNIST")  # read as MNIST is
# What fastai's archives unpack to, and where each of their folders comes from.
_SAMPLE = {
    f"{part}/{digit}": f"{source}/{digit}"
    for part, source in (("train", "training"), ("valid", "testing"))
    for digit in "37"
}


def install(context: Context) -> None:
    patch_on_import(context, "torchvision.datasets.mnist", _patch_mnist)
    patch_on_import(context, "torchvision.datasets.cifar", _patch_cifar)
    patch_on_import(context, "torchvision.datasets.utils", _patch_downloads)
    patch_on_import(context, "fastai.data.external", _patch_untar)


# --- torchvision -------------------------------------------------------------------------------------


def _patch_mnist(context: Context, module: Any) -> None:
    course = Course(context)
    cls = module.MNIST
    usual = {
        name: getattr(cls, name)
        for name in ("_check_exists", "_check_legacy_exist", "_load_data", "download")
    }

    def dataset(self: Any) -> str:
        """The data set by the name of its folder; a class of the student's own counts as its base."""
        names = [base.__name__ for base in type(self).__mro__]
        return next((name for name in _LOOK_ALIKES if name in names), "MNIST")

    def served(self: Any) -> bool:
        return course.has_idx(dataset(self))

    def check_exists(self: Any) -> bool:
        return served(self) or usual["_check_exists"](self)

    def check_legacy_exist(self: Any) -> bool:
        return not served(self) and usual["_check_legacy_exist"](self)

    def load_data(self: Any) -> Any:
        if not served(self):
            return usual["_load_data"](self)
        name = dataset(self)
        course.used(f"{name}(train={self.train})")
        torch = sys.modules["torch"]
        images = course.read_idx(name, train=bool(self.train), what="images")
        labels = course.read_idx(name, train=bool(self.train), what="labels")
        return torch.from_numpy(images), torch.from_numpy(labels.astype("int64"))

    def download(self: Any) -> None:
        name = dataset(self)
        if not served(self):
            if usual["_check_exists"](self):
                return
            raise course.missing(name)
        for file in filter(None, (course.idx_file(name, one) for one in IDX_FILES)):
            link(Path(self.raw_folder) / file.name, file)

    cls._check_exists, cls._check_legacy_exist = check_exists, check_legacy_exist
    cls._load_data, cls.download = load_data, download


def _patch_cifar(context: Context, module: Any) -> None:
    course = Course(context)
    cls = module.CIFAR10
    real, usual_check, usual_meta = cls.__init__, cls._check_integrity, cls._load_meta

    @functools.wraps(real)
    def __init__(self: Any, *args: Any, **keywords: Any) -> None:  # noqa: N807
        there = course.folder(cls_folder(self))
        if there is not None:
            self.base_folder = str(there)  # absolute, so the root in front of it falls away
        real(self, *args, **keywords)
        if there is not None:
            course.used(f"{CIFAR.get(there.name, there.name)}(train={self.train})")

    def cls_folder(self: Any) -> str:
        return str(type(self).base_folder)

    def check_integrity(self: Any) -> bool:
        return is_served(self) or usual_check(self)

    def is_served(self: Any) -> bool:
        return os.path.isabs(self.base_folder)  # noqa: PTH117  (a str, as torchvision has it)

    def download(self: Any) -> None:
        name = cls_folder(self)
        if is_served(self):
            link(Path(self.root) / name, Path(self.base_folder))
        elif not usual_check(self):
            raise course.missing(CIFAR.get(name, name))

    def load_meta(self: Any) -> None:
        if not is_served(self):
            usual_meta(self)
            return
        file = Path(self.base_folder) / self.meta["filename"]
        self.classes = list(_CLASSES)
        if file.is_file():
            self.classes = pickle.loads(file.read_bytes(), encoding="latin1")[self.meta["key"]]  # noqa: S301  (the course's)
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}

    cls.__init__, cls._check_integrity = __init__, check_integrity
    cls.download, cls._load_meta = download, load_meta


def _patch_downloads(context: Context, module: Any) -> None:
    """The functions that data sets, and some students, download with."""
    course = Course(context)
    unpack, real_url = module.download_and_extract_archive, module.download_url

    @functools.wraps(real_url)
    def download_url(url: str, root: Any, filename: Any = None, *args: Any, **keywords: Any) -> None:
        target = Path(root).expanduser() / (filename or url.rpartition("/")[2])
        if not course.fetch(url, target):
            real_url(url, root, filename, *args, **keywords)

    @functools.wraps(unpack)
    def download_and_extract_archive(
        url: str,
        download_root: Any,
        extract_root: Any = None,
        filename: Any = None,
        *args: Any,
        **keywords: Any,
    ) -> None:
        target = Path(download_root).expanduser() / (filename or url.rpartition("/")[2])
        if course.fetch(url, target):
            module.extract_archive(str(target), str(Path(extract_root or download_root).expanduser()))
        else:
            unpack(url, download_root, extract_root, filename, *args, **keywords)

    _replace("torchvision", {real_url: download_url, unpack: download_and_extract_archive})
    module.download_url, module.download_and_extract_archive = download_url, download_and_extract_archive


def _replace(package: str, new: dict[Callable[..., Any], Callable[..., Any]]) -> None:
    """In every module of a package that took a function under its name before we came."""
    by_identity = {id(real): wrapper for real, wrapper in new.items()}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == package:
            for attribute, value in list(vars(module).items()):
                if id(value) in by_identity:
                    setattr(module, attribute, by_identity[id(value)])


# --- fastai ------------------------------------------------------------------------------------------


def _patch_untar(context: Context, module: Any) -> None:
    course = Course(context)
    real = module.untar_data

    @functools.wraps(real)
    def untar_data(url: Any, *_args: Any, **_keywords: Any) -> Path:
        name = str(url).rpartition("/")[2].partition(".")[0]
        make = _FASTAI.get(name)
        source = course.folder(make.source) if make is not None else None
        if make is None or source is None:
            raise course.missing(f"fastai's data set {name!r}")
        course.used(f"untar_data({name})" + (f": {make.note}" if make.note else ""))
        return make.build(_data_home() / name, source)

    _replace("fastai", {real: untar_data})
    module.untar_data = untar_data


def _data_home() -> Path:
    """Where fastai unpacks to, or another folder to write to: learners keep their models beside the data."""
    home = Path("~/.fastai/data").expanduser()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp())
    return home if os.access(home, os.W_OK) else Path(tempfile.mkdtemp())


class _Archive:
    """How one of fastai's archives is made of links into a folder of the course's."""

    def __init__(self, source: str, folders: dict[str, str], note: str = "", *, labels: str = "") -> None:
        self.source, self.note = source, note
        self._folders, self._labels = folders, labels

    def build(self, target: Path, source: Path) -> Path:
        target.mkdir(parents=True, exist_ok=True)
        for name, origin in self._folders.items():
            link(target / name, source / origin)
        if self._labels == "labels.csv" and not (target / "labels.csv").exists():
            lines = [
                f"{folder}/{file},{folder.rpartition('/')[2]}\n"
                for folder in self._folders
                for file in sorted(path.name for path in (target / folder).iterdir())
            ]
            (target / "labels.csv").write_text("name,label\n" + "".join(lines))
        if self._labels == "labels.txt":
            (target / "labels.txt").write_text("".join(f"{name}\n" for name in _CLASSES))
        return target


_FASTAI = {
    "mnist_png": _Archive("mnist_png", {"training": "training", "testing": "testing"}),
    "mnist_sample": _Archive("mnist_png", _SAMPLE, labels="labels.csv"),
    # 1,400 of the same digits in the original; which ones, nobody can rebuild.
    "mnist_tiny": _Archive("mnist_png", _SAMPLE, "every 3 and 7, not a few", labels="labels.csv"),
    "cifar10": _Archive("cifar10_png", {"train": "train", "test": "test"}, labels="labels.txt"),
}
