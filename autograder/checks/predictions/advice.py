"""What to do about the defects of a file: what looks like their one cause, then how each kind is mended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autograder.checks.predictions.cells import id_inside
from autograder.checks.predictions.defects import Defects, Kind
from autograder.checks.predictions.form import UNKNOWN, Form, Indices, Labels, stripped
from autograder.checks.predictions.header import delimiter_of
from autograder.text import quote

MOST_ADVICE = 4
_HIDE_IDS = (Kind.FIELDS, Kind.UNKNOWN_ID, Kind.FORMULA, Kind.DUPLICATE_ID)
_MANY, _DIGITS = 4, 10  # different labels that are no slip of the pen; of a number
MOST_OF_A_BATCH = 1024  # a loader that drops its last batch drops fewer images than this


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found in a file with defects."""

    form: Form
    defects: Defects
    rows: int
    missing: Indices
    labels: Indices  # of the ids that were found, `UNKNOWN` for the others
    cut_off: bool  # the last line has no end and too few fields

    def count(self, kind: Kind) -> int:
        return self.defects.counts[kind]

    def examples(self, kind: Kind) -> list[str]:
        return self.defects.examples.get(kind, [])


def advice(facts: Facts) -> str:
    """A few sentences for the student, the likeliest cause first."""
    found = dict.fromkeys([*_causes(facts), *_mends(facts)])
    return "\n".join(list(found)[:MOST_ADVICE])


def _causes(facts: Facts) -> Iterator[str]:
    if _are_exchanged(facts):
        yield "Are the columns the wrong way round? The labels stand where the ids should, and the ids there."
        return
    yield from _repeated(facts)
    yield from _other_ids(facts)
    yield from _gone(facts)
    yield from _from_one(facts)
    yield from _of_something_else(facts)
    yield from _divided(facts)


def _are_exchanged(facts: Facts) -> bool:
    """Ids in the labels' column, and the few labels as ids again and again."""
    ids, labels = facts.form.ids, facts.examples(Kind.UNKNOWN_LABEL)
    many = facts.rows / 2
    return (
        facts.count(Kind.DUPLICATE_ID) + facts.count(Kind.UNKNOWN_ID) > many
        and facts.count(Kind.UNKNOWN_LABEL) > many
        and len(facts.missing) > many
        and all(ids.index(text) != UNKNOWN for text in labels)
    )


def _repeated(facts: Facts) -> Iterator[str]:
    again, asked = facts.count(Kind.DUPLICATE_ID), len(facts.form.ids)
    if not again and not facts.count(Kind.HEADER):
        return
    if again >= asked and not len(facts.missing):
        times = "twice" if facts.rows < 3 * asked else "several times"
        yield (
            f"Each id stands there {times}: was the file opened with mode 'a', or written by a loop that ran "
            f"{times}? Delete it, and write it once."
        )
    elif again >= asked / 10 and len(facts.missing):
        yield (
            "Some ids stand there again and again and others never: does the count of the images begin anew "
            "with each batch?"
        )
    elif facts.count(Kind.HEADER):
        yield "The header belongs on the first line alone: was the file put together from several?"


def _other_ids(facts: Facts) -> Iterator[str]:
    unknown = facts.examples(Kind.UNKNOWN_ID)
    if not unknown:
        return
    asked, last = len(facts.form.ids), str(len(facts.form.ids) - 1)
    is_numbered = facts.form.ids.text(asked - 1) == last
    if is_numbered and facts.count(Kind.UNKNOWN_ID) == 1 and unknown[0] == str(asked) and 0 in facts.missing:
        yield f"Are your ids counted from 1? The first one asked for is 0, the last one {last}."
        return
    if all(id_inside(text, facts.form) for text in unknown):
        yield "Write the ids as they are asked for: no folder, no ending, no decimal point, no comma."
    elif not len(facts.missing) and facts.rows > asked:
        yield (
            f"The file has {facts.rows:,} rows, where {asked:,} are asked for: are other images in it, "
            "such as those of the training set?"
        )
    yield _asked(facts)


def _gone(facts: Facts) -> Iterator[str]:
    """Ids that stand on no line, where no line has an id that can't be read."""
    missing, asked = facts.missing, len(facts.form.ids)
    if facts.cut_off:
        yield "The file ends in the middle of a line: was it closed, and copied to its end?"
    elif not len(missing) or any(facts.count(kind) for kind in _HIDE_IDS):
        return
    elif missing[0] == asked - len(missing):
        if len(missing) < MOST_OF_A_BATCH and len(missing) < asked / 2:
            yield f"The last {len(missing):,} ids are missing: does your DataLoader have drop_last=True?"
        else:
            yield "The file stops early: does your loop over the batches end too soon?"
    yield _asked(facts)


def _asked(facts: Facts) -> str:
    return f"One line for each image is asked for; the ids are {facts.form.ids.told()}."


def _from_one(facts: Facts) -> Iterator[str]:
    """Labels 1 to 10 for the classes 0 to 9: the only bad one is 10, and there is no 0."""
    count = len(facts.form.classes)
    bad = {stripped(text) for text in facts.examples(Kind.UNKNOWN_LABEL)}
    taken = facts.labels[facts.labels != UNKNOWN]
    if facts.form.has_numbers and bad == {str(count)} and not (taken == 0).any():
        yield (
            f"Are your labels counted from 1? There is no 0 among them, but a {count}, and the classes are "
            f"numbered 0 to {count - 1}: take 1 away from each."
        )
    elif facts.form.has_numbers and bad == {"-1"} and len(taken) and not (taken == count - 1).any():
        yield f"The labels begin at -1, and the classes at 0, up to {count - 1}: was 1 taken away twice?"


def _of_something_else(facts: Facts) -> Iterator[str]:
    """Numbers that go far beyond the classes, or whether the network was right."""
    texts, count = {stripped(text) for text in facts.examples(Kind.UNKNOWN_LABEL)}, len(facts.form.classes)
    if texts and {text.casefold() for text in texts} <= {"true", "false"}:
        yield "Hand in the class that the network predicts, and not whether it was right."
    if not facts.form.has_numbers or len(texts) < _MANY or not all(_is_number(text) for text in texts):
        return
    least, most = min(map(int, texts)), max(map(int, texts))
    if least >= count:
        yield (
            f"The classes are numbered 0 to {count - 1}, and these go up to {most:,}: does argmax go over "
            "the images of a batch in place of the classes (take scores.argmax(axis=1)), or has the network "
            f"more than {count} outputs?"
        )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < _DIGITS


def _divided(facts: Facts) -> Iterator[str]:
    fields = facts.examples(Kind.FIELDS)
    told = delimiter_of(fields[0], facts.form, Labels(facts.form)) if fields else ""
    if told:
        yield f"The rows are divided by {told}, where the header has commas: write commas in all lines."
    elif any("tensor(" in text or "array(" in text for text in fields):  # tensor(3, device='cuda:0')
        yield _MENDS[Kind.OBJECT]
    elif fields and any("," in text for text in fields):
        yield "A class is one field: take its number with scores.argmax(axis=1), and no list of scores."


def _mends(facts: Facts) -> Iterator[str]:
    """One sentence for each kind, the most frequent first."""
    form = facts.form
    for kind, _ in facts.defects.counts.most_common():
        if kind in _MENDS:
            yield _MENDS[kind]
        if kind in (Kind.UNKNOWN_LABEL, Kind.NO_LABEL):
            yield f"A label is one of {form.labels_told()}."
        if kind is Kind.DECIMAL:
            yield from _decimals(facts)
        if kind is Kind.PROBABILITY:
            yield from _scores(facts)
        if kind in (Kind.UNKNOWN_ID, Kind.MISSING_ID, Kind.DUPLICATE_ID):
            yield _asked(facts)


def _decimals(facts: Facts) -> Iterator[str]:
    values = [float(stripped(text)) for text in facts.examples(Kind.DECIMAL)]
    if all(value.is_integer() for value in values):
        column = quote(facts.form.label_column)
        yield f"Write whole numbers: df[{column}].astype(int), or fmt='%d' in numpy.savetxt."
    else:
        yield "A class is a whole number. Are these scores? Hand in the class of the best: scores.argmax(1)."


def _scores(facts: Facts) -> Iterator[str]:
    texts = facts.examples(Kind.PROBABILITY)
    numbers = [text for text in texts if text and text[0] in "-+.0123456789"]
    if numbers:
        yield "Are these the network's raw scores? Apply softmax over the classes first."
    if len(numbers) < len(texts):
        yield "Each class needs a number between 0 and 1 on each line: look for NaN and for empty fields."


_MENDS = {
    Kind.NAN: "NaN comes from images without a prediction, or from joining two tables: look for df.isna().",
    Kind.OBJECT: "Write the plain number: prediction.item() for a tensor or an array with one element.",
    Kind.SCORES: "Hand in one class for each image: scores.argmax(axis=1), not the scores.",
    Kind.FORMULA: "Write plain values, without '='; a spreadsheet would compute them.",
    Kind.SUM: "The probabilities of an image add up to 1: softmax over the classes (dim=1), not the batch.",
    Kind.FIELDS: "Each line has as many fields as the header; df.to_csv(..., index=False) writes it so.",
}
