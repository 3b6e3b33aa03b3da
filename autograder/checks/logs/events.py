"""TensorBoard's event files, read as data: the framing of TFRecord, and a handful of protobuf fields.

A record is its length, a masked CRC of that, the bytes, a masked CRC of them. The length's CRC is checked
before anything is read by it. The bytes' own CRC costs more than all else in pure Python, so it is checked on
short records alone: those are the ones that hold scalars. A file that ends in the middle of a record was
still being written.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.loaders.problems import MIB, Malformed, check_bytes
from autograder.loaders.protobuf import NotProtobuf
from autograder.text import clean

MAX_BYTES = 64 * MIB
MAX_RECORD_BYTES = 32 * MIB  # a record that holds a picture or a graph is skipped by its length
READ_RECORD_BYTES = 4_096  # a summary of scalars is under 200 bytes
MOST_SCALARS = 200_000
MOST_RECORDS = 1_000_000
MOST_TAG_CHARS = 200
_HEADER = struct.Struct("<QI")
_MASK_DELTA, _U32 = 0xA282EAD8, 0xFFFFFFFF
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT, _DOUBLE = 1, 2  # of a tensor's type


@dataclass(frozen=True, slots=True)
class Scalar:
    tag: str
    step: int
    wall_time: float
    value: float
    record: int


def is_events(data: bytes) -> bool:
    """Whether ``data`` begins with a whole frame."""
    if len(data) < _HEADER.size + 4:
        return False
    length, check = _HEADER.unpack_from(data)
    return bool(length <= MAX_RECORD_BYTES and _masked(data[:8]) == check)


def scalars_of(data: bytes, name: str) -> Iterator[Scalar]:
    """The numbers of an event file in their order. Raises Malformed where it is none."""
    check_bytes(name, data, MAX_BYTES, hint="Log scalars alone, without pictures and histograms.")
    position, record, count = 0, 0, 0
    while position + _HEADER.size + 4 <= len(data) and record < MOST_RECORDS:
        length, check = _HEADER.unpack_from(data, position)
        record += 1
        if _masked(data[position : position + 8]) != check or length > MAX_RECORD_BYTES:
            raise Malformed(
                name, "is damaged: a record's length doesn't fit its checksum", where=f"record {record:,}"
            )
        start = position + _HEADER.size
        position = start + length + 4
        if position > len(data):
            return
        if length > READ_RECORD_BYTES:
            continue
        event = data[start : start + length]
        if _masked(event) != int.from_bytes(data[start + length : position], "little"):
            raise Malformed(name, "is damaged: a record doesn't fit its checksum", where=f"record {record:,}")
        try:
            for scalar in _event(event, record):
                count += 1
                if count > MOST_SCALARS:
                    return
                yield scalar
        except NotProtobuf:
            raise Malformed(name, "holds a record that is no event", where=f"record {record:,}") from None


def _event(data: bytes, record: int) -> Iterator[Scalar]:
    wall_time, step, summaries = 0.0, 0, []
    for number, value in _fields(data):
        if number == 1 and isinstance(value, bytes) and len(value) == 8:
            (wall_time,) = struct.unpack("<d", value)
        elif number == 2 and isinstance(value, int):
            step = value if value < 1 << 63 else value - (1 << 64)
        elif number == 5 and isinstance(value, bytes):
            summaries.append(value)
    if not math.isfinite(wall_time):
        wall_time = 0.0
    for summary in summaries:
        for number, value in _fields(summary):
            if number == 1 and isinstance(value, bytes):
                scalar = _value(value)
                if scalar is not None:
                    yield Scalar(scalar[0], step, wall_time, scalar[1], record)


def _value(data: bytes) -> tuple[str, float] | None:
    tag, number = "", None
    for field, value in _fields(data):
        if field == 1 and isinstance(value, bytes):
            tag = clean(value[: 4 * MOST_TAG_CHARS].decode("utf-8", "replace"), MOST_TAG_CHARS).replace(
                "\n", " "
            )
        elif field == 2 and isinstance(value, bytes) and len(value) == 4:
            (number,) = struct.unpack("<f", value)
        elif field == 8 and isinstance(value, bytes):
            number = _tensor(value)
    return (tag, number) if tag and number is not None and math.isfinite(number) else None


def _tensor(data: bytes) -> float | None:
    """The one number of a scalar tensor: its own field, or packed bytes."""
    kind, found = 0, None
    for field, value in _fields(data):
        if field == 1 and isinstance(value, int):
            kind = value
        elif isinstance(value, bytes):
            form = {_FLOAT: "<f", _DOUBLE: "<d"}.get(kind)
            own = {5: _FLOAT, 6: _DOUBLE}.get(field)
            if form and (field == 4 or own == kind) and len(value) == struct.calcsize(form):
                (found,) = struct.unpack(form, value)
    return found


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Every field of a message: numbers as they are, all else as its bytes."""
    position, end = 0, len(data)
    while position < end:
        key, position = _varint(data, position)
        wire = key & 7
        if wire == _VARINT:
            number, position = _varint(data, position)
            yield key >> 3, number
            continue
        if wire == _BYTES:
            length, position = _varint(data, position)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise NotProtobuf(position)
        if position + length > end:
            raise NotProtobuf(position)
        yield key >> 3, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise NotProtobuf(position)


def _crc_table() -> list[int]:
    """Castagnoli's polynomial, as TFRecord uses it; zlib has another."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE = _crc_table()


def _masked(data: bytes) -> int:
    crc = _U32
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= _U32
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _U32
