"""The door: a plain file of the box's own comes through, and nothing else, whatever lies there."""

from __future__ import annotations

import os
import socket
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autograder import door as door_module
from autograder.door import Door, FileMissing, FileRefused, OpenFile
from autograder.outcome import CheckFailed, Outcome
from tests.sandbox.boxes import needs_root

SECRET = b"the labels"
LIMIT = 1_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder that a box could write to; the secret lies beside it."""
    (tmp_path / "secret").write_bytes(SECRET)
    folder = tmp_path / "box"
    (folder / "out").mkdir(parents=True)
    return folder


def refused(root: Path, path: str, *, max_bytes: int = LIMIT, uid: int | None = None) -> str:
    """The sentence with which ``path`` is refused."""
    before = open_descriptors()
    with pytest.raises(FileRefused) as caught:
        Door(root, max_bytes, uid).read(path)
    assert caught.value.outcome is Outcome.FAILED
    assert caught.value.hint.endswith(".")
    assert open_descriptors() == before
    return caught.value.message


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


@pytest.mark.parametrize("size", [0, 1, LIMIT - 1, LIMIT])
def test_a_plain_file_comes_through(root: Path, size: int) -> None:
    (root / "out" / "é ü.json").write_bytes(b"x" * size)
    assert Door(root, LIMIT, os.getuid()).read("out/é ü.json") == b"x" * size


def test_one_byte_too_many(root: Path) -> None:
    (root / "a").write_bytes(b"x" * (LIMIT + 1))
    assert refused(root, "a") == "'a' is 1,001 bytes large, where 1,000 bytes are allowed."


def test_a_missing_file_is_told_apart(root: Path) -> None:
    for path in ("nothing", "out/nothing", "nothing/at/all"):
        with pytest.raises(FileMissing, match=rf"^There is no file '{path}'\.$"):
            Door(root, LIMIT).read(path)
    assert issubclass(FileMissing, CheckFailed)
    assert not issubclass(FileMissing, FileRefused)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


MAKERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "link to a secret": (lambda path: path.symlink_to("../secret"), "a link"),
    "absolute link": (lambda path: path.symlink_to("/etc/passwd"), "a link"),
    "link to itself": (lambda path: path.symlink_to("thing"), "a link"),
    "link to nothing": (lambda path: path.symlink_to("nowhere"), "a link"),
    "link to a good file": (lambda path: path.symlink_to("good"), "a link"),
    "folder": (lambda path: path.mkdir(), "a folder"),
    "pipe": (os.mkfifo, "a named pipe"),
    "socket": (make_socket, "a socket"),
}


@pytest.mark.parametrize("what", MAKERS)
def test_what_is_no_file(root: Path, what: str) -> None:
    make, kind = MAKERS[what]
    (root / "good").write_bytes(b"good")
    make(root / "thing")
    start = time.monotonic()
    assert refused(root, "thing") == f"'thing' is {kind} where a file is expected."
    assert time.monotonic() - start < 5  # a pipe that nobody writes to isn't waited for


@needs_root
def test_a_device(root: Path) -> None:
    os.mknod(root / "zero", 0o20666, os.makedev(1, 5))
    os.mknod(root / "disk", 0o60666, os.makedev(7, 0))
    assert refused(root, "zero") == "'zero' is a device where a file is expected."
    assert refused(root, "disk") == "'disk' is a device where a file is expected."


def test_a_link_on_the_way(root: Path, tmp_path: Path) -> None:
    (root / "up").symlink_to(tmp_path)
    (root / "out" / "here").symlink_to(".")
    (root / "out" / "a").write_bytes(b"a")
    for path in ("up/secret", "out/here/a", "out/a/b"):
        expected = f"'{path}' leads through a link or a file where a folder is expected."
        assert refused(root, path) == expected


@pytest.mark.parametrize(
    "path",
    ["", ".", "..", "../secret", "out/../../secret", "/etc/passwd", "out//a", "out/", "./out", "a\0b", "/"],
)
def test_paths_that_leave_the_folder(root: Path, path: str) -> None:
    assert "is not the path of a file inside your folder" in refused(root, path)


@pytest.mark.parametrize("path", ["x/" * 500 + "x", "x/" * 40 + "x"])
def test_paths_that_are_too_long(root: Path, path: str) -> None:
    assert "is too long a path" in refused(root, path)


def test_names_that_no_file_can_have(root: Path) -> None:
    assert "File name too long" in refused(root, "x" * 300)
    assert "is not a name that a file can have" in refused(root, "\ud800")


def test_a_name_is_shown_harmlessly(root: Path) -> None:
    (root / "\x1b[31mred\u202e").mkdir()
    assert refused(root, "\x1b[31mred\u202e") == "'red' is a folder where a file is expected."


def test_a_hard_link(root: Path, tmp_path: Path) -> None:
    os.link(tmp_path / "secret", root / "mine")
    assert refused(root, "mine") == "'mine' is a file with 2 names (hard links)."


def test_a_sparse_file_counts_as_large_as_it_looks(root: Path) -> None:
    with (root / "sparse").open("wb") as file:
        file.truncate(5 * 2**30)
    tracemalloc.start()
    try:
        assert refused(root, "sparse") == "'sparse' is 5,120.0 MiB large, where 1,000 bytes are allowed."
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@needs_root
def test_a_file_of_somebody_else(root: Path) -> None:
    (root / "a").write_bytes(b"a")
    os.chown(root / "a", 12345, 12345)
    assert Door(root, LIMIT, uid=12345).read("a") == b"a"
    assert Door(root, LIMIT).read("a") == b"a"
    assert refused(root, "a", uid=54321) == "'a' was not written by your code."


def test_a_mode_that_forbids_reading(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user's box runs as that user, who then can't read the file: the submission's doing."""
    (root / "a").write_bytes(b"a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", raiser(PermissionError(13, "Permission denied")))
        said = refused(root, "a")
    assert said == "'a' can't be opened (Permission denied)."


def raiser(error: OSError) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def test_a_disk_that_fails_is_our_fault(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").write_bytes(b"a")
    monkeypatch.setattr(os, "pread", raiser(OSError(5, "Input/output error")))
    with pytest.raises(OSError, match="Input/output"):
        Door(root, LIMIT).read("a")


def test_a_folder_of_ours_that_is_missing_is_our_fault(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Door(root / "gone", LIMIT).read("a")


@pytest.mark.parametrize("change", [-5, 5, LIMIT * 10])
def test_a_file_that_changes_while_it_is_read(root: Path, change: int) -> None:
    path = root / "a"
    path.write_bytes(b"x" * 100)
    with Door(root, LIMIT).open("a") as file:
        os.truncate(path, 100 + change)
        with pytest.raises(FileRefused, match=r"^'a' changed while it was being read\.$"):
            b"".join(file.chunks())


def test_a_file_that_is_swapped_before_it_is_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody should be alive to do so; if somebody is, it shows."""
    (root / "a").write_bytes(b"a")
    (root / "b").write_bytes(b"b")
    look = os.stat

    def swapping(*arguments: object, **options: object) -> os.stat_result:
        seen = look(*arguments, **options)  # type: ignore[arg-type]
        (root / "b").replace(root / "a")
        return seen

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", swapping)
        said = refused(root, "a")
    assert said == "'a' changed while it was being read."


def test_a_large_file_is_copied_without_being_held(root: Path, tmp_path: Path) -> None:
    with (root / "weights").open("wb") as file:
        file.truncate(64 * 2**20)
        file.seek(2**20)
        file.write(b"numbers")
    tracemalloc.start()
    try:
        size = Door(root, 64 * 2**20).copy("weights", tmp_path / "copy")
        assert tracemalloc.get_traced_memory()[1] < 4 * door_module.CHUNK_BYTES
    finally:
        tracemalloc.stop()
    assert size == 64 * 2**20
    assert (tmp_path / "copy").stat().st_size == size
    with (tmp_path / "copy").open("rb") as file:
        file.seek(2**20)
        assert file.read(7) == b"numbers"


def test_half_a_copy_is_not_left(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").write_bytes(b"x" * 100)

    def broken(_: OpenFile) -> object:
        yield b"half"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(OpenFile, "chunks", broken)
    with pytest.raises(OSError, match="No space"):
        Door(root, LIMIT).copy("a", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_copy_never_replaces_a_file(root: Path, tmp_path: Path) -> None:
    (root / "a").write_bytes(b"a")
    with pytest.raises(FileExistsError):
        Door(root, LIMIT).copy("a", tmp_path / "secret")
    assert (tmp_path / "secret").read_bytes() == SECRET


def test_no_descriptor_is_left_to_children(root: Path) -> None:
    (root / "a").write_bytes(b"a")
    with Door(root, LIMIT).open("a") as file:
        assert not os.get_inheritable(file.descriptor)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: the examples only read it."""
    root = tmp_path_factory.mktemp("tree")
    (root / "box" / "out").mkdir(parents=True)
    (root / "secret").write_bytes(SECRET)
    for name in ("a", "out/a"):
        (root / "box" / name).write_bytes(b"plain")
    (root / "box" / "link").symlink_to("..")
    os.mkfifo(root / "box" / "pipe")
    return root / "box"


STEPS = st.sampled_from(["a", "out", "link", "secret", "..", ".", "", "pipe", "é", "x" * 256, "\0", "\ud800"])


@settings(deadline=None)
@given(path=st.lists(STEPS).map("/".join) | st.text(max_size=20))
@example(path="link/secret")
@example(path="out/a")
def test_any_path_gives_the_file_or_one_sentence(tree: Path, path: str) -> None:
    try:
        content = Door(tree, LIMIT).read(path)
    except (FileMissing, FileRefused) as problem:
        said = problem.message
    else:
        assert (content, path) in {(b"plain", "a"), (b"plain", "out/a")}
        return
    assert said.endswith(".")
    assert said.isprintable()
