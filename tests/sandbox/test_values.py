"""Values go in and come out as they are, or stay inside behind a handle: the same in every backend."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autograder.outcome import StudentException
from autograder.sandbox import wire
from autograder.sandbox.submission import Module
from tests.sandbox.boxes import call

GRID = np.arange(24.0).reshape(2, 3, 4)
SPECIAL = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1.7976931348623157e308])
ARRAYS = {
    "float64": GRID,
    "float32": GRID.astype(np.float32),
    "float16": GRID.astype(np.float16),
    "int64": GRID.astype(np.int64),
    "int8": GRID.astype(np.int8),
    "uint64": np.array([0, 2**64 - 1], dtype=np.uint64),
    "bool": GRID > 5,
    "special": SPECIAL,
    "0-d": np.array(2.5),
    "empty": np.empty((0, 3)),
    "strided": GRID[:, ::2, ::-1],
    "transposed": GRID.T,
    "broadcast": np.broadcast_to(np.arange(3.0), (4, 3)),
    "big-endian": SPECIAL.astype(">f8"),
    "big-endian-ints": np.arange(4, dtype=">i4"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_come_back_as_they_went(module: Module, name: str) -> None:
    sent = ARRAYS[name]
    got = call(module, "echo", sent)
    assert type(got) is np.ndarray
    assert got.shape == sent.shape
    assert got.dtype == sent.dtype.newbyteorder("=")
    assert got.tobytes() == np.ascontiguousarray(sent, got.dtype).tobytes()


PLAIN: list[object] = [
    None,
    True,
    0,
    -(10**300),
    1.5,
    -0.0,
    math.inf,
    -math.inf,
    5e-324,
    "",
    "Grüße 你好 \x00\n",
    (),
    [],
    {},
    (1, [2.0, (None, "x")], {"stride": 1, 2: (3,), (1, 2): False, None: []}),
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back_as_they_went(module: Module, value: object) -> None:
    got = call(module, "echo", value)
    assert repr(got) == repr(value)  # tells True from 1, and 0.0 from -0.0


def test_nan_comes_back(module: Module) -> None:
    assert math.isnan(call(module, "echo", math.nan))


MADE = {
    "np.float64(1.5)": "1.5",
    "np.float32(0.5)": "0.5",
    "np.int8(-3)": "-3",
    "np.bool_(True)": "True",
    "np.matrix([[1.0, 2.0]])": "array([[1., 2.]])",
    "np.ma.array([1.0, 2.0], mask=[True, False])": "array([1., 2.])",
    "type('Sub', (int,), {})(4)": "4",
    "type('Sub', (float,), {'__eq__': lambda *_: True})(4)": "4.0",
    "type('Sub', (list,), {})([1])": "[1]",
    "{1, 2}": "Opaque(type_name='set')",
    "len": "Opaque(type_name='builtin_function_or_method')",
    "Thing()": "Opaque(type_name='Thing')",
    "[Thing()]": "[Opaque(type_name='Thing')]",
    "type('Secret', (), {})()": "Opaque(type_name='of your own')",
    "b'bytes'": "Opaque(type_name='bytes')",
    "1j": "Opaque(type_name='complex')",
    "np.array([1j])": "Opaque(type_name='array of dtype complex128')",
    "np.array([None])": "Opaque(type_name='array of dtype object')",
    "np.array(['x'])": "Opaque(type_name='of your own')",
    "np.zeros(2, np.datetime64)": "Opaque(type_name='array of dtype datetime64')",
    "10**5000": "Opaque(type_name='int (too large)')",
    "NotImplemented": "Opaque(type_name='NotImplementedType')",
    "...": "Opaque(type_name='ellipsis')",
}


@pytest.mark.parametrize("expression", MADE)
def test_what_is_no_plain_value_is_made_one_or_named(module: Module, expression: str) -> None:
    assert repr(call(module, "make", expression)) == MADE[expression]


def test_endless_nesting_ends(module: Module) -> None:
    got = call(module, "make", "(lambda box: (box.append(box), box)[1])([])")
    for _ in range(wire.MAX_DEPTH + 1):
        (got,) = got
    assert got == wire.Opaque("list (nested too deeply)")


def test_a_dict_with_more_entries_than_anybody_needs_stays_inside(module: Module) -> None:
    assert call(module, "make", "dict.fromkeys(range(100_000))") == wire.Opaque("dict")


# --- handles ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "kind", "length"),
    [
        ("np.zeros(3)", "array", None),
        ("(1, 2)", "tuple", 2),
        ("[]", "list", 0),
        ("{'a': 1}", "dict", 1),
        ("True", "number", None),
        ("2.5", "number", None),
        ("np.float32(2)", "number", None),
        ("None", "none", None),
        ("'x'", "object: str", None),
        ("Thing()", "object: Thing", None),
        ("type('Secret', (), {})()", "object: of your own", None),
    ],
)
def test_a_handle_says_what_it_is(module: Module, expression: str, kind: str, length: int | None) -> None:
    with module.scene() as scene:
        handle = scene.call("make", expression)
        assert (handle.kind, handle.length) == (kind, length)


def test_items_of_a_handle_and_handles_as_arguments(module: Module) -> None:
    with module.scene() as scene:
        result = scene.call("make", "(np.arange(3.0), {'deep': [10.0, Thing()]})")
        assert result[1]["deep"].kind == "list"
        assert result[1]["deep"].length == 2
        total = scene.call("add", result[0], result[1]["deep"][0])
        assert total.fetch().tolist() == [10.0, 11.0, 12.0]
        assert scene.call("echo", result[1]["deep"][1]).kind == "object: Thing"
        assert scene.call("add", (result[0], 1), (2,)).length == 3


@pytest.mark.parametrize(("key", "exception"), [(5, "IndexError"), ("x", "TypeError")])
def test_an_item_that_is_not_there(module: Module, key: int | str, exception: str) -> None:
    with module.scene() as scene:
        handle = scene.call("make", "(1, 2)")
        with pytest.raises(StudentException) as caught:
            handle[key].fetch()
        assert caught.value.exception == exception
        assert handle[1].fetch() == 2


def test_whether_an_input_was_changed_can_be_seen(module: Module) -> None:
    mine = np.zeros(3)
    with module.scene() as scene:
        kept, changed = scene.put_all(mine, mine)
        scene.call("echo", kept)
        scene.call("overwrite", changed)
        assert [value.tolist() for value in scene.fetch_all(kept, changed)] == [[0.0] * 3, [7.0] * 3]
        scene.call("overwrite", mine)
    assert mine.tolist() == [0.0] * 3
