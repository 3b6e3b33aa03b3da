"""A log's bytes as numbered lines, without colours, labels and time stamps before what was printed.

A training is started with ``nohup``, ``srun``, ``torchrun``, a logger: each puts something of its own before
the line. PowerShell writes UTF-16. All of it is bounded before it is looked at.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.loaders.problems import MIB, Malformed, check_bytes

MAX_BYTES = 64 * MIB  # a line a batch of 90 epochs of ImageNet, printed in full, is 60 MB
MOST_LINE_CHARS = 4_000  # of a longer line the states of a bar are told apart, and each is cut
MOST_STATES_CHARS = 400_000  # of one line's bar: its beginning and its end
_HINT = "Hand in the log without a line for every batch, or as CSV with one row an epoch."

_ANSI = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_STAMP = (
    r"(?P<year>\d{4})[-/.](?P<month>\d\d)[-/.](?P<day>\d\d)[T _](?P<clock>\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?"
    r"(?:Z|[+-]\d\d:?\d\d)?"
    r"|(?P<month2>\d\d)[-/](?P<day2>\d\d)(?:[-/]\d{2,4})?[ T](?P<clock2>\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?"
    r"|[IWE](?P<month3>\d\d)(?P<day3>\d\d) (?P<clock3>\d\d:\d\d:\d\d)\.\d{1,9} {1,4}\d{1,9}"
    r"|(?P<clock4>\d\d:\d\d:\d\d)(?:[.,]\d{1,9})?"
)
_BEFORE = re.compile(
    rf"\s{{0,8}}(?:[\[(]?(?:{_STAMP})(?: [\w.-]{{1,60}}(?=\]))?[\])]?"
    r"|[\[(]?(?:INFO|DEBUG|WARNING|WARN|ERROR|NOTICE)[\])]?(?::[\w.]{1,40}:)?(?!\w)"
    r"|[\[(]?[\w./-]{1,60}\.py(?:[: ]\d{1,6})?[\])]?(?:[:\]]|(?=\s))"
    r"|\[(?:default|rank) ?\d{1,4}\]:?|\[\d{1,3},\d{1,4}\]<std\w{3}>:?|\((?:pid|rank)=\d[^()\n]{0,60}\)"
    r"|(?:__main__|root)(?=\s|:)"
    r"|\d{1,4}: (?=(?:Epoch|Test|Train|Val|Eval|EPOCH| \* |\* |=>)))\s{0,2}[-|:>]{0,2}(?P<gap>\s?)"
)
_MAY_BEGIN = frozenset("0123456789[(IWEDN_rm/. ")
MOST_LABELS = 6


@dataclass(frozen=True, slots=True)
class LogLine:
    """What was printed; ``clock`` in seconds (of a day, where the stamp has no date)."""

    number: int
    text: str
    clock: float | None = None
    dated: bool = False


def decode(data: bytes, path: str, allowed: int = MAX_BYTES) -> str:
    """The file as text; Malformed where it is too large or no text."""
    check_bytes(path, data, allowed, hint=_HINT)
    head = data[:2000]
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace").replace("\x00", "")
    if b"\x00" in head:
        if head[1::2].count(0) > len(head) // 3:
            return data.decode("utf-16-le", errors="replace").replace("\x00", "")
        raise Malformed(path, "is no text", hint="Hand in the log as plain text.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def lines_of(text: str) -> Iterator[LogLine]:
    """Every line, with its number from 1 on."""
    start, number, size = 0, 0, len(text)
    while start < size:
        end = text.find("\n", start)
        end = size if end < 0 else end
        number += 1
        line = text[start:end]
        start = end + 1
        if len(line) > MOST_STATES_CHARS:
            half = MOST_STATES_CHARS // 2
            line = f"{line[:half]}\r{line[-half:]}"
        if "\x1b" in line:
            line = _ANSI.sub("", line)
        yield stripped(line, number)


def stripped(line: str, number: int) -> LogLine:
    """The line without the labels before it."""
    clock, dated, at = None, False, 0
    if not line or line[0] not in _MAY_BEGIN or line.startswith("Epoch"):
        return LogLine(number, line)
    for _ in range(MOST_LABELS):
        found = _BEFORE.match(line, at, at + 200)
        if not found or found.end() == at:
            break
        stamp, has_date = _clock(found)
        if stamp is not None:
            clock, dated = stamp, has_date
        # A line that begins with a star is indented: " * Acc@1 69.7".
        at = found.start("gap") if line.startswith(" *", found.start("gap")) else found.end()
    return LogLine(number, line[at:], clock, dated)


def _clock(found: re.Match[str]) -> tuple[float | None, bool]:
    said = found["clock"] or found["clock2"] or found["clock3"] or found["clock4"]
    if not said:
        return None, False
    hours, minutes, seconds = (int(part) for part in said.split(":"))
    of_day = hours * 3600.0 + minutes * 60 + seconds
    month, day = found["month"] or found["month2"] or found["month3"], found["day"] or found["day2"]
    day = day or found["day3"]
    if not month or not 1 <= int(month) <= 12 or not 1 <= int(day) <= 31:
        return of_day, False
    year = int(found["year"]) if found["year"] else 2000
    return calendar.timegm((max(year, 1970), int(month), int(day), 0, 0, 0)) + of_day, True
