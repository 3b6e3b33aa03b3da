"""CIFAR-10, from any of the forms that it comes in; ours is torchvision's, the folder of Python's pickles.

The canonical pickles are copied byte by byte, since loaders compare their checksums. Out of every other form
come the same images, or their copies, in files that such loaders refuse; the note says so.
"""

from __future__ import annotations

import csv
import hashlib
import io
import lzma
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from autograder.datasets import pickles
from autograder.datasets.found import Source, Split, unusable

FOLDER = "cifar-10-batches-py"
SIDE, CHANNELS, CLASSES = 32, 3, 10
NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
META = "batches.meta"
CANONICAL = "the canonical images"
NOT_CANONICAL = "not canonical: the course's own batches"
FROM_BINARY = "the images of the binary version; the files are not the canonical bytes"
FROM_JPEG = (
    "not canonical: copies saved as JPEG, which lose a little, so accuracies are a little lower; the "
    "training images are in their original order, the test images are not"
)
_PIXELS = CHANNELS * SIDE * SIDE
_BINARY_FOLDER = "cifar-10-batches-bin"
_PYTHON_ARCHIVE, _BINARY_ARCHIVE = "cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"
_JPEG_ARCHIVE, _JPEG_LABELS = "cifar10-jpeg.tar.xz", "kaggle_trainLabels.csv"
_MOST_BYTES = 64 << 20  # of one file; a batch has 31 MB
_MOST_JPEG_BYTES = 1 << 16
_TEST_TITLE = "testing batch 1 of 1"
# MD5, as loaders compare them: of the six batches, then of the names.
_CANONICAL = (
    "c99cafc152244af753f735de768cd75f",
    "d4bba439e000b95fd0a9bffe97cbabec",
    "54ebc095f3ab1f0389bbae665268c751",
    "634d18415352ddfa80567beed471001a",
    "482c414d41f54cd18b22e5b47cb7c3cb",
    "40351d587109b95175f43aff81a1287e",
    "5ff9c542aee3614f3951f8cda6e48888",
)


def find(source: Path | None) -> Source | None:
    """Where ``source`` has CIFAR-10, in the form that is nearest to the canonical one."""
    if source is None:
        return None
    tops = [source, *(source / name for name in ("cifar10", "CIFAR10", "cifar-10", "data"))]
    for kind, names in (
        ("python", [f"{FOLDER}/{name}" for name in (*BATCHES, META)]),
        ("python archive", [_PYTHON_ARCHIVE]),
        ("binary", [f"{_BINARY_FOLDER}/{name}.bin" for name in BATCHES]),
        ("binary archive", [_BINARY_ARCHIVE]),
        ("jpeg", [_JPEG_ARCHIVE, _JPEG_LABELS]),
    ):
        for top in tops:
            files = tuple(top / name for name in names)
            if all(path.is_file() for path in files):
                return Source(kind, files)
    return None


def make(
    source: Source,
    folder: Path,
    say: Callable[[str], None],
    conceal: Callable[[Split], Split] = lambda test: test,
) -> tuple[Split, str]:
    """Make ``folder`` (the pickles) out of what was found; the test images, and a note on what they are.

    What ``conceal`` makes of the test batch stands in ``folder``; what is returned is the true one.
    """
    folder.mkdir(parents=True)
    if source.kind.startswith("python"):
        return _copied(source, folder, conceal)
    if source.kind == "jpeg":
        say("converting 60,000 JPEGs to CIFAR-10's own format")
        batches, note = _from_jpeg(*source.files), FROM_JPEG
    else:
        batches, note = _from_binary(source), FROM_BINARY
    test: Split | None = None
    for number, (name, batch) in enumerate(zip(BATCHES, batches, strict=True), start=1):
        last = name == BATCHES[-1]
        title = _TEST_TITLE if last else f"training batch {number} of 5"
        (folder / name).write_bytes(_pickled(conceal(batch) if last else batch, title))
        test = batch
    meta: dict[str, int | list[str]] = {
        "num_cases_per_batch": len(batch.labels),
        "label_names": NAMES,
        "num_vis": _PIXELS,
    }
    (folder / META).write_bytes(pickles.write(meta))
    assert test is not None
    return _upright(test), note


def _pickled(batch: Split, title: str) -> bytes:
    files = [f"{NAMES[label]}_s_{number:06d}.png" for number, label in enumerate(batch.labels)]
    labels = [int(label) for label in batch.labels]
    return pickles.write({"batch_label": title, "labels": labels, "data": batch.images, "filenames": files})


def _upright(batch: Split) -> Split:
    """The same images as (N, 32, 32, 3), from rows of 1,024 red, green and blue values each."""
    pixels = batch.images.reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)
    return Split(np.ascontiguousarray(pixels), batch.labels)


# --- Python's pickles -----------------------------------------------------------------------------------


def _copied(source: Source, folder: Path, conceal: Callable[[Split], Split]) -> tuple[Split, str]:
    names = (*BATCHES, META)
    if source.kind == "python":
        for name, path in zip(names, source.files, strict=True):
            shutil.copyfile(path, folder / name)
    else:
        members = _members(source.files[0], {f"{FOLDER}/{name}" for name in names})
        for name in names:
            (folder / name).write_bytes(_one(members, f"{FOLDER}/{name}", source.files[0]))
    digests = tuple(hashlib.md5((folder / name).read_bytes()).hexdigest() for name in names)  # noqa: S324
    for name in BATCHES[:-1]:  # what can't be read here can't be read by a submission
        _unpickled(folder / name)
    test = _unpickled(folder / BATCHES[-1])
    shown = conceal(test)
    if shown is not test:
        (folder / BATCHES[-1]).write_bytes(_pickled(shown, _TEST_TITLE))
    return _upright(test), CANONICAL if digests == _CANONICAL else NOT_CANONICAL


def _unpickled(path: Path) -> Split:
    try:
        held = pickles.read(path.read_bytes())
        images, labels = held["data"], np.array(held["labels"], dtype=np.int64)
    except (pickles.NotThatLayout, KeyError, ValueError, TypeError, OverflowError) as error:
        raise unusable(path, f"it is no batch of CIFAR-10 ({error})") from error
    if not isinstance(images, np.ndarray) or images.shape != (len(labels), _PIXELS) or labels.ndim != 1:
        raise unusable(path, "its images and labels are not those of CIFAR-10")
    return _checked(Split(images, labels), path)


def _checked(batch: Split, path: Path) -> Split:
    if not batch.labels.size or batch.labels.min() < 0 or batch.labels.max() >= CLASSES:
        raise unusable(path, f"it has no labels from 0 to {CLASSES - 1}")
    return batch


# --- the binary version ---------------------------------------------------------------------------------


def _from_binary(source: Source) -> Iterator[Split]:
    """Each batch: rows of a label and 3,072 pixels."""
    members = {}
    if source.kind == "binary archive":
        members = _members(source.files[0], {f"{_BINARY_FOLDER}/{name}.bin" for name in BATCHES})
    for number, name in enumerate(BATCHES):
        path = source.files[0] if members else source.files[number]
        content = _one(members, f"{_BINARY_FOLDER}/{name}.bin", path) if members else path.read_bytes()
        if len(content) % (1 + _PIXELS):
            raise unusable(path, "its length is not that of whole images")
        rows = np.frombuffer(content, np.uint8).reshape(-1, 1 + _PIXELS)
        yield _checked(Split(rows[:, 1:], rows[:, 0].astype(np.int64)), path)


# --- the JPEG copies ------------------------------------------------------------------------------------


def _from_jpeg(archive: Path, labels: Path) -> Iterator[Split]:
    """Five training batches in the order of the list of labels, and a test batch, its classes in turn.

    The archive numbers the images within their class, in the original order for training.
    """
    order = _label_list(labels)
    within = np.empty(len(order), np.int64)  # how many of its class came before each image
    for label in range(CLASSES):
        where = np.flatnonzero(order == label)
        within[where] = np.arange(len(where))
    training = {
        (int(label), int(number)): at for at, (label, number) in enumerate(zip(order, within, strict=True))
    }
    images = np.zeros((len(order), _PIXELS), np.uint8)
    test: dict[tuple[int, int], np.ndarray] = {}
    missing = set(training)
    for part, label, number, pixels in _pictures(archive):
        if part == "test":
            test[number, label] = pixels
        elif (label, number) in missing:
            missing.discard((label, number))
            images[training[label, number]] = pixels
    if missing or not test:
        raise unusable(archive, f"it lacks {len(missing)} of the training images, or all test images")
    for part_images, part_labels in zip(np.array_split(images, 5), np.array_split(order, 5), strict=True):
        yield Split(part_images, part_labels)
    keys = sorted(test)
    yield Split(np.stack([test[key] for key in keys]), np.array([label for _, label in keys], np.int64))


def _label_list(path: Path) -> np.ndarray:
    with path.open(encoding="utf-8", newline="") as file:
        names = [row.get("label") for row in csv.DictReader(file)]
    try:
        labels = np.array([NAMES.index(str(name)) for name in names], np.int64)
    except ValueError as error:
        raise unusable(path, f"it names another class ({error})") from error
    if not labels.size:
        raise unusable(path, "it has no column `label`")
    return labels


def _pictures(archive: Path) -> Iterator[tuple[str, int, int, np.ndarray]]:
    """Each picture of the archive: "train" or "test", its class, its number in it, and its row of pixels."""
    from PIL import Image  # noqa: PLC0415  (only this form needs it)

    for name, content in _files(archive, _MOST_JPEG_BYTES):
        path = PurePosixPath(name)
        if len(path.parts) < 3 or path.suffix != ".jpg" or not path.stem.isdecimal():
            continue
        part, class_name = path.parts[-3:-1]
        if part not in ("train", "test") or class_name not in NAMES:
            continue
        try:
            with Image.open(io.BytesIO(content), formats=["JPEG"]) as picture:
                pixels = np.asarray(picture.convert("RGB")) if picture.size == (SIDE, SIDE) else None
        except (OSError, ValueError, SyntaxError) as error:
            raise unusable(archive, f"{name!r} is no picture ({error})") from error
        if pixels is None:
            raise unusable(archive, f"{name!r} is not of {SIDE}x{SIDE} pixels")
        yield part, NAMES.index(class_name), int(path.stem), pixels.transpose(2, 0, 1).reshape(-1)


# --- archives -------------------------------------------------------------------------------------------


def _files(archive: Path, most: int) -> Iterator[tuple[str, bytes]]:
    """The regular files of an archive, one by one; nothing is unpacked to the disk."""
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member in tar:
                if member.isfile():
                    file = tar.extractfile(member)
                    if member.size > most or file is None:
                        raise unusable(archive, f"{member.name!r} in it is too large")
                    yield str(PurePosixPath(member.name)), file.read()
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise unusable(archive, f"it can't be unpacked ({error})") from error


def _members(archive: Path, names: set[str]) -> dict[str, bytes]:
    return {name: content for name, content in _files(archive, _MOST_BYTES) if name in names}


def _one(members: dict[str, bytes], name: str, archive: Path) -> bytes:
    if name not in members:
        raise unusable(archive, f"it lacks {name!r}")
    return members[name]
