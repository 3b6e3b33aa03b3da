"""Text that a student's code produced, made safe to show.

What a submission prints, raises or is named ends up in a terminal, in HTML, in JSON and in spreadsheets.
Here it loses what could steer any of them: escape sequences, control characters, direction marks that
make text read other than it is, invisible characters, halves of surrogate pairs, accents piled up until they
cover the lines around. What is too long is cut, with a note of how much. Letters of every script stay, and so
do private-use and unassigned characters: nothing obeys them, and a font shows a box. Escaping for HTML is
the template's business, not ours.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable

MAX_CHARS = 8_000
MAX_LINES = 400
MAX_LINE_CHARS = 500
MAX_NAME_CHARS = 100
MOST_MARKS = 4  # on one letter; no language writes more

# CSI, then the strings that a terminal swallows whole (OSC, DCS, SOS, PM, APC), then the short escapes.
# A string without its end is cut at the line's end, so that one stray escape can't eat a whole message.
_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
_LINE_ENDS = re.compile("\r\n|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # not the carriage return, which is seen to by itself
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# What Unicode calls ignorable by default, the format characters and the noncharacters. Left out are the
# zero-width joiners, with which emoji and several scripts are spelt, and the two selectors of emoji.
_INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f\u3164\ufdd0-\ufdef"
    "\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
) + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
_UNWANTED = re.compile(f"[{_CONTROL}{_BIDI}{_INVISIBLE}]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"
_JOINERS = re.compile("[\u200c\u200d]+")
_MAY_BE_MARKS = re.compile(f"[\u0300-\U0010ffff]{{{MOST_MARKS + 1},}}")

# Spreadsheets look for a formula behind blanks and quotes, and some begin a new cell at a semicolon.
_CELL_STARTS = re.compile(r"""(^|;)([\s'"`´‘’“”＇＂]*)(?=[=+\-@|%＝＋－＠﹢﹣﹦﹫−])""")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def clean(text: str, limit: int = MAX_CHARS, *, line_limit: int = MAX_LINE_CHARS) -> str:
    """``text`` without what could steer a terminal, a page or a reader, and at most ``limit`` long.

    Newlines and tabs stay. A text that is too long, or has more than `MAX_LINES` lines, keeps its beginning
    and its end, because a traceback says what happened last, and says in between how much was cut.
    """
    text = _tame(text)
    if len(text) > line_limit:
        text = "\n".join(cut_line(line, line_limit) for line in text.split("\n"))
    return _cut(text, limit)


def quote(name: str, limit: int = MAX_NAME_CHARS) -> str:
    """A name for a message: cleaned, in quotation marks, on one line, at most ``limit`` long."""
    shown = repr(_tame(name.replace("\r", "")))
    if len(shown) <= limit:
        return shown
    note, kept = _note("…({:,} more)…", len(shown), limit)
    tail = kept // 3
    return f"{shown[: kept - tail]}{note}{shown[len(shown) - tail :]}"


def one_line(name: str, limit: int = MAX_NAME_CHARS) -> str:
    """The same without the quotation marks, for a list."""
    return quote(name, limit + 2)[1:-1]


def cut_line(line: str, limit: int) -> str:
    """The beginning of a line that is longer than ``limit``, and how much more there was."""
    if len(line) <= limit:
        return line
    note, kept = _note(" … ({:,} more characters)", len(line), limit)
    return line[:kept] + note


def is_showable(name: str) -> bool:
    """Whether a name can be shown as it is: on one line, and nothing in it that `clean` would take out."""
    return name == _tame(name) and not set(name) & {"\n", "\t"}


def csv_cell(text: str) -> str:
    """``text`` as one cell of a CSV file that no spreadsheet takes for a formula; numbers stay numbers."""
    cell = " ".join(clean(text).split())
    return cell if _NUMBER.fullmatch(cell) else _CELL_STARTS.sub(r"\1'\2", cell)


def csv_row(cells: Iterable[str | float | None]) -> str:
    """One line of a CSV file, with its end; None is an empty cell."""
    line = io.StringIO()
    csv.writer(line).writerow([csv_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    return line.getvalue()


def _tame(text: str) -> str:
    text = _LINE_ENDS.sub("\n", _ANSI.sub("", text))
    text = _SURROGATES.sub(_REPLACEMENT, _UNWANTED.sub("", text))
    if "\r" in text:
        # What a progress bar draws over itself is shown as a terminal would: the last state of the line.
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    if text.isascii():
        return text
    return _JOINERS.sub(_joiner, _MAY_BE_MARKS.sub(lambda run: _without_piles(run[0]), text))


def _joiner(found: re.Match[str]) -> str:
    """One joiner after a letter, a mark or a symbol that can be joined; elsewhere it would be unseen text."""
    before = found.string[found.start() - 1] if found.start() else "\n"
    joins = not before.isascii() and unicodedata.category(before)[0] in "LMNS"
    return found[0][0] if joins else ""


def _without_piles(run: str) -> str:
    kept, marks = [], 0
    for char in run:
        if unicodedata.category(char) in ("Mn", "Me"):
            marks += 1
        elif not _JOINERS.match(char):
            marks = 0
        if marks <= MOST_MARKS:
            kept.append(char)
    return "".join(kept)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit and text.count("\n") < MAX_LINES:
        return text
    note = "\n… ({:,} characters left out here) …\n"
    room = limit - len(note.format(len(text)))
    if room < limit // 2:
        return f"{text[: limit - 1]}…"
    tail_lines = MAX_LINES // 3
    head_lines = MAX_LINES - 1 - tail_lines
    head = "\n".join(text.split("\n", head_lines)[:head_lines])[: room - room // 3]
    tail = "\n".join(text.rsplit("\n", tail_lines)[-tail_lines:])[-(room // 3) :].lstrip("\u200c\u200d")
    return head + note.format(len(text) - len(head) - len(tail)) + tail


def _note(form: str, length: int, limit: int) -> tuple[str, int]:
    """A note of how many of ``length`` characters are left out, and how many stay beside it within ``limit``.

    Where it would take more room than the text, it is no more than an ellipsis.
    """
    kept = limit
    while kept + len(note := form.format(length - kept)) > limit:
        kept -= 1
    return (note, kept) if kept >= limit // 2 else ("…", limit - 1)
