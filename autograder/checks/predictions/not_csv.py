"""Files that are no table at all: archives, saved arrays, web pages. Told by how they begin."""

from __future__ import annotations

import re

from autograder.loaders.problems import Malformed, TooLarge, size
from autograder.text import quote

_BEGINNING = 512  # bytes that are looked at
_WHOLE_TEXT = "Hand in the table itself, as plain text: {columns} and below it one line for each image."
_UNPACK = "Unpack it, or write it without compression."
_SAVED = (
    "It holds Python's own data. Write the table as text: "
    'pandas.DataFrame({{"{id}": ids, "{label}": labels}}).to_csv("{name}", index=False).'
)
_SHEET = "In the spreadsheet choose “Save as”, then “CSV UTF-8 (comma-separated)”."
_DOWNLOAD = "Download the file itself (on GitHub, by the button “Raw”), look into it, and hand that in."

_HEADS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "is a gzip file", _UNPACK),
    (b"\xfd7zXZ", "is an xz archive", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "is a zstd file", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "is a RAR archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook (.xls)", _SHEET),
    (b"\x93NUMPY", "is a NumPy array (.npy)", _SAVED),
    (b"\x89HDF", "is an HDF5 file", _SAVED),
    (b"PAR1", "is a Parquet file", _SAVED),
    (b"ARROW1", "is an Arrow file", _SAVED),
    (b"SQLite format 3\0", "is an SQLite database", _WHOLE_TEXT),
    (b"\x89PNG", "is a picture (PNG)", _WHOLE_TEXT),
    (b"\xff\xd8\xff", "is a picture (JPEG)", _WHOLE_TEXT),
    (b"%PDF-", "is a PDF", _WHOLE_TEXT),
    (b"{\\rtf", "is a text document (RTF)", _WHOLE_TEXT),
    (
        b"version https://git-lfs.github.com/spec/",
        "is a Git LFS pointer: the file itself was never downloaded",
        "Run `git lfs pull`, look into the file, and hand it in then.",
    ),
)
_UTF_16 = (
    "is UTF-16 text",
    "Save it as UTF-8: in PowerShell with `-Encoding utf8`, in Excel as “CSV UTF-8”.",
)
_IN_A_ZIP: tuple[tuple[bytes, str, str], ...] = (
    (b"[Content_Types].xml", "is an Excel workbook (.xlsx)", _SHEET),
    (b"opendocument.spreadsheet", "is a spreadsheet (.ods)", _SHEET),
    (b".npy", "is a NumPy archive (.npz)", _SAVED),
    (b"data.pkl", "is a file of torch.save", _SAVED),
)
_BZIP2 = re.compile(rb"BZh[1-9]1AY&SY")
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_PAGE = re.compile(rb"<(!doctype|html|head|body|\?xml|table|script|!--)", re.IGNORECASE)
_JSON = re.compile(rb"\{\s*[\"'}]|\[\s*[\[{\"0-9\]-]")
_CONFLICT = re.compile(rb"^(<{7} |>{7} )", re.MULTILINE)


def refuse_size(name: str, count: int, allowed: int) -> None:
    """Refuse ``count`` bytes that are too many; a file's size may be asked before it is read."""
    if count > allowed:
        raise TooLarge(
            name,
            f"is {size(count)} large, where {size(allowed)} are allowed",
            hint="Write one line for each image and only the columns that are asked for; did a loop write it "
            "again and again?",
        )


def refuse_other_kinds(data: bytes, name: str, id_column: str, label_column: str) -> None:
    """Raise Malformed for what is no table of text, with what it is and how to make one of it."""
    if not data.strip():
        raise Malformed(
            name,
            "is empty",
            hint="Was it written, and closed, before you handed it in? It needs the header "
            f"{id_column},{label_column} and below it one line for each image.",
        )
    kind = _kind(data)
    if kind is not None:
        what, hint = kind
        columns = quote(f"{id_column},{label_column}")
        mend = hint.format(
            columns=columns, id=id_column, label=label_column, name=quote(name.rpartition("/")[2])[1:-1]
        )
        raise Malformed(name, f"{what}, where a table in plain text (UTF-8) is asked for", hint=mend)
    conflict = _CONFLICT.search(data)
    if conflict:
        line = data.count(b"\n", 0, conflict.start()) + 1
        raise Malformed(
            name,
            "holds the marks of a merge conflict of Git's",
            where=f"line {line:,}",
            hint="Write the file again, or keep one of the two versions and delete the lines of marks.",
        )


def _kind(data: bytes) -> tuple[str, str] | None:
    head = data[:_BEGINNING]
    for start, what, hint in _HEADS:
        if head.startswith(start):
            return what, hint
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        inside = next(((what, hint) for mark, what, hint in _IN_A_ZIP if mark in data), None)
        return inside or ("is a zip archive", _UNPACK)
    if _BZIP2.match(head):
        return "is a bzip2 file", _UNPACK
    if _PICKLE.match(head):
        return "is a Python pickle", _SAVED
    if head[257:262] == b"ustar":
        return "is a tar archive", _UNPACK
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or _every_other_is_nul(head):
        return _UTF_16
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _PAGE.match(text):
        return "is a web page (HTML)", _DOWNLOAD
    if _JSON.match(text):
        return "is JSON, or a list or dict as Python prints it", _SAVED
    return None


def _every_other_is_nul(head: bytes) -> bool:
    return len(head) > 8 and (not any(head[1:-1:2]) or not any(head[:-1:2]))
