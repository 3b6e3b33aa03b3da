"""The wire: values come back as they went, and no bytes, however odd, do more than raise what they may."""

from __future__ import annotations

import contextlib
import json
import math
import struct
import time
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.sandbox import wire
from autograder.sandbox.wire import (
    Encoder,
    FrameTooLarge,
    HandleRef,
    Opaque,
    WireError,
    decode,
    pack,
    receive,
)
from tests.sandbox.boxes import calm

LIMIT = 1 << 20


class Bytes:
    """A stream over bytes that remembers the largest piece that was asked for."""

    def __init__(self, data: bytes) -> None:
        self._data, self.asked = data, 0

    def read_exactly(self, size: int) -> bytes:
        self.asked = max(self.asked, size)
        if size > len(self._data):
            raise EOFError
        piece, self._data = self._data[:size], self._data[size:]
        return piece


def there_and_back(value: Any) -> Any:
    """The value after a trip through a frame."""
    encoder = Encoder()
    message = {"value": encoder.encode(value)}
    reply, arrays = receive(Bytes(pack(message, encoder.arrays)), 1 << 24)
    return decode(reply["value"], arrays)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same to the last bit, types and all."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return bool(
            one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()
        )
    if isinstance(one, float):
        return bool(one.hex() == other.hex())
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return all(map(same, one.keys(), other.keys())) and all(map(same, one.values(), other.values()))
    return bool(one == other)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**399), max_value=10**399)
    | st.floats().map(
        lambda x: math.nan if math.isnan(x) else x
    )  # a payload in a NaN means nothing to anybody
    | st.text()
)
KEYS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
DTYPES = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes()
    | hnp.unsigned_integer_dtypes()
    | hnp.floating_dtypes(sizes=(16, 32, 64))
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
VALUES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(KEYS | st.tuples(KEYS, KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)


@calm
@given(VALUES)
@example([np.arange(6.0).reshape(2, 3).T, np.arange(6.0)[::2]])
@example([np.zeros((2, 0, 3)), (np.array(1.5),), {"a": np.zeros(3)[::-1]}])
def test_values_come_back_as_they_went(value: Any) -> None:
    assert same(there_and_back(value), _native(value))


def _native(value: Any) -> Any:
    """The value with its arrays in this machine's byte order, which is all that a trip may change."""
    if isinstance(value, np.ndarray):
        return value.astype(value.dtype.newbyteorder("="))
    if isinstance(value, (tuple, list)):
        return type(value)(_native(item) for item in value)
    if isinstance(value, dict):
        return {key: _native(item) for key, item in value.items()}
    return value


def test_arrays_can_be_written_to_and_are_nobody_elses() -> None:
    sent = np.zeros(3)
    got = there_and_back((sent, sent))
    got[0][...] = 1.0
    assert sent.tolist() == [0.0] * 3
    assert got[1].tolist() == [0.0] * 3


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({1}, "set"),
        (1j, "complex"),
        (10**401, "int (too large)"),
        (10**100_000, "int (too large)"),
        (np.array([None]), "array of dtype object"),
        (np.array([1j]), "array of dtype complex128"),
        (np.array(["a"]), "array of dtype <U1"),
        (np.zeros(1, np.longdouble), f"array of dtype {np.dtype(np.longdouble)}"),
        (np.zeros(1, [("a", "f8")]), "array of dtype [('a', '<f8')]"),
        (Bytes(b""), f"{__name__}.Bytes"),
        (dict.fromkeys(range(wire.MAX_ENTRIES + 1)), "dict"),
    ],
    ids=range(11),
)
def test_other_values_are_named(value: Any, name: str) -> None:
    assert there_and_back(value) == Opaque(name)


def test_deep_values_end() -> None:
    value: Any = 1
    for _ in range(40):
        value = [value]
    got = there_and_back(value)
    for _ in range(wire.MAX_DEPTH + 1):
        (got,) = got
    assert got == Opaque("list (nested too deeply)")


def test_handles_travel_by_number() -> None:
    encoder = Encoder(lambda value: HandleRef(7, (0, "a")) if value is Ellipsis else None)
    tree = encoder.encode([1, ...])
    assert decode(tree, {}) == [1, HandleRef(7, (0, "a"))]
    assert decode(tree, {}, lambda number, path: (number, path)) == [1, (7, (0, "a"))]


# --- hostile frames -----------------------------------------------------------------------------------


def receive_all(data: bytes, limit: int = LIMIT) -> Any:
    """What a hostile frame comes to, all the way; raises only what it may."""
    message, arrays = receive(Bytes(data), limit)
    for tree in message.values():
        decode(tree, arrays)
    return message


def frame(text: bytes, blob: bytes = b"") -> bytes:
    return struct.pack(">II", len(text), len(blob)) + text + blob


def assert_harmless(data: bytes) -> None:
    with contextlib.suppress(EOFError, WireError):  # FrameTooLarge is a WireError
        receive_all(data)


@calm
@given(st.binary(max_size=200))
def test_any_bytes_are_harmless(data: bytes) -> None:
    assert_harmless(data)
    assert_harmless(frame(data))
    assert_harmless(frame(b"{}", data))
    assert_harmless(frame(b"{}", struct.pack("<Q", len(data)) + data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
TAGS = st.sampled_from(
    ["none", "bool", "int", "float", "str", "tuple", "list", "dict", "array", "handle", "object"]
)
TREES = st.recursive(
    JSON | TAGS.map(lambda tag: [tag]) | st.tuples(TAGS, JSON).map(list) | st.just(["array", "0"]),
    lambda inner: (
        st.tuples(TAGS, inner).map(list)
        | st.tuples(TAGS, st.lists(inner, max_size=4)).map(list)
        | st.lists(inner, max_size=3)
    ),
    max_leaves=12,
)


@calm
@given(TREES)
def test_any_json_is_a_value_or_an_error(tree: Any) -> None:
    try:
        value = decode(tree, {"0": np.zeros(2)})
    except WireError:
        return
    assert_plain(value)


def assert_plain(value: Any) -> None:
    """Nothing but what decode promises."""
    if type(value) in (tuple, list):
        for item in value:
            assert_plain(item)
    elif type(value) is dict:
        for key, item in value.items():
            hash(key)
            assert_plain(item)
    else:
        assert type(value) in (type(None), bool, int, float, str, np.ndarray, HandleRef, Opaque)


@pytest.mark.parametrize(
    "tree",
    [
        [],
        ["unknown"],
        ["none", 1],
        ["bool", 1],
        ["int", 5],
        ["int", "x"],
        ["int", "9" * 402],
        ["int", "-" + "9" * 5000],
        ["float", 1.5],
        ["float", "1e999x"],
        ["float", "0x1p999999"],
        ["float", "0" * 41],
        ["array", "1"],
        ["array", 0],
        ["handle", "x", []],
        ["handle", 1],
        ["handle", 1, [[]]],
        ["handle", 1, [None]],
        ["dict", [["a"]]],
        ["dict", [[["list", []], ["none"]]]],
        ["dict", [[["dict", []], ["none"]]]],
        ["dict", [[["array", "0"], ["none"]]]],
        ["dict", [[["tuple", [["list", []]]], ["none"]]]],
        ["dict", [[["tuple", [["array", "0"]]], ["none"]]]],
        ["dict", [[["object", "x"], ["none"]]]],
        ["dict", [[["handle", 1, []], ["none"]]]],
        ["dict", [[["none"], ["none"]]] * (wire.MAX_ENTRIES + 1)],
        {"list": []},
        "none",
        None,
        5,
    ],
    ids=lambda tree: str(tree)[:40],
)
def test_a_tree_that_nobody_of_us_sent(tree: Any) -> None:
    with pytest.raises(WireError):
        decode(tree, {"0": np.zeros(2)})


def test_a_deep_tree() -> None:
    tree: Any = ["none"]
    for _ in range(500):
        tree = ["list", [tree]]
    with pytest.raises(WireError, match="deep"):
        decode(tree, {})


def test_strings_and_names_are_cut() -> None:
    assert decode(["str", "x" * 300_000], {}) == "x" * wire.MAX_TEXT
    assert len(decode(["object", "x" * 300_000], {}).type_name) == 300


@pytest.mark.parametrize(
    "text",
    [
        b"NaN",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b"[]",
        b"5",
        b"null",
        b'"{}"',
        b"",
        b"{",
        b"\xff\xfe{}",
        b'{"a": "\xff"}',
        b'{"a": 1} {"b": 2}',
        b"\x00",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_json_that_is_none(text: bytes) -> None:
    with pytest.raises(WireError):
        receive(Bytes(frame(text)), LIMIT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a": 1e999}', {"a": math.inf}),  # a number here means nothing: values travel as tagged strings
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": "\\ud800"}', {"a": "\ud800"}),
    ],
)
def test_json_that_is_odd(text: bytes, message: dict[str, Any]) -> None:
    assert receive(Bytes(frame(text)), LIMIT)[0] == message
    with pytest.raises(WireError):
        receive_all(frame(text))


def test_a_lone_surrogate_in_a_value_is_text_like_any_other() -> None:
    assert there_and_back("\ud800") == "\ud800"


# --- hostile safetensors ------------------------------------------------------------------------------


def blob(header: object, data: bytes = b"", *, size: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if size is None else size) + text + data


def tensor(dtype: str = "F64", shape: object = (1,), offsets: object = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


BAD_BLOBS = {
    "length of header": blob({}, size=2**63),
    "length past the end": blob({}, size=1000),
    "header is no json": blob(b"not json"),
    "header is a list": blob([]),
    "header of nothing": blob(b""),
    "shape and data differ": blob({"0": tensor(shape=[2])}, bytes(8)),
    "offsets past the end": blob({"0": tensor(shape=[100], offsets=[0, 800])}, bytes(8)),
    "offsets backwards": blob({"0": tensor(offsets=[8, 0])}, bytes(8)),
    "offsets negative": blob({"0": tensor(offsets=[-8, 0])}, bytes(8)),
    "overlap": blob({"0": tensor(), "1": tensor(offsets=[4, 12])}, bytes(12)),
    "the same bytes twice": blob({"0": tensor(), "1": tensor()}, bytes(8)),
    "a hole": blob({"0": tensor(offsets=[8, 16])}, bytes(16)),
    "bytes left over": blob({"0": tensor()}, bytes(16)),
    "shape overflows": blob({"0": tensor(shape=[2**40, 2**40], offsets=[0, 0])}),
    "shape negative": blob({"0": tensor(shape=[-1])}, bytes(8)),
    "shape of floats": blob({"0": tensor(shape=[1.5])}, bytes(8)),
    "unknown dtype": blob({"0": tensor(dtype="Q8")}, bytes(8)),
    "dtype that numpy lacks": blob({"0": tensor(dtype="BF16", offsets=[0, 2])}, bytes(2)),
    "another that numpy lacks": blob({"0": tensor(dtype="F8_E4M3", offsets=[0, 1])}, bytes(1)),
    "no dtype": blob({"0": {"shape": [1], "data_offsets": [0, 8]}}, bytes(8)),
    "deep header": blob(b'{"0":' + b"[" * 50_000),
    "too short": b"\x01\x02",
}


@pytest.mark.parametrize("name", BAD_BLOBS)
def test_a_blob_that_lies(name: str) -> None:
    with pytest.raises(WireError):
        receive(Bytes(frame(b"{}", BAD_BLOBS[name])), LIMIT)


def test_an_empty_array_of_any_size_is_harmless() -> None:
    assert_harmless(frame(b"{}", blob({"0": tensor(shape=[0, 2**62], offsets=[0, 0])})))
    assert_harmless(frame(b"{}", blob({"0": tensor(shape=[0] * 100, offsets=[0, 0])})))


@calm
@given(
    st.dictionaries(
        st.text(max_size=3),
        st.fixed_dictionaries(
            {
                "dtype": st.sampled_from(
                    ["F64", "F32", "BF16", "BOOL", "U8", "I64", "F8_E5M2", "C64", "F4", "x"]
                ),
                "shape": st.lists(st.integers(0, 2**65), max_size=3),
                "data_offsets": st.lists(st.integers(-1, 40), min_size=1, max_size=3),
            }
        ),
        max_size=3,
    ),
    st.binary(max_size=40),
)
def test_any_header_is_harmless(header: dict[str, Any], data: bytes) -> None:
    assert_harmless(frame(b"{}", blob(header, data)))


# --- sizes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text_size", "blob_size", "allowed"),
    [
        (2**32 - 1, 0, wire.MAX_JSON_BYTES),
        (0, 2**32 - 1, LIMIT),
        (2**32 - 1, 2**32 - 1, wire.MAX_JSON_BYTES),
        (wire.MAX_JSON_BYTES + 1, 0, wire.MAX_JSON_BYTES),
        (2, LIMIT - 1, LIMIT),
    ],
)
def test_an_announced_size_is_refused_before_anything_is_read(
    text_size: int, blob_size: int, allowed: int
) -> None:
    stream = Bytes(struct.pack(">II", text_size, blob_size) + bytes(100))
    with pytest.raises(FrameTooLarge) as caught:
        receive(stream, LIMIT)
    assert caught.value.allowed == allowed
    assert caught.value.announced > allowed
    assert stream.asked == 8


def test_a_frame_of_the_largest_size_is_read() -> None:
    data = np.zeros(LIMIT - 300, np.uint8)
    frame_bytes = pack({}, {"0": data})
    assert LIMIT - 400 < len(frame_bytes) < LIMIT
    assert receive(Bytes(frame_bytes), LIMIT)[1]["0"].shape == data.shape


def test_small_json_does_not_become_much_memory() -> None:
    """The worst that fits: a list of empty lists. It may cost some dozens of times its own size, no more."""
    text = b'{"a": [' + b",".join([b"[]"] * (wire.MAX_JSON_BYTES // 3 - 10)) + b"]}"
    tracemalloc.start()
    try:
        receive(Bytes(frame(text)), 2 * wire.MAX_JSON_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 40 * wire.MAX_JSON_BYTES
    finally:
        tracemalloc.stop()


def test_keys_that_collide_cost_little() -> None:
    """All of these have the same hash, so that each is compared with all before it."""
    keys = [["int", str(n * (2**61 - 1))] for n in range(wire.MAX_ENTRIES)]
    tree = ["dict", [[key, ["none"]] for key in keys]]
    start = time.process_time()
    assert len(decode(tree, {})) == wire.MAX_ENTRIES
    assert time.process_time() - start < 5


def safetensors_of(dtype: str, shape: list[int], data: bytes) -> bytes:
    header = json.dumps({"0": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    return struct.pack("<Q", len(header)) + header + data


@pytest.mark.parametrize(
    ("dtype", "shape", "data"),
    [("BOOL", [3], b"\0\1\2"), ("BOOL", [], b"\xff"), ("F64", [0, 2**62], b""), ("F32", [2**40, 0], b"")],
)
def test_an_array_that_numpy_could_not_have_made(dtype: str, shape: list[int], data: bytes) -> None:
    blob = safetensors_of(dtype, shape, data)
    with pytest.raises(WireError):
        receive(Bytes(struct.pack(">II", 2, len(blob)) + b"{}" + blob), LIMIT)


@pytest.mark.parametrize(("dtype", "shape", "data"), [("BOOL", [2], b"\0\1"), ("F64", [0, 7], b"")])
def test_an_array_that_it_could_have(dtype: str, shape: list[int], data: bytes) -> None:
    blob = safetensors_of(dtype, shape, data)
    _, arrays = receive(Bytes(struct.pack(">II", 2, len(blob)) + b"{}" + blob), LIMIT)
    assert list(arrays["0"].shape) == shape
