"""NumPy's own files: one array (.npy), or a zip of them (.npz).

The header of an .npy is Python source for a dict. It is matched here against the one form that `numpy.save`
writes, never evaluated as something else, and its shape must come to exactly the bytes that follow: a header
that claims 80 TB is refused before anything is taken. Only numbers and bools are read. Objects would be
unpickled, strings can hold characters that crash their reader, and records can nest.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from autograder.archive import open_zip
from autograder.entries import Entry, Kind
from autograder.loaders.problems import MIB, Malformed, TooLarge, check_bytes, size
from autograder.loaders.shapes import check_bools, check_shape
from autograder.outcome import IntakeRefused
from autograder.text import quote


@dataclass(frozen=True, slots=True)
class ArrayLimits:
    """How much is taken of an .npy, or of an .npz with all that it unpacks to."""

    max_bytes: int = 512 * MIB  # of the arrays, unpacked
    max_arrays: int = 1_000  # in an .npz
    max_header_bytes: int = 4_096  # numpy.save writes 118 for nearly every array


_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # of the header's length, by the format's version
_ENTRY = re.compile(
    r"\s*(?P<key>'\w{1,20}'|\"\w{1,20}\")\s*:\s*"
    r"(?:(?P<text>'[^'\\\n]{0,40}'|\"[^\"\\\n]{0,40}\")|(?P<flag>True|False)|(?P<shape>\([\d\sL,]*\)))\s*(?:,|$)"
)
_VALUES = {"descr": "text", "fortran_order": "flag", "shape": "shape"}  # key -> the group that it has to be
_SHAPE = re.compile(r"\(\s*(?:|\d{1,19}L?\s*,\s*|\d{1,19}L?(?:\s*,\s*\d{1,19}L?)+\s*,?\s*)\)")
_NUMBERS = re.compile(r"(?:[<>|=]?(?:b1|[iu][1248]|f[248]|c8|c16))")
_DIRECTORY_ENTRY = b"PK\x01\x02"
_HINT = "Write it with numpy.save."
_HINT_ZIP = "Write it with numpy.savez or numpy.savez_compressed."
_PLAIN = "Convert it to an array of plain numbers, such as float64, before you save it."


def load_npy(data: bytes, name: str, limits: ArrayLimits | None = None) -> np.ndarray:
    """The array in ``data``, in this machine's byte order, writable. Raises Malformed."""
    limits = limits or ArrayLimits()
    check_bytes(name, data, limits.max_bytes + limits.max_header_bytes)
    header = _header(data, name, limits)
    available, wanted = len(data) - header.start, header.count * header.dtype.itemsize
    if available != wanted:
        problem = f"holds {available:,} bytes of data, where its header claims {wanted:,}"
        raise Malformed(name, problem, hint=_HINT)
    if header.dtype.kind == "b":
        check_bools(np.frombuffer(data, np.uint8)[header.start :], "an array", name)
    array = np.ndarray(header.shape, header.dtype, data, header.start, order=header.order)
    return array.astype(header.dtype.newbyteorder("="), order="C")


def load_npz(data: bytes, name: str, limits: ArrayLimits | None = None) -> dict[str, np.ndarray]:
    """The arrays in ``data`` by name. Raises Malformed."""
    limits = limits or ArrayLimits()
    check_bytes(name, data, limits.max_bytes + MIB)
    # Each entry that zipfile may find begins so, whichever directory it takes for the real one. Twice,
    # because the same four bytes may stand in an array's numbers.
    if data.count(_DIRECTORY_ENTRY) > 2 * limits.max_arrays:
        raise TooLarge(name, f"holds more than {limits.max_arrays:,} arrays", hint=_HINT_ZIP)
    with tempfile.NamedTemporaryFile(prefix="autograder-", suffix=".npz") as spool:
        spool.write(data)
        spool.flush()
        try:
            with open_zip(Path(spool.name), name) as entries:
                _refuse_unfit(entries, name, limits)
                return {entry.name.removesuffix(".npy"): _member(entry, name, limits) for entry in entries}
        except IntakeRefused as error:
            # Its sentence ends with a remedy for uploads.
            problem = error.message.rpartition("; ")[0].removeprefix(f"The zip {quote(name)} ")
            raise Malformed(name, f"can't be read: {problem}", hint=_HINT_ZIP) from error


def _refuse_unfit(entries: list[Entry], name: str, limits: ArrayLimits) -> None:
    if len(entries) > limits.max_arrays:
        problem = f"holds {len(entries):,} arrays, where {limits.max_arrays:,} are allowed"
        raise TooLarge(name, problem, hint=_HINT_ZIP)
    seen: set[str] = set()
    for entry in entries:
        if entry.kind is not Kind.FILE or not entry.name.endswith(".npy"):
            raise Malformed(name, f"holds {quote(entry.name)}, which is no .npy file", hint=_HINT_ZIP)
        if entry.name in seen:
            raise Malformed(name, f"holds {quote(entry.name)} twice", hint=_HINT_ZIP)
        seen.add(entry.name)
    total = sum(entry.size for entry in entries)
    if total > limits.max_bytes:
        problem = f"unpacks to {size(total)}, where {size(limits.max_bytes)} are allowed"
        raise TooLarge(name, problem, hint="Save only what is asked for.")


def _member(entry: Entry, name: str, limits: ArrayLimits) -> np.ndarray:
    """One array of an .npz; `open_zip` gives no more bytes than the entry's size, whose sum was checked."""
    return load_npy(b"".join(entry.chunks()), f"{name}/{entry.name}", limits)


@dataclass(frozen=True, slots=True)
class _Header:
    start: int  # where the data begins
    dtype: np.dtype
    shape: tuple[int, ...]
    count: int  # of elements
    order: Literal["C", "F"]


def _header(data: bytes, name: str, limits: ArrayLimits) -> _Header:
    if not data.startswith(_MAGIC) or len(data) < 12 or data[6] not in _LENGTH_BYTES or data[7] != 0:
        raise Malformed(name, "is not an .npy file", where="first bytes", hint=_HINT)
    length_bytes = _LENGTH_BYTES[data[6]]
    begin = 8 + length_bytes
    length = int.from_bytes(data[8:begin], "little")
    if length > min(limits.max_header_bytes, len(data) - begin):
        raise Malformed(name, f"claims a header of {length:,} bytes", hint=_HINT)
    fields = _fields(data[begin : begin + length].decode("latin-1"), name)
    descr, shape = fields["descr"], fields["shape"]
    if not _NUMBERS.fullmatch(descr):
        what = (
            "Python objects" if descr[1:].startswith("O") or descr == "O" else f"the dtype {quote(descr, 40)}"
        )
        raise Malformed(name, f"holds {what} where plain numbers are expected", hint=_PLAIN)
    sides = tuple(int(side) for side in re.findall(r"\d+", shape))
    count = check_shape(sides, "its array", name)
    order: Literal["C", "F"] = "F" if fields["fortran_order"] == "True" else "C"
    return _Header(begin + length, np.dtype(descr), sides, count, order)


def _fields(header: str, name: str) -> dict[str, str]:
    """The three entries of the header's dict, as text: descr without its quotes, the others as they stand."""
    body = header.strip()
    if not (body.startswith("{") and body.endswith("}")):
        raise Malformed(name, "has a header that can't be read", hint=_HINT)
    fields: dict[str, str] = {}
    position, body = 0, body[1:-1].rstrip()
    while position < len(body):
        entry = _ENTRY.match(body, position)
        key = entry["key"][1:-1] if entry else ""
        value = entry[_VALUES[key]] if entry and key in _VALUES else None
        if entry is None or value is None or key in fields:
            where = quote(body[position : position + 40], 44)
            raise Malformed(name, f"holds no plain array: its header says {where}", hint=_PLAIN)
        fields[key] = value.strip("'\"")
        position = entry.end()
    if fields.keys() != _VALUES.keys() or not _SHAPE.fullmatch(fields["shape"]):
        raise Malformed(name, "has a header that can't be read", hint=_HINT)
    return fields
