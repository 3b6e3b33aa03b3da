"""CIFAR-10's pickles are read without running what they say, and written so that everybody can read them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.datasets import pickles
from autograder.datasets.pickles import NotThatLayout

IMAGES = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)
BATCH: dict[str, Any] = {
    "batch_label": "training batch 1 of 5",
    "labels": [3, 9],
    "data": IMAGES,
    "filenames": ["a.png", "b" * 300],
}


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("images", [IMAGES, np.asfortranarray(IMAGES)])
def test_whatever_python_has_written_is_read(protocol: int, as_bytes: bool, images: np.ndarray) -> None:
    held: dict[Any, Any] = BATCH | {"data": images}
    if as_bytes:  # how a script that loads with encoding="bytes" writes it again
        held = {key.encode(): value for key, value in held.items()}
    found = pickles.read(pickle.dumps(held, protocol))
    assert same(found, BATCH)
    assert found["data"].dtype == np.uint8


def test_what_is_written_is_read_by_both_kinds_of_scripts() -> None:
    written = pickles.write(BATCH)
    assert same(pickles.read(written), BATCH)
    assert same(pickle.loads(written, encoding="latin1"), BATCH)  # noqa: S301  (we wrote it)
    found = pickle.loads(written, encoding="bytes")  # noqa: S301
    assert list(found) == [b"batch_label", b"labels", b"data", b"filenames"]
    assert found[b"filenames"][0] == b"a.png"
    assert found[b"data"].flags.c_contiguous
    assert np.array_equal(found[b"data"], IMAGES)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_nothing_that_a_file_says_is_done(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "made"
    content = pickle.dumps({"data": Evil(file)}, protocol)
    with pytest.raises(NotThatLayout, match="it names"):
        pickles.read(content)
    assert not file.exists()
    pickle.loads(content)  # noqa: S301
    assert file.exists()  # as it would have been


def endless() -> dict[str, Any]:
    held: list[Any] = []
    held.append(held)
    return {"labels": held}


def laughing() -> dict[str, Any]:
    held: Any = [1] * 10
    for _ in range(30):
        held = [held] * 10
    return {"labels": held}


@pytest.mark.parametrize(
    "held",
    [
        [1, 2],
        {"data": IMAGES.astype(np.float32)},
        {"data": np.array([None, {}])},
        {"data": {"a": 1}},
        {"data": (1, 2)},
        {"data": 1.5},
        {3: "a"},
        {str(number): number for number in range(17)},
        endless(),
        laughing(),
        {"data": np.dtype("u1")},
        {"data": complex(1, 2)},
    ],
)
def test_anything_else_is_refused(held: object) -> None:
    for protocol in (2, 4, 5):
        with pytest.raises(NotThatLayout):
            pickles.read(pickle.dumps(held, protocol))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",
        b"\x80\x02",
        b"garbage",
        b"\x80\x02}(K\x01.",
        b"\x80\x02}q\x00h\x05.",
        b"\x80\x02cnumpy\ndtype\n).",
        b"\x80\x02}U\x01acnumpy\ndtype\n)R}bs.",
        b"\x80\x02T\xff\xff\xff\x7f.",  # two gigabytes that are not there
        b"\x80\x02(" * 3 + b"u.",
    ],
)
def test_what_is_broken_is_refused(content: bytes) -> None:
    with pytest.raises(NotThatLayout):
        pickles.read(content)


@given(st.integers(0, 400), st.integers(0, 255))
def test_one_changed_byte_is_read_or_refused(at: int, value: int) -> None:
    content = bytearray(pickles.write({"labels": [1, 2], "data": IMAGES[:, :4]}))
    content[at % len(content)] = value
    try:
        found = pickles.read(bytes(content))
    except NotThatLayout:
        return
    for each in found.values():
        assert isinstance(each, (np.ndarray, list, str, int, type(None)))
