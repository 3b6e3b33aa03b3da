"""CIFAR-10 out of every form that a course may have it in."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autograder.datasets import cifar
from autograder.datasets.found import Source, Split
from autograder.outcome import EnvironmentFault
from tests.datasets import made


def quiet(_text: str) -> None:
    pass


def prepared(source: Path, out: Path) -> tuple[Split, str, str]:
    """The test images, the note, and in which form the data set was found."""
    found = cifar.find(source)
    assert found is not None
    return (*cifar.make(found, out, quiet), found.kind)


def loaded(folder: Path, name: str) -> dict[str, object]:
    """As students' scripts do it."""
    with (folder / name).open("rb") as file:
        held: dict[str, object] = pickle.load(file, encoding="latin1")  # noqa: S301
        return held


def python_folder(home: Path) -> list[Split]:
    return made.write_batches(home / "cifar-10-batches-py")


def python_archive(home: Path) -> list[Split]:
    written = made.write_batches(home / "away" / "cifar-10-batches-py")
    made.pack(home / "away" / "cifar-10-batches-py", home / "cifar-10-python.tar.gz")
    return written


def binary_folder(home: Path) -> list[Split]:
    return made.write_binary(home / "cifar10" / "cifar-10-batches-bin")


def binary_archive(home: Path) -> list[Split]:
    written = made.write_binary(home / "away" / "cifar-10-batches-bin")
    made.pack(home / "away" / "cifar-10-batches-bin", home / "cifar-10-binary.tar.gz")
    return written


@pytest.mark.parametrize(
    ("write", "kind", "note"),
    [
        (python_folder, "python", cifar.NOT_CANONICAL),
        (python_archive, "python archive", cifar.NOT_CANONICAL),
        (binary_folder, "binary", cifar.FROM_BINARY),
        (binary_archive, "binary archive", cifar.FROM_BINARY),
    ],
)
def test_each_form_gives_the_same_images(
    tmp_path: Path, write: Callable[[Path], list[Split]], kind: str, note: str
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    written = write(source)
    test, found_note, found_kind = prepared(source, out)
    assert (found_kind, found_note) == (kind, note)
    assert {path.name for path in out.iterdir()} == {*cifar.BATCHES, cifar.META}
    for name, batch in zip(cifar.BATCHES, written, strict=True):
        held = loaded(out, name)
        assert np.array_equal(held["data"], batch.images)  # type: ignore[arg-type]
        assert held["labels"] == batch.labels.tolist()
    assert loaded(out, cifar.META)["label_names"] == cifar.NAMES
    assert test.images.shape == (made.PER_BATCH, 32, 32, 3)
    assert np.array_equal(test.images.transpose(0, 3, 1, 2).reshape(-1, 3072), written[-1].images)
    assert np.array_equal(test.labels, written[-1].labels)


def test_the_courses_pickles_are_copied_byte_by_byte(tmp_path: Path) -> None:
    source = tmp_path / "cifar-10-batches-py"
    made.write_batches(source)
    prepared(tmp_path, tmp_path / "out")
    for name in (*cifar.BATCHES, cifar.META):
        assert (tmp_path / "out" / name).read_bytes() == (source / name).read_bytes()


def test_canonical_files_are_known_by_their_checksums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "cifar-10-batches-py"
    made.write_batches(source)
    digests = [hashlib.md5((source / name).read_bytes()).hexdigest() for name in (*cifar.BATCHES, cifar.META)]  # noqa: S324
    monkeypatch.setattr(cifar, "_CANONICAL", tuple(digests))
    assert prepared(tmp_path, tmp_path / "out")[1] == cifar.CANONICAL


def test_jpegs_are_put_into_their_original_order(tmp_path: Path) -> None:
    order = [6, 9, 9, 4, 1, 1, 2, 7, 8, 3, 0, 5, 6, 0, 9]
    made.write_jpegs(tmp_path, order, tests=2)
    test, note, kind = prepared(tmp_path, tmp_path / "out")
    assert kind == "jpeg"
    assert note.startswith("not canonical")
    within = [order[:at].count(label) for at, label in enumerate(order)]
    batches = [loaded(tmp_path / "out", name) for name in cifar.BATCHES[:-1]]
    assert [label for batch in batches for label in batch["labels"]] == order  # type: ignore[attr-defined]
    images = np.concatenate([batch["data"] for batch in batches])
    for image, label, number in zip(images, order, within, strict=True):
        wanted = made.plain(label, number).transpose(2, 0, 1).reshape(-1)
        assert np.abs(image.astype(int) - wanted.astype(int)).max() <= 4
    assert test.labels.tolist() == [*range(10), *range(10)]
    for image, label, number in zip(test.images, test.labels, [0] * 10 + [1] * 10, strict=True):
        assert np.abs(image.astype(int) - made.plain(int(label), number).astype(int)).max() <= 4


def test_the_form_nearest_to_the_canonical_one_is_taken(tmp_path: Path) -> None:
    made.write_jpegs(tmp_path, [0, 1], tests=1)
    made.write_binary(tmp_path / "cifar-10-batches-bin")
    found = cifar.find(tmp_path)
    assert found is not None
    assert found.kind == "binary"
    (tmp_path / "cifar-10-batches-py").mkdir()  # empty: not a form of it
    assert cifar.find(tmp_path) == found


def test_where_there_is_none(tmp_path: Path) -> None:
    assert cifar.find(tmp_path) is None
    assert cifar.find(None) is None


def spoil_labels(folder: Path) -> None:
    path = folder / "data_batch_3"
    path.write_bytes(path.read_bytes().replace(b"K\x09", b"K\x0a").replace(b"J\x09\0\0\0", b"J\x0a\0\0\0"))


def cut_off(folder: Path) -> None:
    path = folder / "test_batch"
    path.write_bytes(path.read_bytes()[:-100])


def another(folder: Path) -> None:
    (folder / "data_batch_2").write_bytes(pickle.dumps({"data": [1], "labels": [1]}))


@pytest.mark.parametrize("spoil", [spoil_labels, cut_off, another])
def test_a_broken_batch_is_named(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    made.write_batches(folder)
    spoil(folder)
    with pytest.raises(EnvironmentFault, match=r"The data file '.*batch.*' can't be used"):
        prepared(tmp_path, tmp_path / "out")


@pytest.mark.parametrize("name", ["cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"])
@pytest.mark.parametrize("content", [b"", b"not an archive", b"\x1f\x8b\x08\0\0\0\0\0\0\xffcut"])
def test_a_broken_archive_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EnvironmentFault, match=name):
        prepared(tmp_path, tmp_path / "out")


def test_an_archive_that_lacks_pictures(tmp_path: Path) -> None:
    made.write_jpegs(tmp_path, [0, 1, 2], tests=1)
    labels = tmp_path / "kaggle_trainLabels.csv"
    labels.write_text(labels.read_text() + "4,frog\n")
    with pytest.raises(EnvironmentFault, match="lacks 1 of the training images"):
        prepared(tmp_path, tmp_path / "out")
    labels.write_text("id,label\n1,dragon\n")
    with pytest.raises(EnvironmentFault, match="another class"):
        prepared(tmp_path, tmp_path / "out2")


def test_a_source_that_changed_has_another_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    source = Source("python", (tmp_path / "a",))
    before = source.fingerprint()
    assert source.fingerprint() == before
    (tmp_path / "a").write_text("12")
    assert source.fingerprint() != before
