"""The messages between the trusted process and the sandbox: JSON for structure, safetensors for arrays.

A frame is two unsigned 32-bit lengths (big-endian), then that many bytes of UTF-8 JSON, then that many
bytes of safetensors. Both ends use this module; only the trusted end can't believe what it reads, so
`receive` bounds both lengths before it allocates, and `decode` accepts nothing but plain values.

A value travels as a tagged list, because plain JSON can't tell a tuple from a list nor carry an infinity:

    ["none"]  ["bool", true]  ["int", "12"]  ["float", "0x1.8p+0"]  ["str", "text"]
    ["tuple", [...]]  ["list", [...]]  ["dict", [[key, value], ...]]
    ["array", "0"]          the tensor of that name in the frame's safetensors
    ["handle", 7, [0]]      a value that stays in the sandbox: item 0 of value 7
    ["object", "Tensor"]    a value that can't travel; only the name of its type does
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import safetensors.numpy

MAX_JSON_BYTES = 4 * 2**20  # a list of 100,000 floats; whoever returns more should return an array
MAX_DEPTH = 16  # nesting of containers; a cache is two or three deep
MAX_INT_DIGITS = 400  # longer than any float64's integral part; keeps int() linear in practice
MAX_TEXT = 200_000  # characters of one string
MAX_ENTRIES = (
    5_000  # of one dict: keys can be made that all collide, and then each costs as much as all before
)
_MAX_INT_BITS = int(MAX_INT_DIGITS * 3.32)  # bits for that many digits
_LONGEST_AXIS = 2**31  # of an empty array
_HEADER = struct.Struct(">II")
_ARRAY_KINDS = "fiub"  # what safetensors and the checks both know: float, int, unsigned, bool


class WireError(Exception):
    """A frame is malformed. In the trusted process that is the submission's doing, never a crash of ours."""


class FrameTooLarge(WireError):
    """A frame announces more bytes than the limit allows."""

    def __init__(self, announced: int, allowed: int) -> None:
        super().__init__(f"a frame of {announced} bytes, where {allowed} are allowed")
        self.announced, self.allowed = announced, allowed


class Stream(Protocol):
    """What a frame is read from: ``read_exactly`` raises EOFError when the peer is gone."""

    def read_exactly(self, size: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class HandleRef:
    """A value that stays in the sandbox: the item at ``path`` of the value with this number."""

    id: int
    path: tuple[int | str, ...] = ()


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that can't travel; ``type_name`` is the sandbox's word for what it is."""

    type_name: str


def pack(message: dict[str, Any], arrays: dict[str, np.ndarray] | None = None) -> bytes:
    """One frame as bytes."""
    text = json.dumps(message, ensure_ascii=True, allow_nan=False).encode("ascii")
    blob = safetensors.numpy.save(arrays) if arrays else b""
    return _HEADER.pack(len(text), len(blob)) + text + blob


def receive(stream: Stream, max_bytes: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read one frame of at most ``max_bytes``; raises EOFError, FrameTooLarge or WireError."""
    text_size, blob_size = _HEADER.unpack(stream.read_exactly(_HEADER.size))
    if text_size > MAX_JSON_BYTES:
        raise FrameTooLarge(text_size, MAX_JSON_BYTES)
    if text_size + blob_size > max_bytes:
        raise FrameTooLarge(text_size + blob_size, max_bytes)
    text = stream.read_exactly(text_size)
    blob = stream.read_exactly(blob_size)
    try:
        message = json.loads(text, parse_constant=_refuse_constant)
        arrays = safetensors.numpy.load(blob) if blob else {}
    # safetensors raises its own SafetensorError, and KeyError for a dtype that numpy lacks.
    except Exception as error:
        raise WireError(f"unreadable frame: {type(error).__name__}") from error
    if not isinstance(message, dict):
        raise WireError("a frame that is no JSON object")
    if not all(_is_sound(array) for array in arrays.values()):
        raise WireError("an array that numpy could not have made")
    return message, arrays


def _is_sound(array: np.ndarray) -> bool:
    """Whether an array is what it seems: safetensors hands out bools that are neither 0 nor 1, which numpy
    compares in more than one way, and empty arrays with an axis that no computation could have."""
    if array.dtype == bool and array.size and array.view(np.uint8).max() > 1:
        return False
    return array.size > 0 or max(array.shape, default=0) <= _LONGEST_AXIS


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


Resolve = Callable[[int, tuple[int | str, ...]], Any]


class Encoder:
    """Turns values into tagged lists and collects their arrays; ``keep`` turns the rest into handles."""

    def __init__(self, reference: Callable[[Any], HandleRef | None] | None = None) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self._reference = reference

    def encode(self, value: Any, depth: int = 0) -> list[Any]:
        if depth > MAX_DEPTH:
            return ["object", f"{type(value).__name__} (nested too deeply)"]
        if self._reference is not None and (handle := self._reference(value)) is not None:
            return ["handle", handle.id, list(handle.path)]
        scalar = _encode_scalar(value)
        if scalar is not None:
            return scalar
        if isinstance(value, np.ndarray):
            return self._encode_array(value)
        if isinstance(value, (tuple, list)):
            tag = "tuple" if isinstance(value, tuple) else "list"
            return [tag, [self.encode(item, depth + 1) for item in value]]
        if isinstance(value, dict) and len(value) <= MAX_ENTRIES:
            pairs = [[self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in value.items()]
            return ["dict", pairs]
        return ["object", _type_name(value)]

    def _encode_array(self, value: np.ndarray) -> list[Any]:
        if value.dtype.kind not in _ARRAY_KINDS or value.dtype.itemsize > 8:
            return ["object", f"array of dtype {value.dtype}"]
        # A plain C-ordered copy in native byte order: safetensors writes the buffer as it lies.
        plain = np.array(value, dtype=value.dtype.newbyteorder("="), order="C", copy=True, subok=False)
        name = str(len(self.arrays))
        self.arrays[name] = plain
        return ["array", name]


def _encode_scalar(value: Any) -> list[Any] | None:
    if value is None:
        return ["none"]
    if isinstance(value, (bool, np.bool_)):
        return ["bool", bool(value)]
    if isinstance(value, (int, np.integer)):
        if int(value).bit_length() > _MAX_INT_BITS:
            return ["object", "int (too large)"]
        return ["int", str(int(value))]
    if isinstance(value, (float, np.floating)):
        return ["float", float(value).hex()]
    if isinstance(value, str):
        return ["str", value[:MAX_TEXT]]
    return None


def _type_name(value: Any) -> str:
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"[:200]


def decode(tree: Any, arrays: dict[str, np.ndarray], resolve: Resolve = HandleRef, depth: int = 0) -> Any:
    """The value of a tagged list, made of plain types, ndarrays, `HandleRef` and `Opaque` alone.

    ``resolve`` says what a handle means at this end. Raises WireError on anything unexpected.
    """
    if depth > MAX_DEPTH + 2:
        raise WireError("values nested too deeply")
    match tree:
        case ["none"]:
            return None
        case ["bool", bool(value)]:
            return value
        case ["int", str(digits)] if len(digits) <= MAX_INT_DIGITS + 1:
            return _parse(int, digits)
        case ["float", str(text)] if len(text) <= 40:
            return _parse(float.fromhex, text)
        case ["str", str(text)]:
            return text[:MAX_TEXT]
        case ["tuple", list(items)]:
            return tuple(decode(item, arrays, resolve, depth + 1) for item in items)
        case ["list", list(items)]:
            return [decode(item, arrays, resolve, depth + 1) for item in items]
        case ["dict", list(pairs)] if len(pairs) <= MAX_ENTRIES:
            return dict(_decode_pair(pair, arrays, resolve, depth) for pair in pairs)
        case ["array", str(name)] if name in arrays:
            return arrays[name]
        case ["handle", int(number), list(path)] if all(isinstance(key, (int, str)) for key in path):
            return resolve(number, tuple(path))
        case ["object", str(name)]:
            return Opaque(name[:300])
    raise WireError("a value of no known kind")


def _parse(kind: Callable[[str], Any], text: str) -> Any:
    try:
        return kind(text)
    except (ValueError, OverflowError) as error:
        raise WireError("a number that can't be read") from error


def _decode_pair(pair: Any, arrays: dict[str, np.ndarray], resolve: Resolve, depth: int) -> tuple[Any, Any]:
    if not isinstance(pair, list) or len(pair) != 2:
        raise WireError("a dict entry that is no pair")
    key = decode(pair[0], arrays, resolve, depth + 1)
    if not isinstance(key, (str, int, float, bool, tuple, type(None))):
        raise WireError("a dict key that can't be one")
    try:
        hash(key)
    except TypeError as error:
        raise WireError("a dict key that can't be one") from error
    return key, decode(pair[1], arrays, resolve, depth + 1)
