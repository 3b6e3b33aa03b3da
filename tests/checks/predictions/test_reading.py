"""Files of predictions are read or refused, whatever they are; a refusal says what is wrong on which line."""

from __future__ import annotations

import functools
import hashlib
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autograder.checks.predictions import reading
from autograder.checks.predictions.form import Form, Ids
from autograder.checks.predictions.reading import Predictions, read_predictions
from autograder.outcome import CheckFailed
from fixtures.prediction_writing import CIFAR_10, Truth, drawn, lines
from fixtures.predictions import FILES, PROBABILITIES, truth

NAME = "2_pytorch/predictions.csv"
SMALL = Form(Ids.numbered(20), CIFAR_10)
MOST_LINES = 1 + 10 + 1 + 4  # of a message: its head, the first defects, the rest, what to do


@functools.cache
def answers() -> Truth:
    return truth()


def form(count: int, *, labels: bool = True, probabilities: bool = False) -> Form:
    return Form(Ids.numbered(count), CIFAR_10, labels=labels, probabilities=probabilities)


def read(text: str | bytes, asked: Form = SMALL) -> Predictions:
    return read_predictions(text if isinstance(text, bytes) else text.encode(), NAME, asked)


def refused(text: str | bytes, asked: Form = SMALL) -> str:
    """What the student reads; it is short, and nothing in it steers a terminal."""
    with pytest.raises(CheckFailed) as caught:
        read(text, asked)
    assert caught.value.message.startswith(f"'{NAME}' ")
    assert caught.value.hint.endswith((".", "?"))
    told = caught.value.student_text
    assert told.replace("\n", "").isprintable()
    assert len(told) < 3_000
    assert told.count("\n") < MOST_LINES
    return told


@pytest.mark.parametrize("name", [name for name, file in FILES.items() if file.valid])
def test_valid_files(name: str) -> None:
    file, asked = FILES[name], form(len(answers()))
    data = file.data(answers())
    got = read(data, asked)
    assert got.labels.dtype == np.int64
    assert got.labels.tolist() == file.predicted(answers())
    assert got.probabilities is None
    assert got.digest == hashlib.sha256(data).hexdigest()
    assert len(got.notes) == len(file.says)
    for words, note in zip(file.says, got.notes, strict=True):
        assert words in note


@pytest.mark.parametrize("name", [name for name, file in FILES.items() if not file.valid])
def test_invalid_files(name: str) -> None:
    file = FILES[name]
    told = refused(file.data(answers()), form(len(answers())))
    assert file.says
    for words in file.says:
        assert words in told


@pytest.mark.parametrize("name", PROBABILITIES)
def test_probabilities(name: str) -> None:
    file, asked = PROBABILITIES[name], form(len(answers()), probabilities=True)
    if not file.valid:
        told = refused(file.data(answers()), asked)
        assert all(words in told for words in file.says)
        return
    got = read(file.data(answers()), asked)
    assert got.labels.tolist() == file.predicted(answers())
    if got.probabilities is not None:
        assert got.probabilities.shape == (len(answers()), 10)
        assert np.allclose(got.probabilities.sum(axis=1), 1, atol=1e-12)
        assert (got.probabilities.argmax(axis=1) == got.labels).all()
    assert (got.probabilities is None) == (name == "labels_alone")


# --- what is said ----------------------------------------------------------------------------------------


def test_the_first_ten_in_full_and_the_rest_counted() -> None:
    rows = [f"{n},cow" for n in range(12)] + [f"x{n},1" for n in range(5)] + ["3,1"] * 4
    told = refused("\n".join(["image_id,label", *rows]))
    assert "can't be scored as it is: 29 defects.\n  line 2: the label 'cow' is no class" in told
    assert told.count("\n  line ") == 10
    assert "\n  and 19 more: 8 missing ids, 5 unknown ids, 4 duplicate ids, 2 unknown labels\n" in told


KINDS = {  # what a row with one defect of the kind looks like
    "unknown id": lambda n: f"{n + 100},1",
    "unknown label": lambda n: f"{n},cow",
    "label that is NaN": lambda n: f"{n},nan",
    "decimal number as a label": lambda n: f"{n},1.0",
    "Python object as a label": lambda n: f"{n},tensor(1)",
    "missing label": lambda n: f"{n},",
    "spreadsheet formula": lambda n: f"{n},=1+1",
}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([*KINDS, "right", "missing id"]), min_size=20, max_size=20))
def test_every_defect_is_counted_once(planted: list[str]) -> None:
    rows = {n: KINDS[kind](n) if kind in KINDS else f"{n},1" for n, kind in enumerate(planted)}
    kept = {n: row for n, row in rows.items() if planted[n] != "missing id"}
    text = "\n".join(["image_id,label", *kept.values()]) + "\n"
    missing = sum(kind in ("missing id", "unknown id") for kind in planted)
    expected = sum(kind in KINDS for kind in planted) + missing
    if not expected:
        assert read(text).labels.tolist() == [1] * 20
        return
    told = refused(text)
    if kept:
        noun = "defect" if expected == 1 else "defects"
        assert f": {expected:,} {noun}." in told
        shown = re.findall(r"line (\d+): ", told)
        bad = [at for at, n in enumerate(kept, start=2) if planted[n] in KINDS]
        assert [int(line) for line in shown] == bad[:10]


def test_a_message_quotes_no_more_than_it_must() -> None:
    told = refused(lines(["c" * 50_000] * 20))
    assert "more)…" in told
    assert "\x1b" not in refused(lines(["\x1b[2J\u202ecat"] * 20))


def test_the_header_may_come_later_and_a_quoted_line_end_counts() -> None:
    text = '\n\nimage_id,label,remark\n0,1,"two\nlines"\n1,cow,\n'
    assert "line 6: the label 'cow' is no class" in refused(text, form(2))


def test_labels_from_one_are_told_only_where_they_are() -> None:
    from_one = [n % 10 + 1 for n in range(20)]
    assert "labels counted from 1" in refused(lines(from_one))
    assert "labels counted from 1" not in refused(lines([0, *from_one[1:]]))
    assert "labels counted from 1" not in refused(lines([11, *from_one[1:]]))


def test_drop_last_is_told_only_for_a_short_end() -> None:
    assert "drop_last" in refused(lines([1] * 17))
    assert "stops early" in refused(lines([1] * 5))
    told = refused("image_id,label\n" + "".join(f"{n},1\n" for n in range(20) if n != 4))
    assert "the id '4' is missing" in told
    assert "drop_last" not in told


def test_a_file_cut_within_a_line_says_so() -> None:
    assert "ends in the middle of a line" in refused(lines([1] * 20)[:-3])


def test_what_a_name_means_is_not_guessed_at() -> None:
    """An id that isn't a whole number is no id, however it begins."""
    told = refused(lines([1] * 20).replace("\n1,", "\n1.5,"))
    assert "the id '1.5' is unknown\n" in told
    told = refused(lines([1] * 20).replace("\n10,", "\n1.0e+01,"))
    assert "write '10' alone" in told


# --- properties ------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")))
@example(b"image_id,label\n0,1\n")
@example(b"\x80\x04\x95")
@example(b'"')
@example(b",\n,")
@example(b"image_id,label\n" + b"9" * 5_000 + b",1\n")
@example(b"image_id,label\n1," + b"9" * 5_000 + b"\n")
@example(b"image_id,label\n1,1e999\n")
@example(b"image_id,label\n1e999,1\n")
@example("image_id,label\n²,²\n".encode())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for asked in (form(1), form(3, probabilities=True), form(3, labels=False, probabilities=True)):
        for head in (b"", b"image_id,label\n", b"image_id,0,1,2,3,4,5,6,7,8,9\n0"):
            told, labels = _came_of(head + data, asked)[:2]
            assert told.replace("\n", "").isprintable()
            assert len(told) < 4_000
            assert bool(told) != bool(labels)
            assert all(0 <= label < 10 for label in labels)


def _came_of(data: bytes, asked: Form = SMALL) -> tuple[str, list[int], tuple[str, ...]]:
    """The message, or the labels and the notes."""
    try:
        got = read_predictions(data, NAME, asked)
    except CheckFailed as problem:
        return problem.student_text, [], ()
    return "", got.labels.tolist(), got.notes


CELLS = "0 1 2 19 007 20 -1 cat Cat 'cat' plane 3.0 nan =1 [3] image_id label a.png".split()
FIELDS = st.sampled_from([*CELLS, "", " 4 ", '"5"', '"a,b"', "\t6", "\u00a07"])


@settings(deadline=None, max_examples=300)
@given(st.lists(st.lists(FIELDS, max_size=4).map(",".join), max_size=30), st.randoms(use_true_random=False))
def test_rows_at_once_and_one_by_one_come_to_the_same(extra: list[str], order: random.Random) -> None:
    rows = [f"{n},{n % 10}" for n in range(20)] + extra
    order.shuffle(rows)
    data = "\n".join(["image_id,label", *rows]).encode()
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "plain_labels", lambda *_: None)
        for handful in (1, 3, 500):
            patch.setattr(reading, "_HANDFUL", handful)
            found.append(_came_of(data))
    assert found[0] == found[1] == found[2] == _came_of(data)


SPELLINGS: list[Callable[[int], str]] = [
    *(str, lambda n: f"0{n}", lambda n: f" {n} ", lambda n: f'"{n}"'),
    *(lambda n: CIFAR_10[n][0], lambda n: CIFAR_10[n][-1].upper(), lambda n: f"'{CIFAR_10[n][0]}'"),
]


@settings(deadline=None)
@given(
    st.permutations(range(20)),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, len(SPELLINGS) - 1)), min_size=20, max_size=20),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["image_id,label", "Image ID, LABEL", '"image_id","label"', "\ufeffimage_id,label"]),
)
def test_every_way_of_writing_reads_the_same(
    order: list[int], written: list[tuple[int, int]], end: str, header: str
) -> None:
    rows = [f"{n},{SPELLINGS[written[n][1]](written[n][0])}" for n in order]
    assert read(end.join([header, *rows])).labels.tolist() == [label for label, _ in written]


# --- probabilities ---------------------------------------------------------------------------------------

HEAD = "image_id," + ",".join(names[0] for names in CIFAR_10)


def shares(row: str, count: int = 3) -> str:
    return "\n".join([HEAD, *(f"{n},{row}" for n in range(count))]) + "\n"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (",".join(["0.2"] * 10), "the probabilities add up to 2"),
        (",".join(["-4.5"] + ["1.9"] * 9), "raw scores? Apply softmax"),
        (",".join(["nan"] + ["0.1"] * 9), "'nan' is no probability"),
        (",".join([""] + ["0.1"] * 9), "'' is no probability"),
        (",".join(["inf"] + ["0.1"] * 9), "'inf' is no probability"),
        (",".join(["cat"] + ["0.1"] * 9), "'cat' is no probability"),
        (",".join(["0.1"] * 9), "has 10 fields, and the header has 11"),
        (",".join(["0.1"] * 11), "has 12 fields, and the header has 11"),
    ],
)
def test_what_is_no_distribution(row: str, words: str) -> None:
    told = refused(shares(row), form(3, probabilities=True))
    assert f"line 2: {words}" in told or words in told
    assert "line 4:" in told


def test_rounded_probabilities_are_brought_to_one() -> None:
    got = read(shares("0.333," * 3 + ",".join(["0"] * 7)), form(3, probabilities=True))
    assert got.probabilities is not None
    assert np.allclose(got.probabilities[:, :3], 1 / 3)
    assert np.allclose(got.probabilities.sum(axis=1), 1, atol=1e-12)


def test_labels_beside_probabilities_count() -> None:
    row = ",".join(["0.1"] * 8 + ["0.2", "0"])
    text = f"{HEAD},label\n0,{row},8\n1,{row},cat\n2, {row} , ship\n"
    got = read(text, form(3, probabilities=True))
    assert got.labels.tolist() == [8, 3, 8]
    assert got.notes == ("1 labels are not the class with the highest probability; the labels count.",)
    without = read(text, form(3))
    assert without.probabilities is None
    assert without.notes[0].startswith("10 further columns were not read: 'airplane'")


def test_labels_alone_where_probabilities_are_asked_for() -> None:
    told = refused(lines([1, 2, 3]), form(3, labels=False, probabilities=True))
    assert "has no column of probabilities for 'airplane', 'automobile'" in told
    assert "image_id,airplane,automobile,bird" in told


def test_thousands_of_classes_make_long_lines() -> None:
    many = 3_000
    asked = Form(Ids.numbered(2), tuple((f"c{n}",) for n in range(many)), probabilities=True)
    rows = [",".join(f"{int(n == hot):.20f}" for n in range(many)) for hot in (7, 2_999)]
    text = lines(rows, "image_id," + ",".join(f"c{n}" for n in range(many)))
    assert read(text, asked).labels.tolist() == [7, 2_999]


# --- size, time, and what is not there --------------------------------------------------------------------


def test_nothing_but_defects_takes_no_more_than_its_time() -> None:
    text = "image_id,label\n" + "".join(f"no{n},w{n}\n" for n in range(60_000))
    started = time.process_time()
    told = refused(text, form(60_000))
    assert time.process_time() - started < 10
    assert ": 180,000 defects." in told


def test_a_thousand_classes_and_a_slip() -> None:
    """The nearest name is looked for where it will be read, not for each of many."""
    asked = Form(Ids.numbered(2_000), tuple((f"class number {n}",) for n in range(1_000)))
    started = time.process_time()
    assert "did you mean" in refused(lines(["class numbr 7"] * 2_000), asked)
    assert time.process_time() - started < 5


def test_reading_needs_no_answers_and_nothing_slow() -> None:
    program = (
        "import sys, autograder.checks.predictions.reading as r\n"
        "print([m for m in ('sklearn', 'scipy', 'sqlalchemy', 'pandas', 'autograder.challenge') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_drawn_answers_have_as_many_of_each_class() -> None:
    assert np.bincount(drawn().labels).tolist() == [1_000] * 10
