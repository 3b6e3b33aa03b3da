"""What is asked for: the ids and the classes, as a manifest has them and as students write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.checks.predictions.form import UNKNOWN, Form, Ids, Labels
from autograder.checks.predictions.reading import read_predictions
from autograder.loaders.problems import MIB
from autograder.outcome import CheckFailed, ManifestFault

PETS = (("cat", "house cat"), ("dog",), ("guinea-pig",))


@dataclass(frozen=True)
class Spec:
    """As `[challenge]` of a manifest."""

    images: int = 0
    ids: str = ""
    id_column: str = "name"
    label_column: str = "class"
    classes: list[list[str]] = field(default_factory=lambda: [["cat"], ["dog"]])
    accepts: list[str] = field(default_factory=lambda: ["labels"])
    max_mib: float = 0.5


@given(st.integers(1, 10**6), st.data())
def test_numbers_are_found_however_they_are_written(count: int, data: st.DataObject) -> None:
    ids = Ids.numbered(count)
    index = data.draw(st.integers(0, count - 1))
    zeros = "0" * data.draw(st.integers(0, 8))
    assert ids.index(f" '{zeros}{index}' ") == index
    assert ids.text(index) == str(index)
    assert ids.index(str(count)) == UNKNOWN
    got = ids.indices([str(index), zeros + str(index)])
    assert got is not None
    assert got.tolist() == [index, index]


NO_NUMBERS = ["", " ", "-1", "+1", "1.0", "1_0", "٣", "²", "x", "9" * 5_000, "0x1", "1e1"]


@pytest.mark.parametrize("text", [*NO_NUMBERS, "10"])
def test_what_is_no_number_of_ten(text: str) -> None:
    ids = Ids.numbered(10)
    assert ids.index(text) == UNKNOWN
    assert ids.indices(["1", text]) is None


def test_listed_ids() -> None:
    ids = Ids.listed(["00001.png", "b", "B", "Val_7", "00012"])
    assert [ids.index(text) for text in ("00001.png", "b", "B", "VAL_7", "12", "012")] == [0, 1, 2, 3, 4, 4]
    assert [ids.index(text) for text in ("1.png", "", "13", "val7")] == [UNKNOWN] * 4
    assert ids.indices(["B", "b"]) is not None
    assert ids.indices(["B", "12"]) is None
    assert list(ids) == ["00001.png", "b", "B", "Val_7", "00012"]
    assert list(Ids.numbered(3)) == ["0", "1", "2"]
    assert Ids.listed(["a", "A"]).index("á") == UNKNOWN


def test_ids_that_differ_in_case_alone_are_not_confused() -> None:
    ids = Ids.listed(["Ab", "aB"])
    assert (ids.index("Ab"), ids.index("aB"), ids.index("AB")) == (0, 1, UNKNOWN)


def test_zeros_that_pandas_took_away() -> None:
    form = Form(Ids.listed([f"{n:05d}" for n in range(12)]), PETS)
    text = "image_id,label\n" + "".join(f"{n},dog\n" for n in range(12))
    got = read_predictions(text.encode(), "p.csv", form)
    assert got.labels.tolist() == [1] * 12
    assert got.notes == ("12 ids are written otherwise than in the list, and were recognised.",)


def test_a_form_of_a_manifest(tmp_path: Path) -> None:
    form = Form.of(Spec(images=7, accepts=["probabilities"]), tmp_path)
    assert (len(form.ids), form.id_column, form.label_column) == (7, "name", "class")
    assert (form.labels, form.probabilities, form.max_bytes) == (False, True, MIB // 2)
    (tmp_path / "ids.txt").write_text("\ufeffa b\r\n\r\nc\n", encoding="utf-8")
    assert list(Form.of(Spec(ids="ids.txt"), tmp_path).ids) == ["a b", "c"]


@pytest.mark.parametrize("content", [None, b"", b"a\na\n", b"\xff\xfe\0"])
def test_a_list_that_is_none_is_our_fault(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ids.txt").write_bytes(content)
    with pytest.raises(ManifestFault) as caught:
        Form.of(Spec(ids="ids.txt"), tmp_path)
    assert caught.value.remedy.endswith(".")


UNFIT: tuple[tuple[tuple[str, ...], ...], ...] = (
    *((("cat",), ("Cat ",)), (("a-b",), ("a b",))),
    *((("cat",),), (("cat",), ())),
)


@pytest.mark.parametrize("classes", UNFIT)
def test_classes_that_can_not_be_told_apart_are_our_fault(classes: tuple[tuple[str, ...], ...]) -> None:
    with pytest.raises(ManifestFault):
        Form(Ids.numbered(3), classes)


def test_labels() -> None:
    labels = Labels(Form(Ids.numbered(3), PETS))
    written = ("0", "02", "CAT", "House_Cat", "guinea pig", "‘dog’")
    assert [labels[text] for text in written] == [0, 2, 0, 0, 2, 1]
    assert {labels[text] for text in (*NO_NUMBERS, "3", "-0", "guineapig", "catdog")} == {UNKNOWN}


def test_classes_called_by_numbers() -> None:
    """Where 0 is called '0' its number and name are the same; where 1 is called '7', names alone count."""
    digits = Form(Ids.numbered(3), (("0",), ("1",)))
    assert digits.has_numbers
    years = Form(Ids.numbered(2), (("7",), ("0",), ("other",)))
    assert not years.has_numbers
    assert [Labels(years)[text] for text in ("7", "0", "1", "2")] == [0, 1, UNKNOWN, UNKNOWN]
    with pytest.raises(CheckFailed) as caught:
        read_predictions(b"image_id,label\n0,7\n1,2\n", "p.csv", years)
    assert "line 3: the label '2' is no class" in caught.value.message
    assert "the names 7, 0, other" in caught.value.hint


def test_many_classes_are_told_in_short() -> None:
    form = Form(Ids.numbered(3), tuple((f"c{n}",) for n in range(1_000)))
    assert form.labels_told().endswith("8 c8, 9 c9 … 999 c999")
