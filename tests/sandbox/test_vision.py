"""torch and torchvision that weren't built for each other: what the mend makes work, and what it doesn't.

Where the installed pair doesn't fit, the boxes show it as it is; where it fits, their fork server is kept
from loading torchvision's extensions, which comes to the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from autograder.outcome import EnvironmentFault
from autograder.sandbox import vision_pair
from autograder.sandbox.backend import BoxSpec
from autograder.sandbox.local import Privdrop, Unconfined
from autograder.sandbox.policy import BoxLimits
from autograder.sandbox.submission import Module
from autograder.sandbox.vision import NEED_IMAGES, NEED_OPERATORS
from autograder.sandbox.vision_pair import Pair
from tests.sandbox.boxes import IS_ROOT, call, fork_server_boots, opened, running

pytestmark = pytest.mark.xdist_group("torchvision")  # two fork servers with torch, 3 s each, once

LIMITS = BoxLimits(wall_s=120, memory_mib=1500, processes=24, disk_mib=8)
NO_EXTENSION_LOADS = """
import ctypes
class CDLL(ctypes.CDLL):
    def __init__(self, name, *rest, **more):
        if "/torchvision/" in str(name):
            raise OSError("kept from loading by a test")
        super().__init__(name, *rest, **more)
ctypes.CDLL = CDLL
"""
STUDENT = """
import os
import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision import datasets, io, models, ops, transforms, utils
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms import v2

BOXES = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 2.0]])
SCORES = torch.tensor([0.9, 0.8])
MAPS = torch.ones(1, 4, 16, 16)
TINY = torch.zeros(3, 4, 4, dtype=torch.uint8)
BYTES = torch.zeros(8, dtype=torch.uint8)


def picture(side=8):
    return Image.fromarray(np.arange(side * side * 3, dtype=np.uint8).reshape(side, side, 3))


def to_tensor():
    steps = [transforms.ToTensor(), transforms.Normalize((0.5, 0.25, 0.0), (0.5, 0.25, 2.0))]
    return transforms.Compose(steps)(picture()).numpy()


def to_tensor_v2():
    steps = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    return v2.Compose([*steps, v2.Normalize((0.5, 0.25, 0.0), (0.5, 0.25, 2.0))])(picture()).numpy()


def augmented():
    steps = "RandomHorizontalFlip RandomVerticalFlip AutoAugment RandAugment TrivialAugmentWide Grayscale"
    first = [getattr(transforms, name)() for name in steps.split()[:-1]]
    first += [transforms.Resize(36), transforms.RandomCrop(32, padding=4), transforms.RandomAffine(5)]
    first += [transforms.ColorJitter(0.1, 0.1), transforms.RandomRotation(10), transforms.GaussianBlur(3)]
    last = [transforms.RandomResizedCrop(24), transforms.ToTensor(), transforms.RandomErasing(1.0)]
    new = [v2.RandomResizedCrop(24), v2.ElasticTransform(), v2.RandomPhotometricDistort(), v2.ToImage()]
    one = transforms.Compose(first + last)(picture(40))
    two = v2.Compose(new)(picture(40))
    mixed, _ = v2.MixUp(num_classes=2)(torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 1, 0]))
    return [list(one.shape), list(two.shape), list(mixed.shape)]


def mnist():
    raw = "data/MNIST/raw"
    os.makedirs(raw)
    for split in "train", "t10k":
        with open(f"{raw}/{split}-images-idx3-ubyte", "wb") as file:
            file.write(bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28]))
            file.write(bytes(784) + b"\\xff" * 784)
        with open(f"{raw}/{split}-labels-idx1-ubyte", "wb") as file:
            file.write(bytes([0, 0, 8, 1, 0, 0, 0, 2, 3, 7]))
    found = datasets.MNIST("data", train=False, transform=transforms.ToTensor())
    for images, labels in torch.utils.data.DataLoader(found, batch_size=2):
        return [images.numpy(), labels.tolist()]


def folder_of_images():
    os.makedirs("images/cat")
    picture().save("images/cat/a.png")
    found = datasets.ImageFolder("images", transforms.ToTensor())
    fake = datasets.FakeData(2, (3, 8, 8), 2, transforms.ToTensor())
    return [found.classes, found[0][0].numpy(), list(fake[1][0].shape)]


def networks():
    shapes = []
    for name in ("resnet18", "vgg11", "mobilenet_v3_small", "densenet121"):
        model = models.get_model(name, weights=None, num_classes=10).eval()
        with torch.no_grad():
            shapes.append(list(model(torch.rand(2, 3, 64, 64)).shape))
    taken = create_feature_extractor(models.resnet18(), {"layer1": "first"})(torch.rand(2, 3, 64, 64))
    return [*shapes, list(taken["first"].shape)]


def trained():
    model = models.resnet18(num_classes=2)
    step = torch.optim.SGD(model.parameters(), lr=0.01)
    images, labels = torch.rand(4, 3, 32, 32), torch.tensor([0, 1, 0, 1])
    losses = []
    for _ in range(6):
        loss = torch.nn.functional.cross_entropy(model(images), labels)
        step.zero_grad()
        loss.backward()
        step.step()
        losses.append(float(loss.detach()))
    return losses


def written():
    utils.save_image(torch.ones(4, 3, 8, 8), "grid.png")
    return [list(utils.make_grid(torch.rand(4, 3, 8, 8)).shape), list(Image.open("grid.png").size)]


def without_operators():
    kept = [ops.box_iou(BOXES, BOXES).numpy(), ops.box_area(BOXES).numpy()]
    slope = torch.arange(16.0).expand(1, 1, 16, 16)
    return [*kept, ops.roi_align(slope, [BOXES], 2, sampling_ratio=2).numpy()]


def refused():
    calls = {
        "nms": lambda: ops.nms(BOXES, SCORES, 0.5),
        "batched_nms": lambda: ops.batched_nms(BOXES, SCORES, torch.tensor([0, 1]), 0.5),
        "roi_pool": lambda: ops.roi_pool(MAPS, [BOXES], 2),
        "ps_roi_align": lambda: ops.ps_roi_align(MAPS, [BOXES], 2),
        "ps_roi_pool": lambda: ops.ps_roi_pool(MAPS, [BOXES], 2),
        "deform_conv2d": lambda: ops.deform_conv2d(MAPS, torch.zeros(1, 18, 14, 14), torch.ones(1, 4, 3, 3)),
        "read_image": lambda: io.read_image("none.png"),
        "decode_image": lambda: io.decode_image(BYTES),
        "decode_jpeg": lambda: io.decode_jpeg(BYTES),
        "decode_png": lambda: io.decode_png(BYTES),
        "decode_gif": lambda: io.decode_gif(BYTES),
        "decode_webp": lambda: io.decode_webp(BYTES),
        "encode_jpeg": lambda: io.encode_jpeg(TINY),
        "encode_png": lambda: io.encode_png(TINY),
        "write_jpeg": lambda: io.write_jpeg(TINY, "w.jpg"),
        "write_png": lambda: io.write_png(TINY, "w.png"),
        "read_file": lambda: io.read_file("none.png"),
        "write_file": lambda: io.write_file("w.bin", BYTES),
        "detection": lambda: detector().eval()([torch.rand(3, 64, 64)]),
        "torch.ops": lambda: torch.ops.torchvision.nms(BOXES, SCORES, 0.5),
        "v2.JPEG": lambda: v2.JPEG(50)(TINY),
    }
    return {name: said(action) for name, action in calls.items()}


def detector():
    make = models.detection.fasterrcnn_mobilenet_v3_large_320_fpn
    return make(weights=None, weights_backbone=None, num_classes=2)


def said(action):
    try:
        return f"returned {action()!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def uncaught():
    return ops.nms(BOXES, SCORES, 0.5)


def looks_as_ever():
    return [type(torchvision.__loader__).__name__, type(torchvision.__spec__.loader).__name__]
"""
LATE = """
import sys


def loaded():
    return [name in sys.modules for name in ("torch", "torchvision")]


def late():
    import torch
    from torchvision import models, transforms

    image = transforms.Resize(16)(torch.zeros(1, 3, 32, 32))
    return list(models.resnet18(num_classes=3).eval()(image).shape)


def without_the_mend():
    sys.meta_path[:] = [each for each in sys.meta_path if "vision" not in type(each).__module__]
    try:
        import torchvision
    except RuntimeError as error:
        return str(error)
    return torchvision.__version__
"""


@contextmanager
def _loaded(code: str, folder: Path, *preload: str) -> Iterator[Module]:
    """A module in a box whose fork server imported ``preload``, where the pair doesn't fit."""
    fits = not vision_pair.examined().operators
    folder.mkdir()
    spec = BoxSpec(LIMITS, preload=("numpy", *preload))
    with (
        fork_server_boots(NO_EXTENSION_LOADS if fits else ""),
        running(Privdrop if IS_ROOT else Unconfined, spec, folder) as backend,
        opened(backend, folder / "tree", code, LIMITS) as module,
    ):
        module.load()
        yield module


@pytest.fixture(scope="module")
def student(scratch: Path) -> Iterator[Module]:
    """A submission whose imports the fork server has made."""
    with _loaded(STUDENT, scratch / "student", "torch", "torchvision") as module:
        yield module


@pytest.fixture(scope="module")
def late(scratch: Path) -> Iterator[Module]:
    """One that is the first to import torchvision."""
    with _loaded(LATE, scratch / "late", "torch") as module:
        yield module


# --- what works, in a box -----------------------------------------------------------------------------


def test_without_the_mend_the_import_fails(late: Module) -> None:
    assert call(late, "without_the_mend") == "operator torchvision::nms does not exist"


def test_student_code_may_be_the_first_to_import_it(late: Module) -> None:
    assert call(late, "loaded") == [True, False]
    assert call(late, "late") == [1, 3]


@pytest.mark.parametrize("function", ["to_tensor", "to_tensor_v2"])
def test_transforms_compute_what_they_should(student: Module, function: str) -> None:
    picture = np.arange(192, dtype=np.uint8).reshape(8, 8, 3).transpose(2, 0, 1) / 255
    mean, spread = (np.reshape(row, (3, 1, 1)) for row in ((0.5, 0.25, 0.0), (0.5, 0.25, 2.0)))
    np.testing.assert_allclose(call(student, function), (picture - mean) / spread, rtol=1e-5, atol=1e-6)


def test_augmentations_run(student: Module) -> None:
    assert call(student, "augmented") == [[3, 24, 24], [3, 24, 24], [4, 3, 8, 8]]


def test_data_sets_are_read(student: Module) -> None:
    images, labels = call(student, "mnist")
    assert labels == [3, 7]
    assert images.shape == (2, 1, 28, 28)
    assert (images[0] == 0).all()
    assert (images[1] == 1).all()
    classes, image, fake = call(student, "folder_of_images")
    assert classes == ["cat"]
    np.testing.assert_allclose(image[0, 0], np.arange(0, 24, 3) / 255, rtol=1e-5)
    assert fake == [3, 8, 8]


def test_models_run_and_learn(student: Module) -> None:
    assert call(student, "networks") == [[2, 10]] * 4 + [[2, 64, 16, 16]]
    losses = call(student, "trained")
    assert losses[-1] < losses[0]


def test_images_are_written(student: Module) -> None:
    assert call(student, "written") == [[3, 12, 42], [42, 12]]


def test_operators_written_in_python_are_right(student: Module) -> None:
    iou, area, aligned = call(student, "without_operators")
    np.testing.assert_allclose(iou, [[1, 0.5], [0.5, 1]])
    np.testing.assert_allclose(area, [16, 8])
    # The map's value is its column, and so the mean of a bin is the column of its middle.
    np.testing.assert_allclose(aligned, np.broadcast_to([1.0, 3.0], (2, 1, 2, 2)), rtol=1e-6)


# --- what doesn't -------------------------------------------------------------------------------------


def test_what_needs_the_extensions_says_whose_fault_it_is(student: Module) -> None:
    refused = call(student, "refused")
    assert refused.keys() >= {*NEED_OPERATORS, *NEED_IMAGES}
    for name, said in refused.items():
        assert said.startswith("OperatorMissing: "), (name, said)
        assert "no fault of your code" in said
        assert "not built for each other" in said
    assert "torchvision's nms() can't run" in refused["nms"]
    assert "torchvision's nms() can't run" in refused["detection"]
    assert "torchvision's decode_png() can't run" in refused["decode_png"]


def test_a_student_never_pays_for_it(student: Module) -> None:
    if not vision_pair.examined().operators:
        pytest.skip("the installed pair fits: only the boxes of this module are told otherwise")
    with pytest.raises(EnvironmentFault, match="were not built for each other") as caught:
        call(student, "uncaught")
    assert "scripts/environment torch" in caught.value.remedy


def test_the_module_looks_as_ever(student: Module) -> None:
    assert call(student, "looks_as_ever") == ["SourceFileLoader", "SourceFileLoader"]


def test_nobody_imports_torch_unasked(scratch: Path) -> None:
    with _loaded(LATE, scratch / "neither") as module:
        assert call(module, "loaded") == [False, False]


# --- the pair, as the trusted side sees it --------------------------------------------------------------


def test_the_pair_is_tried() -> None:
    pair = vision_pair.examined()
    assert pair.complete
    assert pair.broken == ""
    assert bool(pair.operators) == bool(pair.images)


@pytest.mark.parametrize(
    ("exception", "pair", "ours"),
    [
        ("OperatorMissing", Pair("2.13", "0.28", operators="libc10_cuda.so: no such file"), True),
        ("OperatorMissing", Pair("2.13", "0.28", images="libjpeg.so.8: no such file"), True),
        ("OperatorMissing", Pair("2.13", "0.28"), False),
        ("OperatorMissing", Pair("", ""), False),
        ("RuntimeError", Pair("2.13", "0.28", operators="libc10_cuda.so: no such file"), False),
    ],
)
def test_only_a_pair_that_does_not_fit_makes_it_our_fault(
    monkeypatch: pytest.MonkeyPatch, exception: str, pair: Pair, ours: bool
) -> None:
    monkeypatch.setattr(vision_pair, "examined", lambda: pair)
    fault = vision_pair.fault_behind(exception)
    assert (fault is not None) == ours
    if fault is not None:
        assert "torch 2.13 and torchvision 0.28" in fault.message
        assert sys.prefix in fault.remedy
