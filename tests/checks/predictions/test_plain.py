"""The quick way takes only what the careful way takes, and reads the same out of it."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autograder.checks.predictions import reading
from autograder.checks.predictions.form import Form, Ids
from autograder.checks.predictions.plain import plain_labels
from autograder.checks.predictions.reading import read_predictions
from autograder.outcome import CheckFailed
from fixtures.prediction_writing import CIFAR_10, drawn, lines

FORM = Form(Ids.numbered(6), CIFAR_10)
PLAIN = "image_id,label\n" + "".join(f"{n},{n}\n" for n in range(6))


PUT = ["", "0", "9", "12", ",", "\n", "\r\n", "\r", "-", " ", "0" * 30, "³"]


def carefully(data: bytes) -> list[int] | str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "plain_labels", lambda *_: None)
        try:
            return list(map(int, read_predictions(data, "p.csv", FORM).labels))
        except CheckFailed as problem:
            return problem.message


@settings(deadline=None, max_examples=400)
@given(st.data())
@example(None)
def test_both_ways_agree(data: st.DataObject | None) -> None:
    """A plain file with a few characters put in, taken out or exchanged."""
    text = PLAIN
    for _ in range(data.draw(st.integers(0, 3)) if data else 0):
        assert data is not None
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.integers(0, 2))
        put = data.draw(st.sampled_from(PUT))
        text = text[:at] + put + text[at + gone :]
    quick = plain_labels(text.encode(), FORM)
    if quick is not None:
        assert carefully(text.encode()) == quick.tolist()
    if data is None:
        assert quick is not None


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("5,5", "4,5"),  # an id twice
        PLAIN.replace("5,5\n", ""),
        PLAIN + "5,5\n",
        PLAIN.replace("5,5", "6,5"),
        PLAIN.replace("5,5", "5,10"),
        PLAIN.replace("5,5", "5"),
        PLAIN.replace("5,5", "5,5,"),
        PLAIN.replace("5,5", ",5"),
        PLAIN.replace("5,5", "5,-5"),
        PLAIN.replace("5,5", "5,5.0"),
        PLAIN.replace("5,5", f"{2**64 + 5},5"),
        PLAIN.replace("\n", "\r\r\n"),
        PLAIN.replace("image_id", "Image_ID"),
        PLAIN + "\n",
        PLAIN.rstrip("\n"),
        "",
    ],
)
def test_anything_else_is_left_to_the_careful_way(text: str) -> None:
    assert plain_labels(text.encode(), FORM) is None


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_more_than_one_block_in_any_order(end: str) -> None:
    labels = drawn(300_000).labels
    header, *rows = lines(labels).split()
    random.Random(5).shuffle(rows)  # noqa: S311  (no secret)
    data = end.join([header, *rows, ""]).encode()
    got = plain_labels(data, Form(Ids.numbered(len(labels)), CIFAR_10))
    assert got is not None
    assert tuple(got.tolist()) == labels


def test_what_the_form_asks_for_is_heeded() -> None:
    data = PLAIN.encode()
    assert plain_labels(data, FORM) is not None
    listed = Form(Ids.listed("054321"), CIFAR_10)
    assert plain_labels(data, listed) is None
    assert read_predictions(data, "p.csv", listed).labels.tolist() == [0, 5, 4, 3, 2, 1]
    assert plain_labels(data, Form(Ids.numbered(6), CIFAR_10, labels=False, probabilities=True)) is None
    assert plain_labels(data, Form(Ids.numbered(6), (("9",), ("x",), *CIFAR_10[2:]))) is None
    assert plain_labels(data, Form(Ids.numbered(6), CIFAR_10, id_column="name")) is None
