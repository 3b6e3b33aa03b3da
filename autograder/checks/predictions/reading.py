"""A file of predictions, validated and brought into the order of the ids.

The file is data from a stranger: whatever its bytes are, it is read or refused, and a refusal says on which
lines what is wrong and how it is mended. A file that is written exactly as asked is taken as a whole (see
`plain`). Else its rows come in handfuls, so that a million of them never stand in memory as text: a handful
in which all is as it should be is taken at once, otherwise each row is looked at by itself. All ways take and
refuse the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from autograder.checks.predictions.advice import Facts, advice
from autograder.checks.predictions.cells import MOST_SHOWN, id_kind, id_words, label_kind, label_words
from autograder.checks.predictions.defects import Defects, Kind
from autograder.checks.predictions.form import UNKNOWN, Form, Indices, Labels, stripped
from autograder.checks.predictions.header import Columns, find_columns, otherwise_divided, squashed
from autograder.checks.predictions.not_csv import refuse_other_kinds, refuse_size
from autograder.checks.predictions.plain import plain_labels
from autograder.checks.predictions.probabilities import Shares, normalised, share_defect, shares_of
from autograder.loaders.problems import Malformed, TooLarge
from autograder.loaders.table import TableLimits, load_table
from autograder.outcome import CheckFailed
from autograder.text import quote

Row = tuple[int, list[str]]

# Measured with a million rows: 0.55 s with 500 rows at once, 1.4 s with 20,000, which the garbage collector
# walks through again and again.
_HANDFUL = 500
_SPREADSHEETS_OWN = "sep="  # the first line that Excel writes, and reads, to say its delimiter
_BYTES_A_SCORE = 40


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a file predicts. ``labels`` and ``probabilities`` are in the order of the form's ids."""

    labels: Indices
    probabilities: Shares | None
    notes: tuple[str, ...]  # what was taken although it is written otherwise than asked
    digest: str  # of the file: SHA-256


def read_predictions(data: bytes, name: str, form: Form) -> Predictions:
    """The predictions in ``data``; raises CheckFailed with its defects and how they are mended."""
    refuse_size(name, len(data), form.max_bytes)
    digest = hashlib.sha256(data).hexdigest()
    plain = plain_labels(data, form)
    if plain is not None:
        return Predictions(plain, None, (), digest)
    refuse_other_kinds(data, name, form.id_column, form.label_column)
    usual, classes = TableLimits(), len(form.classes)
    limits = TableLimits(
        max_bytes=form.max_bytes,
        max_line_bytes=max(usual.max_line_bytes, _BYTES_A_SCORE * classes),
        max_columns=max(usual.max_columns, 2 * classes),
    )
    rows = _beginning_with_the_header(load_table(data, name, limits))
    try:
        columns, rows = _columns(rows, form, name)
    except TooLarge as problem:
        hint = (
            f"Write one line for each image: {form.id_column},{form.label_column}. df.T turns a table round."
        )
        raise Malformed(name, problem.problem, where=problem.where, hint=hint) from None
    except Malformed as problem:
        raise (otherwise_divided(data, form, name) or problem) from None
    walk = _Walk(form, columns)
    while handful := list(islice(rows, _HANDFUL)):
        walk.take(handful)
    if not walk.rows:
        hint = "Was it written before the predictions were made, or cut off?"
        raise Malformed(name, "has no row below its header", hint=hint)
    walk.refuse_defects(name, ends=data.endswith((b"\n", b"\r")))
    return walk.predictions(digest)


def _beginning_with_the_header(rows: Iterator[Row]) -> Iterator[Row]:
    for line, fields in rows:
        if any(map(stripped, fields)) and stripped(fields[0]) != _SPREADSHEETS_OWN:
            yield line, fields
            break
    yield from rows


def _columns(rows: Iterator[Row], form: Form, name: str) -> tuple[Columns, Iterator[Row]]:
    _, fields = next(rows, (1, [""]))
    following = next(rows, None)
    columns = find_columns(fields, following[1] if following else (), form, name)
    return columns, rows if following is None else chain([following], rows)


class _Walk:
    """A way through the rows, and what was met on it."""

    def __init__(self, form: Form, columns: Columns) -> None:
        self.rows = 0
        self._form, self._columns, self._labels = form, columns, Labels(form)
        self._header = [squashed(name) for name in columns.names]
        self._lines = np.zeros(len(form.ids), np.int64)  # on which an id stands, 0: on none
        self._found = np.full(len(form.ids), UNKNOWN, np.int64)
        self._shares = np.zeros((len(form.ids), len(form.classes))) if columns.probabilities else None
        self._defects = Defects()
        self._otherwise = 0  # ids that are written otherwise than in the list
        self._last_is_short = False

    def take(self, handful: Sequence[Row]) -> None:
        handful = [row for row in handful if row[1]]  # csv gives an empty line as no field
        if not handful or self._at_once(handful):
            return
        for line, fields in handful:
            if any(map(stripped, fields)):
                self.rows += 1
                self._row(line, fields)

    def _at_once(self, handful: Sequence[Row]) -> bool:
        """Take all of these rows, or, where any of them needs a closer look, none."""
        where = self._columns
        lines, rows = zip(*handful, strict=True)
        if set(map(len, rows)) != {where.width}:
            return False
        fields = list(zip(*rows, strict=True))
        at = self._form.ids.indices(fields[where.id])
        if at is None or self._lines[at].any():
            return False
        labels = None if where.label is None else self._labels.many(fields[where.label])
        if labels is not None and (labels == UNKNOWN).any():
            return False
        if self._shares is not None:
            shares = shares_of([fields[place] for place in where.probabilities])
            if shares is None:
                return False
        self._lines[at] = lines
        if (self._lines[at] != lines).any():  # one id twice among these
            self._lines[at] = 0
            return False
        if labels is not None:
            self._found[at] = labels
        if self._shares is not None:
            self._shares[at] = shares
        self.rows += len(rows)
        self._last_is_short = False
        return True

    def _row(self, line: int, fields: list[str]) -> None:
        columns, width = self._columns, self._columns.width
        self._last_is_short = len(fields) < columns.needed
        if self._last_is_short or any(map(stripped, fields[width:])):
            has = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
            text = ",".join(fields)
            words = f"has {has}, and the header has {width}: {quote(text, MOST_SHOWN)}"
            self._add(line, Kind.FIELDS, text, words)
            return
        at = self._form.ids.index(fields[columns.id])
        if at == UNKNOWN and [squashed(field) for field in fields[:width]] == self._header:
            self._add(line, Kind.HEADER, "", "the header again")
            return
        at = self._id(line, fields[columns.id], at)
        if columns.label is not None:
            self._label(line, fields[columns.label], at)
        if self._shares is not None:
            self._distribution(line, [fields[place] for place in columns.probabilities], at)

    def _id(self, line: int, text: str, at: int) -> int:
        """Keep where the id stands; `UNKNOWN` where nothing is to be kept for it."""
        ids, lines = self._form.ids, self._lines
        if at == UNKNOWN:
            self._defects.add(line, id_kind(text), stripped(text), lambda: id_words(text, self._form))
        elif lines[at]:
            self._defects.add(
                line,
                Kind.DUPLICATE_ID,
                text,
                lambda: f"the id {quote(ids.text(at), 40)} stands on line {lines[at]:,} already",
            )
            return UNKNOWN
        else:
            lines[at] = line
            self._otherwise += stripped(text) != ids.text(at)
        return at

    def _label(self, line: int, text: str, at: int) -> None:
        label = self._labels[text]
        if label == UNKNOWN:
            self._defects.add(line, label_kind(text), text, lambda: label_words(text, self._form))
        elif at != UNKNOWN:
            self._found[at] = label

    def _distribution(self, line: int, fields: list[str], at: int) -> None:
        shares = shares_of([[stripped(field)] for field in fields])
        if shares is None:
            kind, words, text = share_defect(fields)
            self._add(line, kind, text, words)
        elif at != UNKNOWN and self._shares is not None:
            self._shares[at] = shares[0]

    def _add(self, line: int, kind: Kind, text: str, words: str) -> None:
        self._defects.add(line, kind, text, lambda: words)

    def refuse_defects(self, name: str, *, ends: bool) -> None:
        """Raise CheckFailed if there was any, or an id is missing; ``ends``: the last line has its end."""
        missing = np.flatnonzero(self._lines == 0)
        for first, last in _runs(missing):
            self._defects.add_missing(last - first + 1, lambda a=first, b=last: self._missing(a, b))  # type: ignore[misc]
        if self._defects:
            cut_off = self._last_is_short and not ends
            facts = Facts(self._form, self._defects, self.rows, missing, self._found, cut_off)
            raise CheckFailed(self._defects.message(name), hint=advice(facts))

    def _missing(self, first: int, last: int) -> str:
        begin, end = (quote(self._form.ids.text(at), 40) for at in (first, last))
        return f"the id {begin} is missing" if first == last else f"the ids {begin} to {end} are missing"

    def predictions(self, digest: str) -> Predictions:
        notes = [*self._columns.notes]
        if self._otherwise and self._form.ids.are_listed:
            notes.append(
                f"{self._otherwise:,} ids are written otherwise than in the list, and were recognised."
            )
        if self._shares is None:
            return Predictions(self._found, None, tuple(notes), digest)
        likeliest = self._shares.argmax(axis=1)
        if self._columns.label is None:
            self._found = likeliest
        elif differing := int((likeliest != self._found).sum()):
            notes.append(
                f"{differing:,} labels are not the class with the highest probability; the labels count."
            )
        return Predictions(self._found, normalised(self._shares), tuple(notes), digest)


def _runs(missing: Indices) -> Iterator[tuple[int, int]]:
    """The first and the last of each unbroken run of numbers."""
    if len(missing):
        ends = np.flatnonzero(np.diff(missing) != 1)
        firsts, lasts = missing[np.concatenate([[0], ends + 1])], missing[np.concatenate([ends, [-1]])]
        yield from zip(firsts.tolist(), lasts.tolist(), strict=True)
