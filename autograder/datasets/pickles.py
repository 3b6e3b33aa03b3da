"""CIFAR-10's files are pickles. These functions read and write that one layout without pickle's machine.

Reading. A pickle is a program for a little stack machine, and two of its instructions call what the file
names. Here each instruction is looked at as data (`pickletools` splits them and runs nothing), and those that
would call anything only note down what was asked for. Out of the notes comes an array, if they describe one,
and the file is refused if they describe anything else. So a file that a stranger made can at worst be wrong.

Writing. The course's own scripts read these files with ``encoding="bytes"`` as well as ``"latin1"``, which
works for Python 2's kind of text alone. Python 3 can't write that any more; its instructions are few.
"""

from __future__ import annotations

import pickle
import pickletools
import struct
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_MOST_ITEMS = 1_000_000  # a real file has 20,000
_MOST_KEYS = 16  # a real one has four


class NotThatLayout(ValueError):
    """The pickle holds something else than text, numbers, lists, dicts and arrays of bytes."""


@dataclass(slots=True)
class _Named:
    """Something that the file names, or what a call of that would make: never looked up, never called."""

    what: str
    arguments: tuple[Any, ...] = ()
    state: Any = None


_MARK = object()
_ARRAY_MAKERS = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_ARRAY_VIEWS = ("numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer")
_DTYPE, _NDARRAY, _ENCODE = "numpy dtype", "numpy ndarray", "_codecs encode"
_NAMES = (*_ARRAY_MAKERS, *_ARRAY_VIEWS, _DTYPE, _NDARRAY, _ENCODE)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_VALUES = frozenset(
    "BININT BININT1 BININT2 INT LONG LONG1 BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 "
    "BINUNICODE SHORT_BINUNICODE BINUNICODE8 BYTEARRAY8".split()
)
_IGNORED = frozenset(("PROTO", "FRAME"))
_EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def read(content: bytes) -> dict[str, Any]:
    """The dict that a file holds, with text as str and arrays as uint8; raises NotThatLayout."""
    try:
        with warnings.catch_warnings():  # an odd escape in a text is pickletools' to warn of, and no matter
            warnings.simplefilter("ignore", DeprecationWarning)
            return _read(content)
    except NotThatLayout:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise NotThatLayout(str(error) or type(error).__name__) from error


def _read(content: bytes) -> dict[str, Any]:
    machine = _Machine()
    for count, (instruction, argument, _) in enumerate(pickletools.genops(content)):
        if count > _MOST_ITEMS:
            raise NotThatLayout("it has too many parts")
        if instruction.name == "STOP":
            break
        machine.do(instruction.name, argument)
    (top,) = machine.stack
    if type(top) is not dict or len(top) > _MOST_KEYS:
        raise NotThatLayout("it holds no dict of a few keys")
    return {_text(key): _plain(value) for key, value in top.items()}


class _Machine:
    """The stack and the memo, as the file's instructions leave them."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def do(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _VALUES:
            stack.append(bytes(argument) if name == "BYTEARRAY8" else argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self._memo[int(argument)] = stack[-1]
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self._memo[int(argument)])
        elif name not in _IGNORED:
            self._combine(name, argument)

    def _combine(self, name: str, argument: Any) -> None:
        stack = self.stack
        match name:
            case "APPEND":
                item = stack.pop()
                _of(list, stack[-1]).append(item)
            case "APPENDS":
                items = self._since_mark()
                _of(list, stack[-1]).extend(items)
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                _of(dict, stack[-1])[key] = value
            case "SETITEMS":
                items = self._since_mark()
                _of(dict, stack[-1]).update(zip(items[::2], items[1::2], strict=True))
            case "LIST" | "TUPLE":
                items = self._since_mark()
                stack.append(items if name == "LIST" else tuple(items))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = _TUPLES[name]
                stack[-count:] = [tuple(stack[-count:])]
            case "GLOBAL" | "STACK_GLOBAL":
                what = (
                    argument if name == "GLOBAL" else " ".join(map(str, reversed((stack.pop(), stack.pop()))))
                )
                if what not in _NAMES:
                    raise NotThatLayout(f"it names {str(what)[:80]!r}")
                stack.append(_Named(what))
            case "REDUCE":
                arguments, what = _of(tuple, stack.pop()), _of(_Named, stack.pop())
                stack.append(_encoded(arguments) if what.what == _ENCODE else _Named(what.what, arguments))
            case "BUILD":
                state = stack.pop()
                _of(_Named, stack[-1]).state = state
            case _:
                raise NotThatLayout(f"it has the instruction {name}")

    def _since_mark(self) -> list[Any]:
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise NotThatLayout("a mark is missing")
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items


def _encoded(arguments: tuple[Any, ...]) -> bytes:
    """How Python 3 writes bytes for Python 2: as text, and the order to encode it."""
    text, encoding = arguments if arguments else ("", "latin1")
    if encoding != "latin1":
        raise NotThatLayout(f"it has text to encode as {str(encoding)[:20]!r}")
    return str(_of(str, text)).encode("latin-1")


def _of(kind: Any, value: Any) -> Any:
    if type(value) is not kind:
        raise NotThatLayout(f"a {kind.__name__} is missing")
    return value


def _text(value: Any) -> str:
    return value.decode("latin-1") if type(value) is bytes else str(_of(str, value))


def _plain(value: Any) -> Any:
    """Numbers, text, lists of them, and arrays of bytes; nothing else is what these files hold."""
    if type(value) is _Named:
        return _array(value)
    if type(value) is list:
        return [_atom(item) for item in value]  # lists in lists could be endless
    return _atom(value)


def _atom(value: Any) -> Any:
    if type(value) is bytes:
        return _text(value)
    if value is None or type(value) in (bool, int, str):
        return value
    raise NotThatLayout(f"it holds a {type(value).__name__}")


def _array(named: _Named) -> np.ndarray:
    """The array that NumPy would have made."""
    if named.what in _ARRAY_VIEWS:  # protocol 5: everything in the call
        data, dtype, shape, order = named.arguments
    elif named.what in _ARRAY_MAKERS and named.arguments[0].what == _NDARRAY:
        _, shape, dtype, fortran, data = named.state
        order = "F" if fortran else "C"
    else:
        raise NotThatLayout("it holds something else than an array")
    if dtype.what != _DTYPE or _text(dtype.arguments[0]) not in ("u1", "uint8"):
        raise NotThatLayout("its array is not one of bytes")
    if not all(type(size) is int and size >= 0 for size in shape) or order not in ("C", "F"):
        raise NotThatLayout("its array has no shape")
    raw = data.encode("latin-1") if type(data) is str else _of(bytes, data)
    return np.frombuffer(raw, np.uint8).reshape(shape, order=order)


# --- writing -------------------------------------------------------------------------------------------


def write(values: Mapping[str, str | int | Sequence[str] | Sequence[int] | np.ndarray]) -> bytes:
    """A file with these values, as Python 2 would have pickled them with protocol 2."""
    pairs = b"".join(_written(key) + _written(value) for key, value in values.items())
    return pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + pickle.MARK + pairs + pickle.SETITEMS + pickle.STOP


def _written(value: Any) -> bytes:
    if isinstance(value, str):
        return _string(value.encode("latin-1"))
    if isinstance(value, int):
        return pickle.BININT + struct.pack("<i", value)
    if isinstance(value, np.ndarray):
        return _written_array(value)
    items = b"".join(map(_written, value))
    return pickle.EMPTY_LIST + pickle.MARK + items + pickle.APPENDS


def _string(value: bytes) -> bytes:
    if len(value) < 256:
        return pickle.SHORT_BINSTRING + bytes([len(value)]) + value
    return pickle.BINSTRING + struct.pack("<i", len(value)) + value


def _name(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{name}\n".encode("ascii")


def _written_array(array: np.ndarray) -> bytes:
    """`_reconstruct(ndarray, (0,), "b")`, and the state that makes it this array."""
    assert array.dtype == np.uint8
    made = _name("numpy.core.multiarray", "_reconstruct") + _name("numpy", "ndarray")
    made += _written(0) + pickle.TUPLE1 + _string(b"b") + pickle.TUPLE3 + pickle.REDUCE
    dtype = (
        _name("numpy", "dtype") + _string(b"u1") + _written(0) + _written(1) + pickle.TUPLE3 + pickle.REDUCE
    )
    dtype += pickle.MARK + _written(3) + _string(b"|") + pickle.NONE * 3
    dtype += _written(-1) * 2 + _written(0) + pickle.TUPLE + pickle.BUILD
    shape = pickle.MARK + b"".join(map(_written, map(int, array.shape))) + pickle.TUPLE
    data = _string(np.ascontiguousarray(array).tobytes())
    state = pickle.MARK + _written(1) + shape + dtype + pickle.NEWFALSE + data + pickle.TUPLE
    return made + state + pickle.BUILD
