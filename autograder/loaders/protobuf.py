"""A look over a protobuf message before a library parses it.

A parsed message takes up to a hundred times the room of its bytes (measured: an empty node is 2 bytes in an
ONNX file and 150 in memory, an integer is 1 byte and 8), so a limit on the file alone would be either too
small for real weights or too large for memory. Weights are one long field each and cost what they weigh. So
the fields are counted here, without keeping any: every message, every string and every number is one, and
so are each 16 bytes of a packed list of integers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# field number -> the name of the message type that it holds, or one of these two; other fields need no look
Schema = Mapping[str, Mapping[int, str]]
PACKED = "packed"  # integers of one byte or more
TEXT = "text"  # UTF-8: what isn't, protobuf hands out as bytes where text is expected
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_PACKED_BYTES = 16  # that many integers cost as much memory as a small message
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


class NotProtobuf(Exception):
    """The bytes are no message; ``position`` is where that shows."""

    def __init__(self, position: int) -> None:
        super().__init__(f"not a protobuf message at byte {position:,}")
        self.position = position


class TooManyFields(Exception):
    """More fields, or deeper messages, than are allowed."""


@dataclass(slots=True)
class Survey:
    """Counts the fields of a message of ``schema``; `look` raises NotProtobuf or TooManyFields."""

    schema: Schema
    max_fields: int
    max_depth: int
    fields: int = 0

    def look(self, data: bytes, root: str) -> None:
        # A stack of our own, so that no message can be too deep for Python's; as large as the messages are
        # deep, not as they are many.
        stack = [(self.schema[root], self._long_fields(data, 0, len(data)))]
        while stack:
            inside, fields = stack[-1]
            for number, start, stop in fields:
                held = inside.get(number)
                if held == PACKED:
                    self._count((stop - start) // _PACKED_BYTES)
                elif held == TEXT:
                    _refuse_other_text(data, start, stop)
                elif held is not None:
                    if len(stack) > self.max_depth:
                        raise TooManyFields(f"messages in messages more than {self.max_depth} deep")
                    stack.append((self.schema[held], self._long_fields(data, start, stop)))
                    break
            else:
                stack.pop()

    def _long_fields(self, data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
        """The message's fields that have a length, each with its number, beginning and end."""
        while position < end:
            self._count(1)
            key, start = _varint(data, position, end)
            wire = key & 7
            if wire == _VARINT:
                _, position = _varint(data, start, end)
            elif wire in _FIXED_BYTES:
                position = start + _FIXED_BYTES[wire]
            elif wire == _BYTES:
                length, start = _varint(data, start, end)
                position = start + length
            else:  # groups: no writer of today makes them
                raise NotProtobuf(start)
            if position > end:
                raise NotProtobuf(start)
            if wire == _BYTES:
                yield key >> 3, start, position

    def _count(self, fields: int) -> None:
        self.fields += fields
        if self.fields > self.max_fields:
            raise TooManyFields(f"more than {self.max_fields:,} fields")


def _refuse_other_text(data: bytes, start: int, end: int) -> None:
    try:
        data[start:end].decode()
    except UnicodeDecodeError as error:
        raise NotProtobuf(start + error.start) from None


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the position after it."""
    value = shift = 0
    while position < end and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise NotProtobuf(position)
