"""The header of a file of predictions: which column is which, or what is wrong with its first line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from autograder.checks.predictions.cells import all_numbers, looks_like_row
from autograder.checks.predictions.form import UNKNOWN, Form, Labels, stripped
from autograder.loaders.problems import Malformed
from autograder.text import one_line, quote

_MOST_OF_A_LINE = 1_000  # bytes
MOST_NAMED = 6  # columns in one message
_DELIMITERS = {";": "semicolons (;)", "\t": "tabs", "|": "bars (|)", ":": "colons (:)", " ": "blanks"}
_AROUND_CLASS = re.compile(
    r"^(?:prob(?:ability|a|s)?|p|class|label|score|logit|pred(?:iction)?)[\s_\-.:(]*|[\s_\-.)]*(?:prob|score)?$",
    re.IGNORECASE,
)
# How else an id's and a label's column are called.
_LIKE_IDS = "id ids index idx image images img imageid file filename name row unnamed0 number no".split()
_LIKE_LABELS = (
    "label labels prediction predictions pred preds class classes category target targets y ypred predicted "
    "predictedlabel output result 0"
).split()
_LIKE_PREDICTIONS = frozenset(
    "prediction predictions pred preds predicted predictedlabel ypred output".split()
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where in a row to look; ``probabilities`` are by the classes' numbers."""

    id: int
    label: int | None
    probabilities: tuple[int, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.names)

    @property
    def needed(self) -> int:
        """How many fields a row must have, so that all that is read is there."""
        return 1 + max(self.id, self.label or 0, *self.probabilities, 0)


def find_columns(fields: Sequence[str], following: Sequence[str], form: Form, name: str) -> Columns:
    """The columns that the header ``fields`` names; raises Malformed. ``following`` is the row below it."""
    names = [stripped(stripped(field).lstrip("#")) for field in fields]
    id_at, label_at = (_only(names, wanted, name) for wanted in (form.id_column, form.label_column))
    classes = _class_columns(names, {id_at, label_at}, form)
    probabilities = classes if form.probabilities else ()
    if id_at is None or (label_at is None and not probabilities):
        first = _FirstLine(names, following, form, name, Labels(form))
        raise _no_header(first, id_at, label_at, has_classes=bool(classes))
    if not form.labels and not probabilities:
        raise _no_probabilities(names, {id_at, label_at}, form, name)
    used = {id_at, label_at, *probabilities}
    notes = (
        *_spelt(names, id_at, label_at, form),
        *_unread(names, used, "" if label_at is None else names[label_at]),
    )
    return Columns(id_at, label_at, probabilities, tuple(names), notes)


def squashed(text: str) -> str:
    """Letters and digits alone, in lower case: the same for ImageID, image_id and 'image id'."""
    return "".join(char for char in text.casefold() if char.isalnum())


def delimiter_of(text: str, form: Form, labels: Labels) -> str:
    """What a line that holds no comma is divided by, such as "semicolons (;)", if it is a header or a row."""
    wanted = {squashed(form.id_column), squashed(form.label_column)}
    for delimiter, told in _DELIMITERS.items():
        parts = text.strip("|").split(None if delimiter == " " else delimiter)
        if wanted <= {squashed(part) for part in parts} or looks_like_row(parts, form, labels):
            return told
    return ""


def otherwise_divided(data: bytes, form: Form, name: str) -> Malformed | None:
    """Of a header in quotation marks, as R's write.csv2 writes it: that commas don't divide it."""
    line = data[:_MOST_OF_A_LINE].decode("utf-8-sig", errors="replace").lstrip().partition("\n")[0]
    first = _FirstLine([line.replace('"', "")], (), form, name, Labels(form))
    return first.without_any() if '"' in line and "," not in line else None


def _only(names: Sequence[str], wanted: str, name: str) -> int | None:
    """The place of the one column of that name, spelt so or nearly so."""
    found = [index for index, one in enumerate(names) if one == wanted]
    found = found or [index for index, one in enumerate(names) if squashed(one) == squashed(wanted)]
    if len(found) > 1:
        raise Malformed(
            name,
            f"has {len(found)} columns called {quote(wanted)}",
            hint="Keep the one that holds what you want to hand in, and take the others away.",
        )
    return found[0] if found else None


def _class_columns(names: Sequence[str], taken: set[int | None], form: Form) -> tuple[int, ...]:
    """The columns of probabilities, by their classes, where each class has exactly one."""
    found: dict[int, int] = {}
    labels = Labels(form)
    for index, one in enumerate(names):
        if index in taken:
            continue
        number = labels[one]
        if number == UNKNOWN:
            number = labels[_AROUND_CLASS.sub("", one)]
        if number != UNKNOWN and found.setdefault(number, index) != index:
            return ()
    return (
        tuple(found[number] for number in range(len(form.classes))) if len(found) == len(form.classes) else ()
    )


def _spelt(names: Sequence[str], id_at: int, label_at: int | None, form: Form) -> Iterable[str]:
    pairs = [(names[id_at], form.id_column)]
    if label_at is not None:
        pairs.append((names[label_at], form.label_column))
    for got, wanted in pairs:
        if got != wanted:
            yield f"The column {quote(got)} was taken for {quote(wanted)}."


def _unread(names: Sequence[str], used: set[int | None], label: str) -> Iterable[str]:
    others = [one for index, one in enumerate(names) if index not in used]
    if any(others):  # a comma too many at a line's end is no column
        what = "One further column was" if len(others) == 1 else f"{len(others)} further columns were"
        yield f"{what} not read: {_listed(others)}."
    if label and any(squashed(one) in _LIKE_PREDICTIONS for one in others):
        told = "see that your predictions stand there, and not the true labels"
        yield f"What counts is {quote(label)}: {told}."


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(quote(one, 40) for one in names[:MOST_NAMED])
    return f"{shown} …" if len(names) > MOST_NAMED else shown


@dataclass(frozen=True, slots=True)
class _FirstLine:
    """A first line that doesn't name the columns, and what to say of it."""

    names: Sequence[str]
    following: Sequence[str]  # the row below it
    form: Form
    name: str
    labels: Labels

    @property
    def wanted(self) -> str:
        return f"{self.form.id_column},{self.form.label_column}"

    @property
    def write(self) -> str:
        return f'The first line has to be {self.wanted}; df.to_csv("predictions.csv", index=False) writes it.'

    @property
    def _are_scores(self) -> bool:
        """Whether it is a row of scores, with an id before them or without one."""
        count = len(self.form.classes)
        fits = len(self.names) in (count, count + 1) and count > 2  # two could be an id and a label
        decimal = any("." in one for one in self.names[-count:])
        return fits and decimal and not self.form.probabilities and all_numbers(self.names)

    def without_any(self) -> Malformed | None:
        """Where neither column was found: is it another delimiter, no header, text in one piece?"""
        names = self.names
        line = names[0] if len(names) == 1 else ""
        divided = "" if "," in line else delimiter_of(line, self.form, self.labels)
        if "," in line:
            problem = "has quotation marks around whole lines, so that each is a single field"
            hint = "Write the lines without them, or with pandas."
        elif divided:
            problem = f"has its columns divided by {divided}, where commas are asked for"
            hint = f"Write it with commas. {self.write}"
        elif squashed("".join(names)) == squashed(self.wanted) and len(names) > 2:
            problem = "has a comma after each letter"
            hint = "csv's writer.writerow wants a list: writer.writerow([image_id, label])."
        elif self._are_scores:
            problem = "has a score for each class, and no header"
            hint = f"Hand in the class with the highest score: scores.argmax(axis=1). {self.write}"
        elif looks_like_row(names, self.form, self.labels):
            problem = f"has no header: its first line is {quote(','.join(names), 40)}"
            hint = self.write
        elif len(names) == 1 and len(self.following) <= 1:
            problem = "has a single column, where an id and a label are asked for"
            hint = self.write
        else:
            return None
        return Malformed(self.name, problem, hint=hint)

    def without_label(self, *, has_classes: bool) -> Malformed | None:
        """Where there are ids, and no label: does the table lie on its side, or hold scores?"""
        label, names, following = self.form.label_column, self.names, self.following
        if following and squashed(stripped(following[0])) == squashed(label):
            hint = f"Write a line for each image, below the header {self.wanted}: df.T turns a table round."
            return Malformed(self.name, "lies on its side: each image has a column of its own", hint=hint)
        is_full = len(names) == len(following) == 1 + len(self.form.classes)
        if has_classes or (is_full and looks_like_row(following, self.form, self.labels)):
            problem = f"holds a column for each class, where one column {quote(label)} is asked for"
            hint = "Hand in the class with the highest score: scores.argmax(axis=1)."
            return Malformed(self.name, problem, hint=hint)
        return None

    def without(self, missing: str, alike: Sequence[str]) -> Malformed:
        """Where one column is missing: which is the nearest?"""
        taken = {squashed(self.form.id_column), squashed(self.form.label_column)}
        near = _nearest([one for one in self.names if squashed(one) not in taken], missing, alike)
        columns = f" (it has {_listed(self.names)})" if any(self.names) else ""
        hint = f"The first line has to be {self.wanted}."
        if near:
            hint = f"If {quote(near, 40)} is it, call it {quote(missing)}. {hint}"
        elif near is not None:
            hint = f"Is it the column without a name? Then call it {quote(missing)}. {hint}"
        return Malformed(self.name, f"has no column {quote(missing)} in its first line{columns}", hint=hint)


def _no_header(first: _FirstLine, id_at: int | None, label_at: int | None, *, has_classes: bool) -> Malformed:
    found = None
    if id_at is None and label_at is None:
        found = first.without_any()
    elif label_at is None:
        found = first.without_label(has_classes=has_classes)
    if found is not None:
        return found
    if id_at is None:
        return first.without(first.form.id_column, _LIKE_IDS)
    return first.without(first.form.label_column, _LIKE_LABELS)


def _nearest(names: Sequence[str], wanted: str, alike: Sequence[str]) -> str | None:
    """The column that may have been meant; it may have no name."""
    by_key = {squashed(one): one for one in reversed(names)}
    close = get_close_matches(squashed(wanted), by_key, n=1, cutoff=0.6)
    if close:
        return by_key[close[0]]
    return next((by_key[key] for key in (*alike, "") if key in by_key), None)


def _no_probabilities(names: Sequence[str], taken: set[int | None], form: Form, name: str) -> Malformed:
    labels = Labels(form)
    have = {labels[one] for index, one in enumerate(names) if index not in taken}
    have |= {labels[_AROUND_CLASS.sub("", one)] for one in names}
    lacking = [one[0] for number, one in enumerate(form.classes) if number not in have]
    some = f" for {_listed(lacking)}" if lacking else ""
    return Malformed(
        name,
        f"has no column of probabilities{some}, where each class is asked for one",
        hint=f"The first line has to be {form.id_column},"
        + ",".join(one_line(names[0], 40) for names in form.classes[:MOST_NAMED])
        + (",… ." if len(form.classes) > MOST_NAMED else "."),
    )
