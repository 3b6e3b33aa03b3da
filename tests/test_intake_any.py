"""Property tests: any upload at all becomes a sound tree, or is refused with one sentence."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.intake import take_in
from autograder.outcome import IntakeRefused
from tests.trees import MIB, SMALL, check_message, check_tree, write_folder
from tests.zipmaker import DEFLATED, STORED, UTF8, Raw, raw_zip, zip_of

FOLDERS = st.sampled_from(["hw", "src", "é", "e\u0301 2", "venv", "__MACOSX", ".git", "hw (2)"])
FILES = st.sampled_from(["a.py", "b.py", "c", "ü.csv", "x.pyc", ".DS_Store", "pyvenv.cfg", "extra.md"])
ZIP_NAMES = st.sampled_from(["hw.zip", "src/hw.zip", "c.ZIP", ".zip", "...zip", "venv.zip"])
HOSTILE = st.sampled_from(
    [
        *("a", "A", "B.PY", "SRC", "ß", "SS", "..", ".", "", "con", " ", "hw", "a.py"),
        *("C:", "a\0", "\n", "Icon\r", "a\x1b[0m", "\u202e", "x" * 70, "ü" * 130, "N.ZIP", "..zip"),
    ]
)
MODES = st.sampled_from([0] * 3 + [0o100644, 0o100755, 0o106777, 0o040755, 0o120777, 0o010644, 0o020644])
DATA = st.binary(max_size=40) | st.integers(0, MIB // 2).map(lambda size: b"\0" * size)

ORDINARY = st.builds(
    lambda folders, name, data: Raw("/".join([*folders, name]), data, mode=0o100755),
    st.lists(FOLDERS, max_size=3),
    FILES,
    DATA,
)
HOSTILE_NAMES = st.builds(
    lambda separator, parts: separator.join(parts),
    st.sampled_from("//\\"),
    st.lists(HOSTILE | FOLDERS, min_size=1, max_size=4),
)
HOSTILE_ENTRY = st.one_of(
    st.builds(Raw, name=HOSTILE_NAMES, data=DATA, mode=MODES, method=st.sampled_from([STORED, DEFLATED])),
    st.builds(Raw, name=st.binary(max_size=12), data=DATA, flags=st.just(0)),
    st.builds(Raw, name=HOSTILE_NAMES, data=DATA, size=st.integers(0, 100)),
    st.builds(Raw, name=FILES, offset=st.integers(0, 100), flags=st.sampled_from([UTF8, UTF8 | 1])),
)


def uploads(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Zips, mostly acceptable ones, that hold some of the ``inner`` zips."""
    nested = st.builds(Raw, name=ZIP_NAMES, data=inner, method=st.sampled_from([STORED, DEFLATED]))

    def some(entry: st.SearchStrategy[Raw], most: int) -> st.SearchStrategy[list[Raw]]:
        return st.lists(entry, max_size=most, unique_by=lambda raw: raw.raw_name)

    # The hostile come last, or nothing that stands after one would ever be looked at.
    hostile = st.one_of(st.just(list[Raw]()), some(HOSTILE_ENTRY, 2))
    return st.builds(lambda *parts: raw_zip(list(chain(*parts))), some(ORDINARY, 5), some(nested, 2), hostile)


SIMPLE = raw_zip([Raw("a.py", b"a")])
ZIPS = st.recursive(st.sampled_from([SIMPLE, SIMPLE, SIMPLE, b"no zip"]), uploads, max_leaves=8)


def everything_below(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        yield str(path), status.st_mode, content


def take_in_safely(source: Path, around: Path) -> None:
    """Whatever ``source`` is: a sound tree or one sentence, and ``around`` otherwise as before."""
    before = list(everything_below(around))
    with TemporaryDirectory(dir=around) as scratch:
        try:
            tree = take_in(source, Path(scratch), SMALL)
        except IntakeRefused as refused:
            check_message(refused)
        else:
            check_tree(tree, Path(scratch), SMALL)
            assert tree.files
    assert list(everything_below(around)) == before


@settings(deadline=None, max_examples=250)
@given(ZIPS)
def test_any_zip_becomes_a_sound_tree_or_one_sentence(content: bytes) -> None:
    with TemporaryDirectory() as around:
        write_folder(Path(around), {"beside/a": b"untouched", "evil.py": b"untouched"})
        source = Path(around, "upload.zip")
        source.write_bytes(content)
        take_in_safely(source, Path(around))


FILE_NAMES = st.sampled_from(
    [
        *(b"a", b"A", b"b.py", b"\xc3\xa9", b"e\xcc\x81", b"n.zip", b".git", b"venv", b"pyvenv.cfg"),
        *(b"\xff", b"x\\y", b"..\\z", b"\x1b[0m", b"\n", b"C:", b"x" * 70),
    ]
)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.lists(FILE_NAMES, min_size=1, max_size=4, unique=True),
            st.sampled_from(["file", "file", "file", "folder", "link", "fifo", "zip"]),
        ),
        max_size=6,
    )
)
def test_any_folder_becomes_a_sound_tree_or_one_sentence(things: list[tuple[list[bytes], str]]) -> None:
    with TemporaryDirectory() as around:
        source = Path(around, "source")
        source.mkdir()
        for parts, kind in things:
            path = source.joinpath(*map(os.fsdecode, parts))
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                make_thing(path, kind)
            except OSError:  # the generated paths contradict one another
                continue
        take_in_safely(source, Path(around))


def make_thing(path: Path, kind: str) -> None:
    if path.is_symlink() or path.exists():
        return
    match kind:
        case "file":
            path.write_bytes(b"content")
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to("/etc/passwd")
        case "fifo":
            os.mkfifo(path)
        case _:
            path.write_bytes(zip_of({"inner/a.py": b"a", "n.zip": zip_of({"b.py": b"b"})}))
