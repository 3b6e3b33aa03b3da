"""The part of the test set that no submission sees, in each of the forms that submissions read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autograder import data
from autograder.data import load_held_out, notes, prepare, prepared
from autograder.datasets import cifar, mnist, pickles
from autograder.datasets.found import Split
from autograder.datasets.hidden import Hiding
from tests.datasets import made
from tests.small import Small


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "_root", lambda: tmp_path / "prepared")


@pytest.fixture
def course(tmp_path: Path) -> Path:
    folder = tmp_path / "course"
    mnist.write(folder / "MNIST" / "raw", made.digits(30), made.digits(90, start=3))
    mnist.write(folder / "FashionMNIST" / "raw", made.digits(30), made.digits(90, start=4))
    made.write_batches(folder / "cifar-10-batches-py")
    return folder


def shown(folder: Path, name: str = "MNIST") -> Split:
    return mnist.read("mnist", mnist.find("mnist", folder / name / "raw"), lambda _: None)[1]  # type: ignore[arg-type]


def test_the_hidden_images_are_nowhere_in_what_is_shown(course: Path) -> None:
    hiding = Hiding(25, seed=7)
    folder = prepare(["mnist", "fashion_mnist", "cifar10"], course, lambda _: None, hiding=hiding)
    for name, where in (("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")):
        held, test = load_held_out(name, folder), shown(folder, where)
        assert held.hidden.sum() == 25
        assert len(test.labels) == len(held.labels) == 90
        visible = ~held.hidden
        assert np.array_equal(test.images[visible], held.images[visible])
        assert np.array_equal(test.labels[visible], held.labels[visible])
        files = {image.tobytes(): label for image, label in zip(held.images, held.labels, strict=True)}
        concealed = {image.tobytes() for image in held.images[held.hidden]}
        assert not concealed & {image.tobytes() for image in test.images}
        for image, label in zip(test.images, test.labels, strict=True):
            assert files[image.tobytes()] == label  # a copy comes with its own label
        assert not np.array_equal(test.labels[held.hidden], held.labels[held.hidden])


def test_cifars_test_batch_is_written_anew(course: Path) -> None:
    folder = prepare(["cifar10"], course, lambda _: None, hiding=Hiding(6, seed=1))
    held = load_held_out("cifar10", folder)
    batch = pickles.read((folder / cifar.FOLDER / "test_batch").read_bytes())
    assert batch["data"].shape == (made.PER_BATCH, 3072)
    assert len(batch["labels"]) == len(batch["filenames"]) == made.PER_BATCH
    rows = held.images.transpose(0, 3, 1, 2).reshape(len(held.labels), -1)
    assert np.array_equal(rows, made.batches()[-1].images)  # what we judge by is the true one
    assert np.array_equal(batch["data"][~held.hidden], rows[~held.hidden])
    assert not {row.tobytes() for row in rows[held.hidden]} & {row.tobytes() for row in batch["data"]}
    for name in cifar.BATCHES[:-1]:
        source = course / "cifar-10-batches-py" / name
        assert (folder / cifar.FOLDER / name).read_bytes() == source.read_bytes()


@pytest.mark.parametrize("form", ["binary", "jpeg"])
def test_cifars_other_forms_hide_as_well(tmp_path: Path, form: str) -> None:
    if form == "binary":
        made.write_binary(tmp_path / "there" / "cifar-10-batches-bin")
    else:
        made.write_jpegs(tmp_path / "there", [label % 10 for label in range(20)], tests=3)
    folder = prepare(["cifar10"], tmp_path / "there", lambda _: None, hiding=Hiding(5, seed=1))
    held = load_held_out("cifar10", folder)
    batch = pickles.read((folder / cifar.FOLDER / "test_batch").read_bytes())
    rows = held.images.transpose(0, 3, 1, 2).reshape(len(held.labels), -1)
    assert held.hidden.sum() == 5
    assert not {row.tobytes() for row in rows[held.hidden]} & {row.tobytes() for row in batch["data"]}


def test_pictures_of_the_same_images_hide_the_same(course: Path) -> None:
    hiding = Hiding(25, seed=7)
    folder = prepare(["mnist_png", "mnist"], course, lambda _: None, hiding=hiding)
    held, test = load_held_out("mnist", folder), shown(folder)
    files = sorted((folder / "mnist_png" / "testing").rglob("*.png"), key=lambda path: int(path.stem))
    assert len(files) == 90
    for path, image, label in zip(files, test.images, test.labels, strict=True):
        assert path.parent.name == str(label)
        with Image.open(path) as picture:
            assert np.array_equal(np.asarray(picture), image)
    assert held.hidden.sum() == 25


def test_which_ones_follows_from_the_seed_and_so_does_the_folder(course: Path) -> None:
    def made_with(images: int, seed: int) -> Path:
        return prepare(["mnist"], course, lambda _: None, hiding=Hiding(images, seed))

    first = made_with(20, 1)
    assert made_with(20, 1) == first
    other, more = made_with(20, 2), made_with(21, 1)
    assert len({first, other, more}) == 3
    assert (load_held_out("mnist", first).hidden != load_held_out("mnist", other).hidden).any()
    # Where nothing is hidden, the seed makes no difference.
    assert made_with(0, 1) == made_with(0, 2) == prepare(["mnist"], course, lambda _: None)
    plain = load_held_out("mnist", made_with(0, 1))
    assert not plain.hidden.any()
    assert plain.hidden.dtype == np.bool_
    assert len(plain.hidden) == 90
    assert notes(made_with(0, 1))["mnist"] == mnist.NOT_CANONICAL


def test_the_note_says_how_many(course: Path) -> None:
    folder = prepare(["mnist"], course, lambda _: None, hiding=Hiding(25))
    assert notes(folder)["mnist"] == (
        f"{mnist.NOT_CANONICAL}; 25 of the 90 test images are hidden behind copies of the others"
    )
    small = prepare(["mnist"], course, lambda _: None, hiding=Hiding(2_000))
    assert notes(small)["mnist"].endswith(
        "; 18 of the 90 test images are hidden behind copies of the others (fewer than the 2,000 that are "
        "asked for, because the test set is small)"
    )
    assert load_held_out("mnist", small).hidden.sum() == 18


@pytest.mark.parametrize(
    ("asked", "images", "hidden"),
    [(2_000, 10_000, 2_000), (3_000, 10_000, 3_000), (2_000, 1_000, 200), (300, 1_000, 300), (0, 1_000, 0)],
)
def test_a_small_test_set_hides_proportionally_less(asked: int, images: int, hidden: int) -> None:
    assert Hiding(asked, 3).count(images) == Hiding(asked, 3).places("mnist", images).sum() == hidden


def test_any_image_is_hidden_as_often_as_any_other() -> None:
    often = sum(Hiding(2_000, seed).places("mnist", 10_000).astype(int) for seed in range(50))
    assert isinstance(often, np.ndarray)
    assert often.mean() == 10
    assert often.max() < 25
    assert (Hiding(2_000, 1).places("mnist", 10_000) != Hiding(2_000, 1).places("cifar10", 10_000)).any()


def test_the_manifest_says_how_many(tmp_path: Path, course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOGRADER_DATA", str(course))
    small = Small(tmp_path)
    small.more = '[notebook]\nwall_s = 60\ncell_wall_s = 60\ndatasets = ["mnist"]\nhidden_test_images = 30'
    assignment = small.assignment()
    held = load_held_out("mnist", prepared(assignment))
    assert held.hidden.sum() == 30
    assert np.array_equal(held.hidden, Hiding(30, assignment.seed).places("mnist", 90))
