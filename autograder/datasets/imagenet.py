"""ImageNet's validation images as courses keep them: a folder of JPEGs for each class, and nothing else.

Classes are numbered in the order of their folders' names, as torchvision's ImageFolder does, which for all
1,000 is the numbering that networks are trained with. Images are read one by one when they are asked for, and
prepared for evaluation as usual: the shorter side to 256 pixels, and 224 x 224 out of the middle.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autograder.datasets.found import unusable

if TYPE_CHECKING:
    from PIL import Image

WHERE = "imagenet/val/<class>/*.JPEG"
CLASSES = 1000
# Of the training images, by channel, for pixels from 0 to 1: what networks are given is (x - mean) / std.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_TOPS = ("imagenet", "ImageNet", "imagenet-1k", "ILSVRC2012", "ILSVRC/Data/CLS-LOC", "")
_PARTS = ("val", "validation")
_SUFFIXES = frozenset({".jpeg", ".jpg", ".png"})
_MOST_BYTES = 64 << 20  # of one file; the largest of ImageNet's has 15 MB
_MOST_PIXELS = 50_000_000  # the largest of ImageNet's has 20 million


@dataclass(frozen=True, slots=True)
class Evaluated:
    """How an image is prepared before a network sees it. These are torchvision's usual numbers."""

    shorter_side: int = 256
    crop: int = 224
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD

    def __post_init__(self) -> None:
        if not 0 < self.crop <= self.shorter_side:
            raise ValueError(f"no {self.crop} pixels can be cut out of {self.shorter_side}")

    def pixels(self, path: Path) -> np.ndarray:
        """The image of a file, as (crop, crop, 3), uint8; raises EnvironmentFault that names it."""
        from PIL import Image  # noqa: PLC0415  (slow to import, and few gradings read images)

        try:
            if path.stat().st_size > _MOST_BYTES:
                raise unusable(path, f"it has more than {_MOST_BYTES >> 20} MiB")
            # A few of ImageNet's files are PNG under the name of JPEG, or in four colours.
            with Image.open(path, formats=["JPEG", "PNG"]) as picture:
                if picture.width * picture.height > _MOST_PIXELS:
                    raise unusable(path, f"it is of {picture.width} x {picture.height} pixels")
                return self._cut(picture.convert("RGB"))
        except (OSError, SyntaxError, ValueError, LookupError, EOFError, Image.DecompressionBombError) as e:
            raise unusable(path, f"no picture can be read from it ({type(e).__name__}: {e})") from e

    def _cut(self, picture: Image.Image) -> np.ndarray:
        """As torchvision's Resize and CenterCrop, to the pixel."""
        from PIL import Image  # noqa: PLC0415

        width, height = picture.size
        short = min(width, height)
        size = tuple(int(self.shorter_side * side / short) for side in (width, height))
        if size != picture.size:
            picture = picture.resize((size[0], size[1]), Image.Resampling.BILINEAR)
        left, top = (round((side - self.crop) / 2) for side in picture.size)
        return np.asarray(picture.crop((left, top, left + self.crop, top + self.crop)))

    def normalised(self, images: np.ndarray) -> np.ndarray:
        """(N, crop, crop, 3) uint8 as networks take it: (N, 3, crop, crop) float32."""
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        scaled: np.ndarray = (images.astype(np.float32) / np.float32(255) - mean) / std
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


_USUAL = Evaluated()


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """The images of a folder with one folder for each class; they are read when they are asked for."""

    folder: Path
    classes: tuple[str, ...]
    labels: np.ndarray  # (N,), int64: places in ``classes``
    files: tuple[str, ...]  # from ``folder``, the classes in turn

    def __len__(self) -> int:
        return len(self.files)

    def path(self, place: int) -> Path:
        return self.folder / self.files[place]

    def images(self, places: Sequence[int] | np.ndarray, prepared: Evaluated = _USUAL) -> np.ndarray:
        """These images, as (n, crop, crop, 3), uint8. So many are in memory at once: 0.15 MB each."""
        read = [prepared.pixels(self.path(int(place))) for place in places]
        return np.stack(read) if read else np.zeros((0, prepared.crop, prepared.crop, 3), np.uint8)

    @property
    def note(self) -> str:
        whole = "" if len(self.classes) == CLASSES else f", where ImageNet has {CLASSES:,}"
        return f"{len(self):,} images of {len(self.classes):,} classes{whole}"


def find(source: Path | None) -> Validation | None:
    """The validation images in the course's data; None where there are none."""
    if source is None:
        return None
    for top in _TOPS:
        for part in _PARTS:
            folder = source / top / part
            if folder.is_dir() and any(_class_folders(folder)):
                return read_folder(folder)
    return None


def read_folder(folder: Path) -> Validation:
    """The images of a folder in this layout. Raises EnvironmentFault for a class that has none."""
    classes: list[str] = []
    files: list[str] = []
    labels: list[int] = []
    for path in sorted(_class_folders(folder), key=lambda each: each.name):
        found = sorted(_images(path))
        if not found:
            raise unusable(path, "it has no image, and the class would shift the numbers of all others")
        labels += [len(classes)] * len(found)
        files += [f"{path.name}/{name}" for name in found]
        classes.append(path.name)
    if not classes:
        raise unusable(folder, "it has no folder for each class with images in it")
    return Validation(folder, tuple(classes), np.array(labels, np.int64), tuple(files))


def _class_folders(folder: Path) -> Iterable[Path]:
    return (path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> Iterable[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122  (50,000 of them)
            if suffix in _SUFFIXES and not entry.name.startswith(".") and entry.is_file():
                yield entry.name
