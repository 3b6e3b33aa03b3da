"""Tables of receptive fields in a text: with bars, commas, tabs or several blanks between the columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_MOST_COLUMNS = 40


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a table has the receptive field behind each layer, and how many columns it has."""

    field: int
    count: int


_OUT = re.compile(
    r"(?:global|cumulative|total|new|final)?(?:output|out)?(?:r|rf|receptivefields?|rezeptivesfeld|grf)"
    r"(?:size)?(?:out|output|outside)?"
    r"|receptivefield(?:of)?(?:layer)?|rfafter|rfatlayer"
)
_IN = re.compile(r"(?:r|rf|receptivefield)_?(?:in|input)|in(?:put)?rf|rfbefore")
_OTHER = frozenset(
    "layer layers kernel kernelsize k stride s padding pad p nin "
    "nout n jin jout j jump jumpin jumpout input output "
    "channels name operation op inputsize outputsize in out size "
    "type filter params parameters schicht block no sr "
    "inchannels outchannels channelsin channelsout channelin channelout "
    "imagesize outputshape inputshape d dilation "
    "chin chout nc features".split()
)


def cells_of(line: str) -> list[str]:
    """The columns of a line; a single one where it is no row of a table."""
    line = re.sub(r"<\s?/\s?t[dh]\s?>", "|", line, flags=re.IGNORECASE) if "<t" in line.lower() else line
    line = re.sub(r"<[^<>]{0,200}>", "", line).strip()
    if line.count("|") >= 1:
        parts = line.strip("|").split("|")
    elif "\t" in line:
        parts = line.split("\t")
    elif line.count(",") >= 2 or ";" in line:
        parts = re.split(r"[,;]", line)
    else:
        parts = re.split(r"\s{2,}|(?<=\d)\s(?=\d)", line)
        words = line.split()
        if len(parts) < 3 and len(words) > 3 and sum(map(_is_known, words)) > 2:
            parts = words
    return [part.strip(" *`'\"") for part in parts[:_MOST_COLUMNS]]


def columns_of(cells: Sequence[str]) -> Columns | None:
    """The table's columns if these cells head one with receptive fields in it."""
    if len(cells) < 2:
        return None
    names = [_squeezed(cell) for cell in cells]
    outs = [at for at, name in enumerate(names) if name and _OUT.fullmatch(name) and not _IN.fullmatch(name)]
    known = sum(name in _OTHER or _is_known(cell) for name, cell in zip(names, cells, strict=True))
    if not outs or known + len(outs) < 2:
        return None
    # Of "RF" and "RF out", the one that says out.
    said = [at for at in outs if "out" in names[at]]
    return Columns((said or outs)[-1], len(cells))


def field_in_row(cells: Sequence[str], columns: Columns) -> int | None:
    """The receptive field that a row says; None for a rule, and for what has no number there."""
    at = columns.field
    if len(cells) != columns.count and columns.field == columns.count - 1:
        at = len(cells) - 1  # the layer's name is parted, or left out
    if not 0 <= at < len(cells):
        return None
    found = re.fullmatch(
        r"\(?(\d{1,4})(?:\.0+)?(?:\s?[x×X*]\s?\d{1,4})*\)?\s?(?:px|pixels?)?", cells[at].strip()
    )
    return int(found[1]) if found else None


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _is_known(cell: str) -> bool:
    squeezed = _squeezed(cell)
    return squeezed in _OTHER or bool(squeezed and (_IN.fullmatch(squeezed) or _OUT.fullmatch(squeezed)))
