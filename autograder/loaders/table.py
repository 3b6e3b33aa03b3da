"""CSV, row by row, as fast as the standard library's reader goes.

What could cost more than its size is looked at before the first row: lines without end, NULs, text that isn't
UTF-8. The rows then come one at a time, so a million of them never stand in memory together. A row keeps the
number of the line that it began on: that is what a student needs to mend it.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from autograder.loaders.problems import MIB, Malformed, TooLarge, check_bytes


@dataclass(frozen=True, slots=True)
class TableLimits:
    """How large a table is taken."""

    max_bytes: int = 100 * MIB  # two short columns of five million rows
    max_line_bytes: int = 64 * 1024  # a thousand probabilities written in full are 20 kB
    max_rows: int = 5_000_000
    max_columns: int = 2_000


_KINDS = {  # what a file that is no text begins with
    b"\xff\xfe": "UTF-16 text (“Unicode”)",
    b"\xfe\xff": "UTF-16 text (“Unicode”)",
    b"\x1f\x8b": "a gzip file",
    b"PK\x03\x04": "a zip, or a spreadsheet such as .xlsx",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x80\x04\x95": "a Python pickle",
    b"PAR1": "a Parquet file",
}
_HINT = "Save it as plain CSV in UTF-8."
_PIECE_BYTES = MIB


def load_table(
    data: bytes, name: str, limits: TableLimits | None = None, *, delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """The rows of ``data`` with their line numbers, counted from 1; an empty line is a row without fields.

    Raises Malformed: at once for what spoils the whole file, while the rows are read for what spoils a row.
    """
    limits = limits or TableLimits()
    check_bytes(name, data, limits.max_bytes, hint="Write only the rows that are asked for.")
    looks = next((what for head, what in _KINDS.items() if data.startswith(head)), None)
    if looks is not None:
        raise Malformed(name, f"is {looks}, not CSV", hint=_HINT)
    if (position := data.find(b"\0")) >= 0:
        raise Malformed(name, "holds a NUL character", where=_line(data, position), hint=_HINT)
    _refuse_long_lines(data, name, limits.max_line_bytes)
    _refuse_other_encodings(data, name)
    return _rows(data, name, limits, delimiter)


def _rows(data: bytes, name: str, limits: TableLimits, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    line, max_columns = 1, limits.max_columns
    try:
        for fields in islice(reader, limits.max_rows):
            if len(fields) > max_columns:
                problem = f"has {len(fields):,} columns, where {max_columns:,} are allowed"
                raise TooLarge(name, problem, where=f"line {line:,}", hint="Write only what is asked for.")
            yield line, fields
            line = reader.line_num + 1
        more = next(reader, None)
    except csv.Error as error:
        raise Malformed(name, _explained(error), where=f"line {line:,}", hint=_QUOTES) from None
    if more is not None:
        problem = f"has more than {limits.max_rows:,} rows"
        raise TooLarge(name, problem, where=f"line {line:,}", hint="Write only the rows that are asked for.")


_QUOTES = "Write it with the csv module or pandas, which quote what has to be quoted."


def _explained(error: csv.Error) -> str:
    if "field larger" in str(error) or "unexpected end" in str(error):
        return 'opens a quotation mark (") that is never closed'
    if "expected after" in str(error):
        return 'goes on after a closing quotation mark (")'
    return f"is not CSV: {error}"


def _refuse_long_lines(data: bytes, name: str, allowed: int) -> None:
    """Hop from line end to line end, each time to the last within reach: few steps, whatever the lines."""
    position = 0
    while len(data) - position > allowed:
        reach = position + allowed + 1
        end = max(data.rfind(b"\n", position, reach), data.rfind(b"\r", position, reach))
        if end < 0:
            problem = f"has a line longer than {allowed:,} bytes"
            raise TooLarge(name, problem, where=_line(data, position), hint=_HINT)
        position = end + 1


def _refuse_other_encodings(data: bytes, name: str) -> None:
    if data.isascii():
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _PIECE_BYTES):
        piece = data[start : start + _PIECE_BYTES]
        try:
            decoder.decode(piece, final=start + _PIECE_BYTES >= len(data))
        except UnicodeDecodeError as error:
            # The decoder may have kept the last bytes of the piece before.
            position = max(start + error.start - (len(error.object) - len(piece)), 0)
            raise Malformed(name, "is not UTF-8 text", where=_line(data, position), hint=_HINT) from None


def _line(data: bytes, position: int) -> str:
    """Where a byte stands; Windows' line ends count once, an old Mac's (a lone CR) not at all."""
    number = data.count(b"\n", 0, position) + 1
    return f"line {number:,}"
