"""Zips that no honest tool would write, byte by byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

UTF8 = 0x800
STORED, DEFLATED = 0, 8


@dataclass(frozen=True)
class Raw:
    """One entry; what is None is told truthfully."""

    name: str | bytes
    data: bytes = b""
    mode: int = 0  # the Unix mode, type bits included; 0 as DOS tools leave it
    method: int = DEFLATED
    flags: int = UTF8
    size: int | None = None
    crc: int | None = None
    offset: int | None = None
    volume: int = 0

    @property
    def raw_name(self) -> bytes:
        return self.name if isinstance(self.name, bytes) else self.name.encode("utf-8", "surrogatepass")

    @property
    def packed(self) -> bytes:
        if self.method != DEFLATED:
            return self.data
        deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
        return deflate.compress(self.data) + deflate.flush()

    def _shared(self) -> bytes:
        crc = zlib.crc32(self.data) if self.crc is None else self.crc
        size = len(self.data) if self.size is None else self.size
        return struct.pack(
            "<HHHHHLLLHH",
            *(20, self.flags, self.method, 0, 0x21, crc, len(self.packed), size, len(self.raw_name), 0),
        )

    def local(self) -> bytes:
        return b"PK\x03\x04" + self._shared() + self.raw_name + self.packed

    def central(self, offset: int) -> bytes:
        at = offset if self.offset is None else self.offset
        rest = struct.pack("<HHHLL", 0, self.volume, 0, self.mode << 16, at)
        return b"PK\x01\x02" + struct.pack("<H", 3 << 8 | 20) + self._shared() + rest + self.raw_name


def directory(central: bytes, count: int, offset: int) -> bytes:
    end = struct.pack("<HHHHLLH", 0, 0, count & 0xFFFF, count & 0xFFFF, len(central), offset, 0)
    return central + b"PK\x05\x06" + end


def raw_zip(entries: Sequence[Raw], *, hidden: Iterable[Raw] = ()) -> bytes:
    """A zip of ``entries``; ``hidden`` stand in its directory alone, so they should say an offset."""
    body, central = b"", b""
    for entry in entries:
        central += entry.central(len(body))
        body += entry.local()
    extra = [entry.central(0) for entry in hidden]
    return body + directory(central + b"".join(extra), len(entries) + len(extra), len(body))


def zip_of(files: dict[str, bytes]) -> bytes:
    """An honest zip."""
    return raw_zip([Raw(name, data, mode=0o100644) for name, data in files.items()])
