"""The receptive fields that a student worked out, held against those that we work out.

They are claimed in comments behind layers ("# 26 > 24 | RF 5"), in lines of Markdown, and in tables, in the
notebook, in a README or in a file of comma-separated values. Not every layer need be there: claims are
matched to the network's layers in their order, one to one where there are as many, else so that most of them
fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from autograder.checks.field_tables import cells_of, columns_of, field_in_row
from autograder.loaders.notebook import Notebook
from autograder.text import clean

MAX_CLAIMS = 400  # of one table
MAX_TABLES = 60
_MAX_TEXT = 200_000
_MAX_LINE = 2_000
_QUOTED = 120


class Row(Protocol):
    """What is needed of a layer of the network, as checks/models/ gives it."""

    @property
    def layer(self) -> str: ...
    @property
    def size_in(self) -> int | None: ...
    @property
    def size_out(self) -> int | None: ...
    @property
    def field_in(self) -> int: ...
    @property
    def field_out(self) -> int: ...


@dataclass(frozen=True, slots=True)
class FieldClaim:
    """One receptive field as it is claimed; ``said`` is the line or row that it stands in."""

    field: int
    said: str
    where: str


@dataclass(frozen=True, slots=True)
class FieldTable:
    """Claims that belong together, in their order; ``heading`` is what stands above them in a text."""

    where: str
    claims: tuple[FieldClaim, ...]
    heading: str = ""
    table: bool = False

    @property
    def fields(self) -> tuple[int, ...]:
        return tuple(claim.field for claim in self.claims)


@dataclass(frozen=True, slots=True)
class WrongField:
    """A claim that fits no layer; ``right`` is the layer's own field where it is known which is meant."""

    claim: FieldClaim
    layer: str = ""
    right: int | None = None

    def describe(self) -> str:
        where = f"{self.claim.where}: “{self.claim.said}”"
        if self.right is None:
            return f"{where} says {self.claim.field}, which is the receptive field of no layer there."
        return f"{where} says {self.claim.field}; behind {self.layer} it is {self.right}."


@dataclass(frozen=True, slots=True)
class FieldCheck:
    """A table held against a network; ``layers`` is how many different fields of the network it names."""

    table: FieldTable
    right: tuple[FieldClaim, ...]
    wrong: tuple[WrongField, ...]
    layers: int

    @property
    def all_right(self) -> bool:
        return bool(self.right) and not self.wrong


# --- reading ---------------------------------------------------------------------------------------------


def read_field_claims(notebook: Notebook) -> tuple[FieldTable, ...]:
    """All that a notebook claims: its Markdown, the comments in its code, and tables among its outputs."""
    found: list[FieldTable] = []
    for cell in notebook.cells:
        where = f"cell {cell.number}"
        if cell.kind == "code":
            found += claims_in_code(cell.source, where)
            for output in cell.outputs:
                if _NAMED.search(output.text[:_MAX_TEXT]):
                    found += [
                        one for one in claims_in_text(output.text, f"what {where} printed") if one.table
                    ]
        else:
            found += claims_in_text(cell.source, where)
        if len(found) > MAX_TABLES:
            break
    return tuple(found[:MAX_TABLES])


def claims_in_text(text: str, where: str) -> list[FieldTable]:
    """The tables of a text, and the lines outside of them that name a layer and its receptive field."""
    found: list[FieldTable] = []
    heading, columns = "", None
    rows: list[FieldClaim] = []
    lines: list[FieldClaim] = []

    def close() -> None:
        if rows:
            found.append(FieldTable(where, tuple(rows[:MAX_CLAIMS]), heading, table=True))
            rows.clear()

    for whole in text[:_MAX_TEXT].split("\n"):
        line = whole[:_MAX_LINE]
        cells = cells_of(line)
        header = columns_of(cells)
        if header is not None:
            close()
            columns = header
            continue
        if columns is not None and len(cells) > 1:
            value = field_in_row(cells, columns)
            if value is not None:
                rows.append(FieldClaim(value, _shown(line), where))
            continue
        if columns is not None and rows and not line.strip():
            close()
            columns = None
        if _HEADING.match(line):
            close()
            if lines:
                found.append(FieldTable(where, tuple(lines), heading))
                lines = []
            heading, columns = clean(line).strip("# *\t"), None
        elif len(line) < _LONGEST_PROSE and _LAYER.search(line):
            lines += [FieldClaim(value, _shown(line), where) for value in fields_in_line(line)]
    close()
    if lines:
        found.append(FieldTable(where, tuple(lines[:MAX_CLAIMS]), heading))
    return found


_LONGEST_PROSE = 160  # characters; a longer line is a sentence, which may say anything about receptive fields
_HEADING = re.compile(r"\s{0,3}#{1,6}\s|\s*<h[1-6]\b|\s{0,3}\*\*[^*\n]{1,200}\*\*\s*:?\s*$", re.IGNORECASE)
_LAYER = re.compile(
    r"conv|pool|layer|block|\bgap\b|transition|1\s?x\s?1|\bfc\b|input|output|schicht|\bc\d|\bmp\b|->|→",
    re.IGNORECASE,
)


def claims_in_code(source: str, where: str) -> Iterator[FieldTable]:
    """The comments of a cell or a module, a table for each class in it."""
    claims: list[FieldClaim] = []
    for line in source[:_MAX_TEXT].split("\n"):
        if _CLASS.match(line) and claims:
            yield FieldTable(f"the comments in {where}", tuple(claims[:MAX_CLAIMS]))
            claims = []
        code, sign, comment = line[:_MAX_LINE].partition("#")
        if not sign or (not code.strip() and _DISABLED.search(comment)):
            continue
        claims += [FieldClaim(value, _shown(line), where) for value in fields_in_line(comment)]
    if claims:
        yield FieldTable(f"the comments in {where}", tuple(claims[:MAX_CLAIMS]))
    for text in re.findall(r'"""(.{1,20000}?)"""', source[:_MAX_TEXT], re.DOTALL)[:20]:
        yield from claims_in_text(text, where)


_CLASS = re.compile(r"\s*class\s+\w+")
_DISABLED = re.compile(r"\bnn\.\w+\(|\bself\.\w+\s*=|\bx\s*=")

_NAMED = re.compile(
    r"\br\.?f\.?\b|\brf_|_rf\b|receptive|rezeptiv|\br[_ -]?out\b|\brout\b|\bgrf\b|\brf(?=\d|[_:=])",
    re.IGNORECASE,
)
_NUM = r"(\d{1,4})(?![\d.])(?:\s?[x×X*]\s?\d{1,4})?"
_OUT = (
    r"(?:\s?(?:\((?:out|output|global)\)|"
    r"[_ ](?:out|output|size|now|after|becomes|is|of|side|value|at|end|global)\b))?"
)
_WORD = (
    r"(?:(?<![A-Za-z])(?:g|global\s)?r\.?\s?f\.?(?![A-Za-z])|receptive[\s_-]?fields?|rezeptives?\s?feld|"
    r"(?<![A-Za-z])r[_ -]?out)"
)
_CHAIN = re.compile(
    _WORD + _OUT + r"\W{0,6}" + _NUM + r"(?:\s?(?:->|=>|→|–>|>|to)\s?" + _NUM + r"){1,40}", re.IGNORECASE
)
_AFTER = re.compile(_WORD + _OUT + r"[\s:=\-–>~|(\[`*]{0,8}(?:is\s|of\s|size\s)?" + _NUM, re.IGNORECASE)
_BEFORE = re.compile(r"(?<![\w.])" + _NUM + r"\s?(?:\(?)" + _WORD, re.IGNORECASE)
# "RF after conv2 = 3 + (3 - 1) * 1 = 5": the last number is meant.
_WORKED_OUT = re.compile(
    r"[:=]\s?\(?\d[\d\s()*x×·.+-]{2,80}[+*x×·][\d\s()*x×·.+-]{1,80}=\s?" + _NUM + r"\D{0,20}$"
)
_IN = re.compile(r"(?:r[_ -]?in|(?:input|in)[_ ]?rf|rf[_ ]?in(?:put)?)\b[\s:=\-]{0,4}\d{1,4}", re.IGNORECASE)
_ARROW = re.compile(r"(\d{1,4})(?:\s?[x×X*]\s?\d{1,4})?\s?(?:->|=>|→|–>|>|to)", re.IGNORECASE)


def fields_in_line(line: str) -> list[int]:
    """The receptive fields that a line or a comment names; of a pair of in and out the out."""
    if not _NAMED.search(line):
        return []
    line = _IN.sub(" ", line[:_MAX_LINE])
    worked_out = _WORKED_OUT.search(line)
    if worked_out:
        return [int(worked_out[1])]
    chain = _CHAIN.search(line)
    if chain:
        values = [int(value) for value in re.findall(r"(\d{1,4})(?:\s?[x×X*]\s?\d{1,4})?", chain[0])]
        return values if len(values) > 2 else values[-1:]
    found = [int(match[1]) for match in _AFTER.finditer(line)]
    return found[-1:] or [int(match[1]) for match in _BEFORE.finditer(line)][:1]


def _shown(line: str) -> str:
    return clean(" ".join(line.split()), _QUOTED)


def shows_pictures(notebook: Notebook) -> bool:
    """Whether its Markdown has pictures in it, which may hold what no text does."""
    return any(
        cell.kind == "markdown" and _PICTURE.search(cell.source[:_MAX_TEXT]) for cell in notebook.cells
    )


_PICTURE = re.compile(r"!\[[^\]\n]{0,200}\]\(|<img\b", re.IGNORECASE)


# --- holding against a network ---------------------------------------------------------------------------


def best_check(tables: Sequence[FieldTable], rows: Sequence[Row]) -> FieldCheck | None:
    """The table that fits the network best: a notebook may have an older one beside it."""
    checks = [check(table, rows) for table in tables if table.claims]
    return max(
        checks, key=lambda one: (len(one.right) - len(one.wrong), one.layers, one.table.table), default=None
    )


def check(table: FieldTable, rows: Sequence[Row]) -> FieldCheck:
    """The claims of one table against the layers of one network."""
    claims = list(table.claims)
    while claims and claims[0].field == 1:  # the image's own
        claims.pop(0)
    layers = [row for row in rows if row.field_out > 0]
    one_to_one = len(claims) == len(layers)
    if one_to_one:
        kept = {at for at, row in enumerate(layers) if claims[at].field in _allowed(row, rows)}
    else:
        kept = set(_in_order(claims, [_allowed(row, rows) for row in layers]))
    wrong = [
        WrongField(claim, layers[at].layer, layers[at].field_out) if one_to_one else WrongField(claim)
        for at, claim in enumerate(claims)
        if at not in kept
    ]
    right = tuple(claims[at] for at in sorted(kept))
    return FieldCheck(table, right, tuple(wrong), len({claim.field for claim in right}))


def _allowed(row: Row, rows: Sequence[Row]) -> set[int]:
    """What may be said of a layer. Of one that sees the whole image, and of what follows it, also that."""
    image = rows[0].size_in or 0 if rows else 0
    whole = [one for one in rows if (one.size_in or 0) > 1 and one.size_out == 1]
    fields = {row.field_out}
    if whole and row.field_out >= whole[0].field_out:
        fields |= {image, whole[0].field_in}
    return fields


def _in_order(claims: Sequence[FieldClaim], allowed: Sequence[set[int]]) -> Iterator[int]:
    """The longest run of claims that are layers' fields in the same order; a layer may be named twice."""
    best = [[0] * (len(allowed) + 1) for _ in range(len(claims) + 1)]
    for i in range(len(claims) - 1, -1, -1):
        for j in range(len(allowed) - 1, -1, -1):
            fits = claims[i].field in allowed[j]
            best[i][j] = max(best[i + 1][j], best[i][j + 1], best[i + 1][j] + 1 if fits else 0)
    i = j = 0
    while i < len(claims) and j < len(allowed):
        if claims[i].field in allowed[j] and best[i][j] == best[i + 1][j] + 1:
            yield i
            i += 1
        elif best[i][j] == best[i][j + 1]:
            j += 1
        else:
            i += 1
