"""safetensors: named arrays with a JSON header that says where each of them lies.

The header is held against the file before the library reads it: every array's shape must come to exactly
the bytes that its offsets span, and the spans must fill the file from end to end, without gap or overlap. So
a few bytes can't claim terabytes, and no byte belongs to two arrays or to none.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy

from autograder.loaders.jsonfile import JsonLimits, load_json
from autograder.loaders.problems import MIB, Malformed, TooLarge, check_bytes
from autograder.loaders.shapes import check_bools, check_shape
from autograder.text import quote


@dataclass(frozen=True, slots=True)
class TensorLimits:
    """How much safetensors is taken. In memory the arrays take about twice the file's size for a moment."""

    max_bytes: int = 512 * MIB
    max_header_bytes: int = 4 * MIB
    max_tensors: int = 10_000


_LENGTH = struct.Struct("<Q")
_ITEM_BYTES = {
    **{"BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "F16": 2, "U32": 4, "I32": 4, "F32": 4},
    **{"U64": 8, "I64": 8, "F64": 8},
}
_HINT = "Write it with safetensors' own save_file."
_PLAIN = "Convert the arrays to float32, float64, int64 or bool before you save them."


def load_tensors(data: bytes, name: str, limits: TensorLimits | None = None) -> dict[str, np.ndarray]:
    """The arrays in ``data`` by name, each with memory of its own. Raises Malformed."""
    limits = limits or TensorLimits()
    check_bytes(name, data, limits.max_bytes, hint="Save only what is asked for.")
    header, start = _header(data, name, limits)
    header.pop("__metadata__", None)  # text that no grader reads
    if len(header) > limits.max_tensors:
        problem = f"holds {len(header):,} arrays, where {limits.max_tensors:,} are allowed"
        raise TooLarge(name, problem, hint="Save only what is asked for.")
    spans = sorted(_span(entry, key, name) for key, entry in header.items())
    _refuse_gaps(spans, len(data) - start, name)
    _refuse_odd_bools(data, start, header, name)
    try:
        return safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise Malformed(name, f"is not valid safetensors: {type(error).__name__}", hint=_HINT) from error


def _header(data: bytes, name: str, limits: TensorLimits) -> tuple[dict[str, Any], int]:
    """The header, and the position where the arrays begin."""
    if len(data) < _LENGTH.size:
        raise Malformed(name, "is too short to be a safetensors file", hint=_HINT)
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    if start > len(data):
        raise Malformed(name, "is cut off, or not a safetensors file", where="header", hint=_HINT)
    json_limits = JsonLimits(limits.max_header_bytes, max_depth=4, max_values=16 * limits.max_tensors + 16)
    header = load_json(data[_LENGTH.size : start], name, json_limits)
    if not isinstance(header, dict):
        raise Malformed(name, "has a header that is no JSON object", hint=_HINT)
    return header, start


def _span(entry: Any, key: str, name: str) -> tuple[int, int, str]:
    """Where the array lies, in bytes after the header, once its shape fits there."""
    what = f"the array {quote(key)}"
    match entry:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            pass
        case _:
            raise Malformed(name, f"doesn't say dtype, shape and place of {what}", where="header", hint=_HINT)
    if dtype not in _ITEM_BYTES:
        raise Malformed(name, f"holds {what} of the dtype {quote(dtype, 20)}", hint=_PLAIN)
    wanted = check_shape(shape, what, name) * _ITEM_BYTES[dtype]
    if not 0 <= begin <= end or end - begin != wanted:
        problem = f"gives {what} {end - begin:,} bytes, where its shape needs {wanted:,}"
        raise Malformed(name, problem, where="header", hint=_HINT)
    return begin, end, key


def _refuse_gaps(spans: list[tuple[int, int, str]], available: int, name: str) -> None:
    reached = 0
    for begin, end, key in spans:
        if begin != reached:
            problem = "overlaps another array" if begin < reached else "leaves unused bytes before it"
            raise Malformed(name, f"is damaged: {quote(key)} {problem}", where="header", hint=_HINT)
        reached = end
    if reached != available:
        problem = f"holds {available:,} bytes of arrays, where its header tells of {reached:,}"
        raise Malformed(name, problem, hint=_HINT)


def _refuse_odd_bools(data: bytes, start: int, header: dict[str, Any], name: str) -> None:
    """Every array of bools must hold nothing but 0 and 1."""
    for key, entry in header.items():
        if entry["dtype"] == "BOOL":
            begin, end = entry["data_offsets"]
            check_bools(
                np.frombuffer(data, np.uint8)[start + begin : start + end], f"the array {quote(key)}", name
            )
