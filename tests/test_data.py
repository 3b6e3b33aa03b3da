"""The course's data folder: found, prepared once and whole, shown without what is ours alone."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from autograder import data
from autograder.data import course_data, load_held_out, notes, prepare
from autograder.datasets import cifar, mnist
from autograder.outcome import EnvironmentFault
from autograder.sandbox import vision
from autograder.sandbox.backend import BoxSpec
from autograder.sandbox.local import Privdrop
from tests.datasets import made
from tests.sandbox.boxes import LIMITS, call, needs_root, opened
from tests.small import Small


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where data sets are prepared in these tests."""
    monkeypatch.setattr(data, "_root", lambda: tmp_path / "prepared")
    return tmp_path / "prepared"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course with small data sets of its own."""
    folder = tmp_path / "course"
    made.write_idx(folder / "MNIST" / "raw")
    made.write_idx(folder / "FashionMNIST" / "raw", packed=False)
    made.write_batches(folder / "cifar-10-batches-py")
    return folder


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder that any user can enter; pytest's own is closed."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def told() -> list[str]:
    return []


def test_what_submissions_find(root: Path, course: Path) -> None:
    folder = prepare(["mnist", "cifar10", "fashion_mnist", "mnist_png"], course, lambda _: None)
    assert folder.parent.parent == root
    assert {path.name for path in folder.iterdir()} == {"MNIST", "FashionMNIST", cifar.FOLDER, "mnist_png"}
    for name in ("MNIST", "FashionMNIST"):
        assert {path.name for path in (folder / name / "raw").iterdir()} == set(mnist.file_names())
    only = prepare(["mnist"], course, lambda _: None)
    assert [path.name for path in only.iterdir()] == ["MNIST"]


def test_torchvision_reads_it_in_place(root: Path, course: Path) -> None:
    assert root
    vision.install()  # the index's torchvision may not fit the installed torch
    torchvision = pytest.importorskip("torchvision")
    folder = prepare(["mnist", "fashion_mnist"], course, lambda _: None)
    for kind in (torchvision.datasets.MNIST, torchvision.datasets.FashionMNIST):
        for train, split in ((True, made.digits(30)), (False, made.digits(20, start=3))):
            found = kind(str(folder), train=train, download=True)
            assert np.array_equal(found.data.numpy(), split.images)
            assert np.array_equal(found.targets.numpy(), split.labels)


def test_made_once(root: Path, course: Path, told: list[str]) -> None:
    first = prepare(["mnist", "cifar10"], course, told.append)
    assert told[0].startswith("preparing the data sets cifar10, mnist in ")
    before = len(told)
    assert prepare(["cifar10", "mnist", "mnist"], course, told.append) == first
    assert len(told) == before
    assert [path.name for path in root.iterdir() if path.is_dir()] == [first.parent.name]


def test_a_changed_source_makes_another(root: Path, course: Path) -> None:
    first = prepare(["mnist"], course, lambda _: None)
    for path in (course / "MNIST" / "raw").iterdir():
        path.unlink()
    mnist.write(course / "MNIST" / "raw", made.digits(8), made.digits(5))
    second = prepare(["mnist"], course, lambda _: None)
    assert first != second
    assert root in second.parents
    assert len(load_held_out("mnist", second).labels) == 5
    assert len(load_held_out("mnist", first).labels) == 20


def test_the_held_out_part(root: Path, course: Path) -> None:
    assert root
    folder = prepare(["mnist_png", "cifar10"], course, lambda _: None)
    digits, pictures = load_held_out("mnist", folder), load_held_out("cifar10", folder)
    assert (digits.name, digits.images.shape) == ("mnist", (20, 28, 28))
    assert digits.images.dtype == np.uint8
    assert digits.labels.dtype == np.int64
    assert digits.labels.tolist() == made.digits(20, start=3).labels.tolist()
    assert np.array_equal(digits.images, made.digits(20, start=3).images)
    assert pictures.images.shape == (made.PER_BATCH, 32, 32, 3)
    assert pictures.note == notes(folder)["cifar10"] == cifar.NOT_CANONICAL
    assert load_held_out("mnist_png", folder).name == "mnist"


def test_what_was_not_prepared_is_our_fault(root: Path, course: Path, tmp_path: Path) -> None:
    assert root
    folder = prepare(["mnist"], course, lambda _: None)
    for name, where in (("cifar10", folder), ("mnist", tmp_path)):
        with pytest.raises(EnvironmentFault, match=f"no held-out images of '{name}'"):
            load_held_out(name, where)


def test_a_pickle_among_the_held_out_is_not_loaded(root: Path, course: Path) -> None:
    assert root
    folder = prepare(["mnist"], course, lambda _: None)
    np.save(folder.parent / "held" / "mnist-labels.npy", np.array([{}, None]), allow_pickle=True)
    with pytest.raises(EnvironmentFault):
        load_held_out("mnist", folder)


def test_everybody_reads_it_nobody_writes_it_and_what_is_ours_is_closed(root: Path, course: Path) -> None:
    assert root
    before = os.umask(0o077)
    try:
        folder = prepare(["mnist", "cifar10", "mnist_png"], course, lambda _: None)
    finally:
        os.umask(before)
    for path in (folder.parent, folder, *folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o444), path
    assert stat.S_IMODE((folder.parent / "held").stat().st_mode) == 0o700


@needs_root
def test_student_code_reads_the_images_and_not_what_is_ours(
    course: Path, monkeypatch: pytest.MonkeyPatch, scratch: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(data, "_root", lambda: scratch / "prepared")
    folder = prepare(["mnist"], course, lambda _: None)
    source = "import os\ndef f(path):\n    return len(open(path, 'rb').read())\n"
    source += "def listing(path):\n    return sorted(os.listdir(path))\n"
    backend = Privdrop(BoxSpec(LIMITS, data=(str(folder),)))
    try:
        with opened(backend, tmp_path_factory.mktemp("tree"), source) as module:
            assert call(module, "f", str(folder / "MNIST/raw/t10k-labels-idx1-ubyte")) == 28
            assert call(module, "listing", str(folder)) == ["MNIST"]
            for path in (folder.parent / "held", folder.parent):
                with pytest.raises(Exception, match="PermissionError"):
                    call(module, "listing", str(path))
            with pytest.raises(Exception, match="PermissionError"):
                call(module, "f", str(folder.parent / "held" / "mnist-labels.npy"))
    finally:
        backend.close()


# --- what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cifar10", "fashion_mnist"])
def test_what_the_course_does_not_have_is_told_with_where_it_belongs(
    root: Path, tmp_path: Path, name: str
) -> None:
    for source, named in ((tmp_path, str(tmp_path)), (None, "none was named")):
        with pytest.raises(EnvironmentFault, match=name) as caught:
            prepare([name], source, lambda _: None)
        assert named in caught.value.message
        assert "AUTOGRADER_DATA" in caught.value.remedy
    assert not root.exists()


def test_an_unknown_data_set(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="'imagenet'") as caught:
        prepare(["mnist", "imagenet"], tmp_path)
    assert "cifar10" in caught.value.remedy


def test_a_failure_leaves_nothing_half_made(
    root: Path, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(mnist, "write", full)
        with pytest.raises(EnvironmentFault, match="No space left"):
            prepare(["cifar10", "mnist"], course, lambda _: None)
    assert [path for path in root.iterdir() if path.is_dir()] == []
    half_made = root / "data-of-one-who-was-killed.partial"
    half_made.mkdir()
    assert prepare(["cifar10", "mnist"], course, lambda _: None).is_dir()


def test_what_a_killed_process_left_is_made_anew(root: Path, course: Path) -> None:
    folder = prepare(["mnist"], course, lambda _: None)
    folder.parent.rename(folder.parent.with_name(f"{folder.parent.name}.partial"))
    (folder.parent.with_name(f"{folder.parent.name}.partial") / "course" / "half").touch()
    assert prepare(["mnist"], course, lambda _: None) == folder
    assert not (folder / "half").exists()
    assert root in folder.parents


def _in_another_process(root: Path, course: Path, told: multiprocessing.Queue[str]) -> None:
    data._root = lambda: root
    told.put(str(prepare(["cifar10"], course, told.put)))


def test_two_at_a_time_make_one(tmp_path: Path, course: Path) -> None:
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[str] = context.Queue()
    pair = [
        context.Process(target=_in_another_process, args=(tmp_path / "two", course, told)) for _ in range(2)
    ]
    for each in pair:
        each.start()
    for each in pair:
        each.join(60)
        assert each.exitcode == 0
    lines = []
    while not told.empty():
        lines.append(told.get())
    told.close()
    assert sum(line.startswith("preparing") for line in lines) == 1
    assert len({line for line in lines if line.startswith("/")}) == 1
    assert len([line for line in lines if line.startswith("/")]) == 2


# --- which folder -------------------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path)


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUTOGRADER_DATA", raising=False)


def test_the_variable_comes_first(
    small: Small, course: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assignment = small.assignment()
    monkeypatch.setattr(data, "_HOME", tmp_path / "bundle")
    assert course_data(assignment) is None
    (tmp_path / "bundle" / "data").mkdir(parents=True)
    assert course_data(assignment) == tmp_path / "bundle" / "data"
    assert course_data(None) == tmp_path / "bundle" / "data"
    (assignment.folder / "data").mkdir()
    assert course_data(assignment) == assignment.folder / "data"
    monkeypatch.setenv("AUTOGRADER_DATA", str(course))
    assert course_data(assignment) == course
    monkeypatch.setenv("AUTOGRADER_DATA", "/no/such/folder")
    with pytest.raises(EnvironmentFault, match="'/no/such/folder'"):
        course_data(assignment)


def test_where_it_is_prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert data._root() == Path("/opt/autograder")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data._root() == tmp_path / "autograder"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data._root() == tmp_path / ".cache" / "autograder"


def test_it_is_described_for_a_person(root: Path, course: Path) -> None:
    assert root
    folder = prepare(["mnist"], course, lambda _: None)
    assert data.describe(folder) == f"{folder}\n  mnist: {mnist.NOT_CANONICAL}"
