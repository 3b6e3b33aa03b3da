"""Text that a student's code produced, made safe to show.

What a submission prints, raises or is named ends up in a terminal, in HTML, in JSON and in spreadsheets.
Here it loses what could steer any of them: escape sequences, control characters, direction marks that
make text read other than it is, invisible characters, halves of surrogate pairs. Escaping for HTML is
the template's business, not ours.
"""

from __future__ import annotations

import re

MAX_CHARS = 8_000
MAX_LINE_CHARS = 500
MAX_NAME_CHARS = 100

# CSI, then the strings that a terminal swallows whole (OSC, DCS, SOS, PM, APC), then the short escapes.
# A string without its end is cut at the line's end, so that one stray escape can't eat a whole message.
_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
_LINE_ENDS = re.compile("\r\n|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f"
_BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
# The zero-width joiner and non-joiner stay: emoji and several scripts are spelt with them.
_INVISIBLE = (
    "\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff"
)
_UNWANTED = re.compile(f"[{_CONTROL}{_BIDI}{_INVISIBLE}]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

_FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "|", "%")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def clean(text: str, limit: int = MAX_CHARS, *, line_limit: int = MAX_LINE_CHARS) -> str:
    """``text`` without what could steer a terminal, a page or a reader, and at most ``limit`` long.

    Newlines and tabs stay. A long text keeps its beginning and its end, because a traceback says what
    happened last, and says in between how much was cut.
    """
    text = _LINE_ENDS.sub("\n", _ANSI.sub("", text))
    if "\r" in text:
        # What a progress bar draws over itself is shown as a terminal would: the last state of the line.
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    text = _SURROGATES.sub(_REPLACEMENT, _UNWANTED.sub("", text))
    if len(text) > line_limit:
        text = "\n".join(_cut_line(line, line_limit) for line in text.split("\n"))
    return _cut(text, limit)


def quote(name: str, limit: int = MAX_NAME_CHARS) -> str:
    """A name for a message: cleaned, in quotation marks, on one line, at most ``limit`` long."""
    shown = repr(clean(name, len(name) + 1, line_limit=len(name) + 1))
    if len(shown) <= limit:
        return shown
    head = limit * 2 // 3
    return f"{shown[:head]}…{shown[len(shown) - (limit - head - 1) :]}"


def one_line(name: str, limit: int = MAX_NAME_CHARS) -> str:
    """The same without the quotation marks, for a list."""
    return quote(name, limit + 2)[1:-1]


def is_showable(name: str) -> bool:
    """Whether a name can be shown as it is: on one line, and nothing in it that `clean` would take out."""
    return name == clean(name, len(name) + 1, line_limit=len(name) + 1) and not set(name) & {"\n", "\t"}


def csv_cell(text: str) -> str:
    """``text`` as one cell of a CSV file that no spreadsheet takes for a formula; numbers stay numbers."""
    cell = " ".join(clean(text).split())
    if cell.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def _cut_line(line: str, limit: int) -> str:
    if len(line) <= limit:
        return line
    note = f" … ({len(line) - limit:,} more characters)"
    return line[: limit - len(note)] + note if len(note) < limit // 2 else line[: limit - 1] + "…"


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    note = f"\n… ({len(text) - limit:,} characters left out here) …\n"
    room = limit - len(note)
    if room < limit // 2:
        return text[: limit - 1] + "…"
    tail = room // 3
    return text[: room - tail] + note + text[len(text) - tail :]
