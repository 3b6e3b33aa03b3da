from __future__ import annotations

import bz2
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.archive import MAX_DIRECTORY_BYTES, open_zip
from autograder.entries import MAX_ENTRIES, Kind
from autograder.outcome import IntakeRefused
from tests.zipmaker import DEFLATED, STORED, UTF8, Raw, directory, raw_zip, zip_of

GOOD = zip_of({"hw/a.py": b"a = 1\n", "hw/b.txt": b"text" * 1000})


def read_all(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with open_zip(path, path.name) as entries:
        for entry in entries:
            assert sum(map(len, entry.chunks())) == entry.size


def refusal(path: Path, content: bytes) -> str:
    with pytest.raises(IntakeRefused) as refused:
        read_all(path, content)
    return refused.value.message


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    return tmp_path / "upload.zip"


def test_an_honest_zip_is_listed_and_read(upload: Path) -> None:
    upload.write_bytes(GOOD)
    with open_zip(upload, upload.name) as entries:
        assert [(entry.name, entry.kind, entry.size) for entry in entries] == [
            ("hw/a.py", Kind.FILE, 6),
            ("hw/b.txt", Kind.FILE, 4000),
        ]
        assert b"".join(entries[1].chunks()) == b"text" * 1000


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (Raw("folder/"), Kind.FOLDER),
        (Raw("folder\\"), Kind.FOLDER),
        (Raw("folder", mode=0o040755), Kind.FOLDER),
        (Raw("folder/", b"content"), Kind.OTHER),
        (Raw("file", mode=0o100755), Kind.FILE),
        (Raw("link", b"/etc/passwd", mode=0o120777), Kind.LINK),
        (Raw("fifo", mode=0o010644), Kind.OTHER),
        (Raw("device", mode=0o020644), Kind.OTHER),
        (Raw("disk", mode=0o060644), Kind.OTHER),
        (Raw("socket", mode=0o140644), Kind.OTHER),
    ],
)
def test_an_entry_says_what_it_is(upload: Path, entry: Raw, kind: Kind) -> None:
    upload.write_bytes(raw_zip([entry]))
    with open_zip(upload, upload.name) as entries:
        assert entries[0].kind is kind


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        (Raw("über.py"), "über.py"),
        (Raw("über.py".encode(), flags=0), "über.py"),  # macOS doesn't set the flag
        (Raw(b"caf\x82.py", flags=0), "café.py"),  # the DOS code page
        (Raw("a\0b.py"), "a\0b.py"),  # zipfile alone would say "a"
    ],
)
def test_names_are_read_as_they_were_meant(upload: Path, entry: Raw, name: str) -> None:
    upload.write_bytes(raw_zip([entry]))
    with open_zip(upload, upload.name) as entries:
        assert entries[0].name == name


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty, 0 bytes"),
        (b"Rar!\x1a\x07\x01\x00" + b"x" * 600, "a RAR archive; export it as .zip"),
        (b"7z\xbc\xaf\x27\x1c" + b"x" * 600, "a 7z archive"),
        (b"\x1f\x8b\x08" + b"x" * 600, "a gzip file"),
        (b"x" * 257 + b"ustar" + b"\0" * 600, "a tar archive"),
        (b"\xef\xbb\xbf\n <!DOCTYPE HTML><html>", "a web page"),
        (b"%PDF-1.7", "a PDF"),
        (b"just text", "not a zip, whatever its name says"),
        (GOOD[:-30], "damaged or was cut off"),
        (GOOD[:40], "damaged or was cut off"),
        (GOOD[:20] + GOOD[24:], "damaged or was cut off"),
        (b"PK\x05\x06", "damaged or was cut off"),
    ],
)
def test_what_is_no_zip_is_named(upload: Path, content: bytes, words: str) -> None:
    message = refusal(upload, content)
    assert words in message
    assert "upload.zip" in message


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Raw("a", b"x", flags=UTF8 | 0x1), "password"),
        (Raw("a", b"x", flags=UTF8 | 0x41), "password"),
        (Raw("a", b"x", volume=1), "split archive"),
        (Raw("a", bz2.compress(b"x"), method=12), "the method bzip2"),
        (Raw("a", b"x", method=14), "the method LZMA"),
        (Raw("a", b"x", method=9), "the method Deflate64"),
        (Raw("a", b"x", method=77), "the method number 77"),
        (Raw("a", b"x", crc=1), "damaged"),
        (Raw("a", b"x" * 100, size=10), "damaged"),
        (Raw("a", b"x" * 100, size=1000), "damaged"),
        (Raw("a", b"x" * 100, size=1000, method=STORED), "damaged"),
        (Raw("a", b"x" * 100, size=0, method=STORED), "damaged"),
        (Raw("a", b"x", offset=5), "overlap"),
        (Raw("a", b"x", offset=2**32 - 2), "damaged"),
        (Raw(b"\xff\xfe"), "damaged"),
        (Raw("a", b"x", flags=UTF8 | 0x20), "damaged"),
    ],
)
def test_an_unreadable_entry_is_refused(upload: Path, entry: Raw, words: str) -> None:
    assert words in refusal(upload, raw_zip([Raw("first", b"1"), entry]))


def test_two_entries_may_not_share_bytes(upload: Path) -> None:
    again = Raw("a", b"x" * 1000, offset=0)
    assert "overlap, such as 'a'" in refusal(upload, raw_zip([Raw("a", b"x" * 1000)], hidden=[again]))


def test_an_entry_may_not_lie_inside_another(upload: Path) -> None:
    inner = Raw("inner", b"y" * 500)
    outer = Raw("outer", inner.local() * 2, method=STORED)
    at = len(outer.local()) - len(inner.local())
    message = refusal(upload, raw_zip([outer], hidden=[Raw("inner", b"y" * 500, offset=at)]))
    assert "overlap, such as 'outer'" in message


def test_a_directory_that_asks_for_gigabytes_is_not_read(upload: Path) -> None:
    record = Raw("a").central(0)
    many = MAX_DIRECTORY_BYTES // len(record) + 1
    assert f"more than {MAX_ENTRIES:,}" in refusal(upload, directory(record * many, many, 0))
    record = Raw("a" * 60_000).central(0)
    many = MAX_DIRECTORY_BYTES // len(record) + 1
    assert f"more than {MAX_ENTRIES:,}" in refusal(upload, directory(record * many, many, 0))
    end = b"PK\x05\x06" + b"\0" * 8 + b"\xf0\xff\xff\x7f" + b"\0" * 6
    assert "damaged" in refusal(upload, b"PK\x03\x04" + end)


def test_too_many_entries_are_refused(upload: Path) -> None:
    record = Raw("a").central(0)
    count = MAX_ENTRIES + 1
    assert f"more than {MAX_ENTRIES:,}" in refusal(upload, directory(record * count, count, 0))


def test_a_comment_and_a_prefix_do_no_harm(upload: Path) -> None:
    buffer = io.BytesIO(b"#!/bin/sh\n")
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.py", "a = 1")
        out.comment = b"made by hand"
    upload.write_bytes(buffer.getvalue())
    with open_zip(upload, upload.name) as entries:
        assert b"".join(entries[0].chunks()) == b"a = 1"


class FailingDisk(io.FileIO):
    def read(self, size: int | None = -1, /) -> bytes:
        if size and self.tell() >= self.fails_at:
            raise OSError(5, "Input/output error")
        return super().read(-1 if size is None else size)

    fails_at = 0


@pytest.mark.parametrize("fails_at", [0, 1, len(GOOD) - 22])
def test_a_disk_that_fails_is_not_the_students_doing(
    upload: Path, monkeypatch: pytest.MonkeyPatch, fails_at: int
) -> None:
    upload.write_bytes(GOOD)
    monkeypatch.setattr(FailingDisk, "fails_at", fails_at)
    monkeypatch.setattr(Path, "open", lambda path, _mode: FailingDisk(path))
    with pytest.raises(OSError, match="Input/output"), open_zip(upload, upload.name):
        pass


RAW = st.builds(
    Raw,
    name=st.text(max_size=20) | st.binary(max_size=20),
    data=st.binary(max_size=200),
    mode=st.sampled_from([0, 0o100644, 0o120777, 0o040755]),
    method=st.sampled_from([STORED, DEFLATED, DEFLATED, 12]),
    flags=st.sampled_from([UTF8, 0, UTF8, 1, 8, 0x20, 0x40, 0x2000]),
    size=st.none() | st.integers(0, 2**32 - 1),
    crc=st.none() | st.integers(0, 2**32 - 1),
    offset=st.none() | st.integers(0, 300) | st.integers(0, 2**32 - 1),
)


@st.composite
def broken_zips(draw: st.DrawFn) -> bytes:
    """Zips that lie, with some bytes changed and perhaps the end cut off."""
    content = bytearray(raw_zip(draw(st.lists(RAW, max_size=4))))
    for _ in range(draw(st.integers(0, 4))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.none() | st.integers(0, len(content)))])


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(broken_zips())
def test_any_zip_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    message = ""
    try:
        read_all(tmp_path / "upload.zip", content)
    except IntakeRefused as refused:
        message = refused.message
    assert message.isprintable()
    assert len(message) < 400
