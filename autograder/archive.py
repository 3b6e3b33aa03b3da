"""Reading a zip that may lie.

A zip says everything twice, in its central directory and before each file, and nothing holds it to the
truth. So ``zipfile`` does the decoding, and what it takes on trust is checked here:

- The directory is read whole and every entry of it becomes an object: `_Guarded` bounds what one read may
  fetch, so that a few bytes can't ask for gigabytes.
- Two entries may point at the same bytes, which makes a small file unpack to a huge one without a zip
  inside a zip: regions are laid out by offset and may not overlap. (CPython has a check of its own since
  3.11.8; older ones are around.)
- Only "stored" and "deflated" are read. Besides being what every tool writes, they are the two whose
  decoder gives back a bounded piece at a time: bzip2 turns 4 kB into 80 MB in one call.
- The declared size is a claim: the bytes are counted as they come, here against the claim and in
  `autograder.crate` against the limits.

Whatever is wrong, one `IntakeRefused` says so; a name is judged later, by `autograder.crate`.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from autograder.entries import CHUNK_BYTES, MAX_ENTRIES, Entry, Kind, refused, too_many_entries
from autograder.outcome import IntakeRefused
from autograder.text import quote

MAX_DIRECTORY_BYTES = 8 * 1024 * 1024  # about 180 bytes an entry in practice

_LOCAL_HEADER_BYTES = 30
_LOCAL_NAME_AND_EXTRA = struct.Struct("<HH")  # the last four bytes of the local header
_FLAG_ENCRYPTED = 0x1 | 0x40 | 0x2000  # classic, strong, masked directory
_FLAG_UTF8 = 0x800
_DOS_FOLDER = 0x10
_OTHER_METHODS = {9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "xz", 98: "PPMd", 99: "AES"}
_ZIP_AGAIN = "make the zip again with your system's own “Compress” command and upload that"

# What zipfile is known to raise for a file that isn't as it should be. RuntimeError covers
# NotImplementedError, ValueError covers names that can't be decoded.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    struct.error,
)

_LOOKS = (
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\x1f\x8b", "a gzip file (.gz or .tar.gz)"),
    (0, b"BZh", "a bzip2 file"),
    (0, b"\xfd7zXZ\x00", "an xz file"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd file"),
    (257, b"ustar", "a tar archive"),
)
_PAGES = ((b"<!doctype html", "a web page"), (b"<html", "a web page"), (b"%pdf-", "a PDF"))


def archive_kind(head: bytes) -> str | None:
    """The name of the kind of archive, other than zip, that a file beginning with ``head`` is."""
    return next((name for at, magic, name in _LOOKS if head[at : at + len(magic)] == magic), None)


@contextmanager
def open_zip(path: Path, label: str) -> Iterator[list[Entry]]:
    """The entries of the zip at ``path``, in its own order; their bytes can be read inside the ``with``.

    ``label`` is what messages call the zip. Raises IntakeRefused, and OSError where the disk fails.
    """
    with path.open("rb") as raw:
        file = _Guarded(raw, label)
        with file.sound():
            _refuse_other_formats(file)
            archive = zipfile.ZipFile(file)
        with archive:
            members = archive.infolist()
            if len(members) > MAX_ENTRIES:
                raise too_many_entries()
            _refuse_unsupported(members, label)
            _refuse_overlaps(members, file, archive.start_dir)
            yield [_entry(archive, info, file) for info in members]


class _Guarded:
    """A file that fetches no more than a bounded number of bytes at once, whoever asks.

    It also remembers when the disk fails, because zipfile takes that for "not a zip", and a student must not
    be told that the upload is damaged when the machine is.
    """

    def __init__(self, file: BinaryIO, label: str) -> None:
        self._file = file
        self._failure: OSError | None = None
        self.label = label
        self.seek = file.seek
        self.tell = file.tell
        self.seekable = file.seekable

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            left = max(os.fstat(self._file.fileno()).st_size - self._file.tell(), 0)
            wanted = left if size is None or size < 0 else min(size, left)
            if wanted > MAX_DIRECTORY_BYTES:
                raise too_many_entries()  # only the directory is ever read in one piece as large as this
            return self._file.read(wanted)
        except OSError as exc:
            self._failure = exc
            raise

    @contextmanager
    def sound(self) -> Iterator[None]:
        """Turns every way in which zipfile says "damaged" into the one sentence."""
        try:
            yield
        except (OSError, IntakeRefused, *_UNREADABLE) as exc:
            if self._failure is not None:
                raise self._failure from None
            # EINVAL is a seek to a place that can't be; any other OSError is the machine's.
            if isinstance(exc, IntakeRefused) or (isinstance(exc, OSError) and exc.errno != errno.EINVAL):
                raise
            raise _damaged(self.label) from exc


def _damaged(label: str) -> IntakeRefused:
    return refused(f"The zip {quote(label)} is damaged or was cut off", _ZIP_AGAIN)


def _refuse_other_formats(file: _Guarded) -> None:
    label, head = file.label, file.read(512)
    if not head:
        raise refused(f"The zip {quote(label)} is empty, 0 bytes long", _ZIP_AGAIN)
    if zipfile.is_zipfile(file):
        return
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    looks = archive_kind(head) or next((name for magic, name in _PAGES if text.startswith(magic)), None)
    if looks is None and head.startswith(b"PK"):
        raise _damaged(label)
    what = f"not a zip but {looks}" if looks else "not a zip, whatever its name says"
    raise refused(f"{quote(label)} is {what}", "export it as .zip and upload that")


def _refuse_unsupported(members: list[zipfile.ZipInfo], label: str) -> None:
    for info in members:
        if info.flag_bits & _FLAG_ENCRYPTED:
            raise refused(f"The zip {quote(label)} is protected by a password", "make one without a password")
        if info.volume != 0:
            raise refused(f"The zip {quote(label)} is one part of a split archive", "make one undivided zip")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            method = _OTHER_METHODS.get(info.compress_type, f"number {info.compress_type}")
            raise refused(f"The zip {quote(label)} is compressed by the method {method}", _ZIP_AGAIN)


def _refuse_overlaps(members: list[zipfile.ZipInfo], file: _Guarded, directory: int) -> None:
    """Every entry's header and data must lie in bytes that are its own, before the directory."""
    ordered = sorted(members, key=lambda info: info.header_offset)
    ends = [*(info.header_offset for info in ordered), directory][1:]
    for info, end in zip(ordered, ends, strict=False):
        if not 0 <= info.header_offset <= directory - _LOCAL_HEADER_BYTES:
            raise _damaged(file.label)
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER_BYTES)
        name_bytes, extra_bytes = _LOCAL_NAME_AND_EXTRA.unpack(header[-_LOCAL_NAME_AND_EXTRA.size :])
        data = info.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
        if data + info.compress_size > end:
            overlap = f"entries that overlap, such as {quote(info.orig_filename)}"
            raise refused(f"The zip {quote(file.label)} holds {overlap}", _ZIP_AGAIN)


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: _Guarded) -> Entry:
    name = _name(info)
    return Entry(name, _kind(info, name), info.file_size, lambda: _chunks(archive, info, file))


def _name(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: macOS and Info-ZIP write UTF-8 and often forget to say so."""
    name = info.orig_filename  # `filename` ends at the first NUL, and hides what comes after it
    if info.flag_bits & _FLAG_UTF8:
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _kind(info: zipfile.ZipInfo, name: str) -> Kind:
    # The upper half is a Unix mode where a Unix tool wrote the zip, and 0 elsewhere. The system that the
    # entry claims to come from isn't asked: tools that unpack differ in whether they do.
    unix = stat.S_IFMT(info.external_attr >> 16)
    if unix == stat.S_IFLNK:
        return Kind.LINK
    if unix not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Kind.OTHER
    slash = name.endswith(("/", "\\"))
    if info.file_size > 0:
        # A folder with content would lose it without a word.
        return Kind.OTHER if slash or unix == stat.S_IFDIR else Kind.FILE
    is_folder = slash or unix == stat.S_IFDIR or (unix == 0 and info.external_attr & _DOS_FOLDER)
    return Kind.FOLDER if is_folder else Kind.FILE


def _chunks(archive: zipfile.ZipFile, info: zipfile.ZipInfo, file: _Guarded) -> Iterator[bytes]:
    count = 0
    with file.sound(), archive.open(info) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            count += len(chunk)
            yield chunk
    if count != info.file_size:
        raise _damaged(file.label)
