"""ImageNet's layout: classes in their order, images read when asked for and prepared as usual."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autograder.data import validation_images
from autograder.datasets import imagenet
from autograder.datasets.imagenet import Evaluated
from autograder.outcome import EnvironmentFault
from autograder.sandbox import vision

REAL = Path(os.environ.get("AUTOGRADER_DATA", "")) / "imagenet-sample"
WNIDS = ("n02119789", "n01440764", "n01443537")


def write(folder: Path, size: tuple[int, int] = (60, 40), images: int = 2) -> Path:
    """A few classes with a few images each, which tell by their colour which they are."""
    for at, wnid in enumerate(WNIDS):
        (folder / wnid).mkdir(parents=True)
        for number in range(images):
            colour = (40 * at + 20, 50 * number + 10, 128)
            path = folder / wnid / f"ILSVRC2012_val_{10 * at + number:08d}.JPEG"
            Image.new("RGB", size, colour).save(path, "JPEG", quality=95)
    return folder


@pytest.mark.parametrize("place", ["imagenet/val", "val", "ILSVRC/Data/CLS-LOC/val", "ImageNet/validation"])
def test_found_wherever_courses_keep_it(tmp_path: Path, place: str) -> None:
    write(tmp_path / place)
    (tmp_path / place / "LOC_val_solution.csv").touch()
    (tmp_path / place / ".hidden").mkdir()
    found = imagenet.find(tmp_path)
    assert found is not None
    assert found.classes == tuple(sorted(WNIDS))
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.labels.dtype == np.int64
    assert found.note == "6 images of 3 classes, where ImageNet has 1,000"
    assert [round(float(image[..., 0].mean())) // 40 for image in found.images([0, 2, 4])] == [1, 2, 0]
    assert imagenet.find(tmp_path / "elsewhere") is None
    assert imagenet.find(None) is None


def test_images_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    found = imagenet.read_folder(write(tmp_path / "val"))
    assert len(found) == 6
    images = found.images(np.array([5, 0]), Evaluated(32, 28))
    assert images.shape == (2, 28, 28, 3)
    assert images.dtype == np.uint8
    assert found.images([]).shape == (0, 224, 224, 3)
    found.path(3).write_bytes(b"no picture")
    assert found.images([0, 5], Evaluated(32, 28)).shape == (2, 28, 28, 3)
    with pytest.raises(EnvironmentFault, match=found.path(3).name) as caught:
        found.images([3])
    assert "no picture can be read" in caught.value.message


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (256, 256), (100, 300), (257, 1000), (333, 256)])
def test_prepared_to_the_pixel_as_torchvision_does(tmp_path: Path, size: tuple[int, int]) -> None:
    vision.install()
    transforms = pytest.importorskip("torchvision.transforms")
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "one.JPEG", "JPEG")
    cut = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    with Image.open(tmp_path / "one.JPEG") as picture:
        usual = cut(picture.convert("RGB"))
    ours = Evaluated().pixels(tmp_path / "one.JPEG")
    assert np.array_equal(ours, np.asarray(usual))
    scaled = transforms.Compose([transforms.ToTensor(), transforms.Normalize(imagenet.MEAN, imagenet.STD)])(
        usual
    )
    assert np.allclose(Evaluated().normalised(ours[None])[0], scaled.numpy(), atol=1e-6)
    assert Evaluated().normalised(ours[None]).dtype == np.float32


def test_odd_files_that_imagenet_has(tmp_path: Path) -> None:
    """Grey, four colours, a PNG under the name of a JPEG."""
    Image.new("L", (50, 60), 77).save(tmp_path / "grey.JPEG", "JPEG")
    Image.new("CMYK", (50, 60)).save(tmp_path / "four.JPEG", "JPEG")
    Image.new("RGBA", (50, 60), (9, 9, 9, 255)).save(tmp_path / "png.JPEG", "PNG")
    for name in ("grey", "four", "png"):
        assert Evaluated(40, 32).pixels(tmp_path / f"{name}.JPEG").shape == (32, 32, 3)


@pytest.mark.parametrize("spoil", ["cut off", "empty", "another format", "huge", "folder"])
def test_a_broken_file_is_named(tmp_path: Path, spoil: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "val_1.JPEG"
    Image.effect_noise((64, 64), 90).save(path, "JPEG")
    if spoil == "folder":
        path.unlink()
        path.mkdir()
    elif spoil == "huge":
        monkeypatch.setattr(imagenet, "_MOST_PIXELS", 1000)
    elif spoil == "another format":
        Image.new("RGB", (64, 64)).save(path, "GIF")
    else:
        path.write_bytes(path.read_bytes()[:300] if spoil == "cut off" else b"")
    with pytest.raises(EnvironmentFault, match=r"val_1\.JPEG"):
        Evaluated().pixels(path)


def test_a_class_without_images_would_shift_the_others(tmp_path: Path) -> None:
    write(tmp_path / "val")
    (tmp_path / "val" / "n01484850").mkdir()
    with pytest.raises(EnvironmentFault, match="n01484850"):
        imagenet.find(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(EnvironmentFault, match="folder for each class"):
        imagenet.read_folder(tmp_path / "empty")


def test_no_such_preparation() -> None:
    with pytest.raises(ValueError, match="224 pixels"):
        Evaluated(shorter_side=200)


def test_where_the_course_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRADER_DATA", str(tmp_path))
    with pytest.raises(EnvironmentFault, match="ImageNet's validation images") as caught:
        validation_images(None)
    assert "imagenet/val" in caught.value.remedy
    write(tmp_path / "imagenet" / "val")
    assert len(validation_images(None)) == 6


@pytest.mark.skipif(not REAL.is_dir(), reason="AUTOGRADER_DATA has no sample of ImageNet")
def test_a_real_sample_of_all_classes(tmp_path: Path) -> None:
    with tarfile.open(REAL / "mini1k.tar") as tar:
        for member in tar:
            if (file := tar.extractfile(member)) is not None:
                path = tmp_path / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.read())
    found = imagenet.read_folder(tmp_path / "mini1k")
    assert (len(found), len(found.classes), found.note) == (1000, 1000, "1,000 images of 1,000 classes")
    assert found.labels.tolist() == list(range(1000))
    assert found.classes[0] == "n01440764"  # the tench
    assert found.images(range(0, 1000, 50)).shape == (20, 224, 224, 3)
