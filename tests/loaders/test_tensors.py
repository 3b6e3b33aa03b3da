"""safetensors: arrays come back as they were, and a header that lies is refused before anything is taken."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.loaders.problems import Malformed, TooLarge
from autograder.loaders.tensors import TensorLimits, load_tensors
from tests.loaders.refusals import frugal, in_little_memory, refused
from tests.loaders.samples import tensor, tensors, tensors_of

DTYPES = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes(endianness="=")
    | hnp.unsigned_integer_dtypes(endianness="=")
    | hnp.floating_dtypes(endianness="=", sizes=(16, 32, 64))
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(
    lambda name: name != "__metadata__"
)


@settings(deadline=None)
@given(st.dictionaries(NAMES, ARRAYS, max_size=4))
def test_what_safetensors_writes_is_read_back(arrays: dict[str, np.ndarray]) -> None:
    got = load_tensors(tensors(arrays), "x.safetensors")
    assert got.keys() == arrays.keys()
    for name, array in arrays.items():
        assert got[name].dtype == array.dtype
        assert got[name].shape == array.shape
        assert got[name].tobytes() == array.tobytes()
        assert got[name].flags.writeable


def test_metadata_is_no_array() -> None:
    data = tensors_of({"__metadata__": {"format": "pt"}, "a": tensor()}, bytes(8))
    assert load_tensors(data, "x").keys() == {"a"}


BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is too short to be a safetensors file"),
    "seven bytes": (b"1234567", "is too short to be a safetensors file"),
    "length of header": (tensors_of({}, length=2**63), "is cut off, or not a safetensors file (header)"),
    "length past the end": (tensors_of({}, length=3), "is cut off, or not a safetensors file (header)"),
    "a pickle": (b"\x80\x04\x95" + bytes(50), "is cut off, or not a safetensors file (header)"),
    "header is no json": (tensors_of(b"not json"), "is not valid JSON: Expecting value (line 1, column 1)"),
    "header is a list": (tensors_of([]), "has a header that is no JSON object"),
    "a name twice": (
        tensors_of(b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":1}'),
        "holds the name 'a' twice in one object",
    ),
    "entry is a number": (
        tensors_of({"a": 1}),
        "doesn't say dtype, shape and place of the array 'a' (header)",
    ),
    "no dtype": (
        tensors_of({"a": {"shape": [1], "data_offsets": [0, 8]}}, bytes(8)),
        "doesn't say dtype, shape and place of the array 'a' (header)",
    ),
    "offsets of floats": (
        tensors_of({"a": tensor(offsets=[0.0, 8.0])}, bytes(8)),
        "doesn't say dtype, shape and place of the array 'a' (header)",
    ),
    "three offsets": (
        tensors_of({"a": tensor(offsets=[0, 8, 8])}, bytes(8)),
        "doesn't say dtype, shape and place of the array 'a' (header)",
    ),
    "shape and data differ": (
        tensors_of({"a": tensor(shape=[2])}, bytes(8)),
        "gives the array 'a' 8 bytes, where its shape needs 16 (header)",
    ),
    "offsets past the end": (
        tensors_of({"a": tensor(shape=[100], offsets=[0, 800])}, bytes(8)),
        "holds 8 bytes of arrays, where its header tells of 800",
    ),
    "offsets backwards": (
        tensors_of({"a": tensor(offsets=[8, 0])}, bytes(8)),
        "gives the array 'a' -8 bytes, where its shape needs 8 (header)",
    ),
    "offsets negative": (
        tensors_of({"a": tensor(offsets=[-8, 0])}, bytes(8)),
        "gives the array 'a' 8 bytes, where its shape needs 8 (header)",
    ),
    "overlap": (
        tensors_of({"a": tensor(), "b": tensor(offsets=[4, 12])}, bytes(12)),
        "is damaged: 'b' overlaps another array (header)",
    ),
    "the same bytes twice": (
        tensors_of({"a": tensor(), "b": tensor()}, bytes(8)),
        "is damaged: 'b' overlaps another array (header)",
    ),
    "a hole": (
        tensors_of({"a": tensor(offsets=[8, 16])}, bytes(16)),
        "is damaged: 'a' leaves unused bytes before it (header)",
    ),
    "bytes left over": (
        tensors_of({"a": tensor()}, bytes(16)),
        "holds 16 bytes of arrays, where its header tells of 8",
    ),
    "shape negative": (
        tensors_of({"a": tensor(shape=[-1, -1])}, bytes(8)),
        "gives the array 'a' the shape '[-1, -1]', which is none",
    ),
    "shape of floats": (
        tensors_of({"a": tensor(shape=[1.5])}, bytes(8)),
        "gives the array 'a' the shape '[1.5]', which is none",
    ),
    "shape of bools": (
        tensors_of({"a": tensor(shape=[True])}, bytes(8)),
        "gives the array 'a' the shape '[True]', which is none",
    ),
    "unknown dtype": (tensors_of({"a": tensor("Q8")}, bytes(8)), "holds the array 'a' of the dtype 'Q8'"),
    "dtype that numpy lacks": (
        tensors_of({"a": tensor("BF16", offsets=[0, 2])}, bytes(2)),
        "holds the array 'a' of the dtype 'BF16'",
    ),
    "odd bools": (
        tensors_of({"a": tensor("BOOL", [2], [0, 2])}, b"\x01\x02"),
        "holds the array 'a' of bools that are neither true nor false",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_safetensors(what: str) -> None:
    data, said = BAD[what]
    assert refused(load_tensors, data) == said


HUGE: dict[str, dict[str, Any]] = {
    "8 TB": tensor(shape=[2**40 + 1], offsets=[0, 8 * (2**40 + 1)]),
    "overflow": tensor(shape=[2**40, 2**40], offsets=[0, 0]),
    "empty, and too wide for NumPy": tensor(shape=[0, 2**62], offsets=[0, 0]),
    "too many dimensions": tensor(shape=[1] * 33),
    "a side of many digits": tensor(shape=[10**300], offsets=[0, 0]),
}


@pytest.mark.parametrize("what", HUGE)
def test_a_huge_shape_is_refused_before_memory_is_taken(what: str) -> None:
    with frugal(1):
        said = refused(load_tensors, tensors_of({"a": HUGE[what]}, bytes(8)), kind=TooLarge)
    assert "which is too large" in said


def test_limits_are_met_exactly() -> None:
    limits = TensorLimits(max_bytes=400, max_header_bytes=200, max_tensors=2)
    two = {"a": tensor("U8", [1], [0, 1]), "b": tensor("U8", [1], [1, 2])}
    assert len(load_tensors(tensors_of(two, bytes(2)), "x", limits)) == 2
    three = {**two, "c": tensor("U8", [0], [2, 2])}
    assert refused(load_tensors, tensors_of(three, bytes(2)), limits, kind=TooLarge) == (
        "holds 3 arrays, where 2 are allowed"
    )
    header = b'{"a":{"dtype":"U8","shape":[192],"data_offsets":[0,192]}}'
    load_tensors(tensors_of(header.ljust(200), bytes(192)), "x", limits)
    said = refused(load_tensors, tensors_of(header.ljust(201), bytes(192)), limits, kind=TooLarge)
    assert said == "is 401 bytes large, where 400 bytes are allowed"
    said = refused(load_tensors, tensors_of(header.ljust(201)), limits, kind=TooLarge)
    assert said == "is 201 bytes large, where 200 bytes are allowed"


def test_a_header_of_many_arrays_is_refused_by_its_count() -> None:
    entries = {str(number): tensor("U8", [0], [0, 0]) for number in range(40_000)}
    with frugal(80):
        refused(load_tensors, tensors_of(entries), kind=TooLarge)


def test_a_large_file_takes_a_few_times_its_size() -> None:
    data = tensors({"w": np.zeros(2**22)})  # 32 MiB
    call = "load_tensors(data, 'x')"
    imports = "from autograder.loaders.tensors import load_tensors"
    assert in_little_memory(imports, call, data, 150) == "loaded"


@settings(deadline=None, max_examples=300)
@given(
    st.dictionaries(
        st.text(max_size=3),
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(["F64", "F32", "BF16", "BOOL", "U8", "I64", "F8_E5M2", "C64", "x"]),
                "shape": st.lists(st.integers(0, 4) | st.integers(-1, 2**70), max_size=3),
                "data_offsets": st.lists(st.integers(-1, 40), min_size=1, max_size=3),
            }
        ),
        max_size=3,
    ),
    st.binary(max_size=40),
)
def test_any_header_gives_its_arrays_or_one_sentence(header: dict[str, Any], data: bytes) -> None:
    try:
        arrays = load_tensors(tensors_of(header, data), "x")
    except Malformed:
        return
    assert sum(array.nbytes for array in arrays.values()) == len(data)
    assert {name: list(array.shape) for name, array in arrays.items()} == {
        name: entry["shape"] for name, entry in header.items() if name != "__metadata__"
    }


def test_the_length_is_read_as_it_is_written() -> None:
    data = tensors({"a": np.array([1.0])})
    (length,) = struct.unpack_from("<Q", data)
    assert len(data) == 8 + length + 8
    assert load_tensors(data, "x")["a"].tolist() == [1.0]
