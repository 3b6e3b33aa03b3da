"""Records of a log: a line of JSON, an array of them, a history as a dictionary, printed by Python or saved.

``{"epoch": 3, "test_acc1": 65.1}`` is a row, ``{"val_acc": [0.1, 0.4], "loss": [2.3, 1.9]}`` are as many rows
as its lists are long.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from autograder.checks.logs.columns import Column, columns_of, is_log
from autograder.checks.logs.entries import Entry, Number, as_written, decimals_of, entry_of_row
from autograder.checks.notebooks.found import Split
from autograder.checks.notebooks.words import word
from autograder.loaders.jsonfile import JsonLimits, load_json
from autograder.loaders.problems import MIB, Malformed

MOST_LINE_CHARS = 200_000  # a history of 1,000 epochs with eight lists
MOST_KEYS = 200
MOST_ROWS = 100_000
MOST_DEPTH = 6
LIMITS = JsonLimits(max_bytes=32 * MIB, max_depth=16, max_values=1_000_000, max_text=1_000_000)

_NOT_A_NUMBER = re.compile(r"(?<![\w\"'])(?:-?Infinity|-?inf|NaN|nan)(?![\w\"'])")
_PAIR = re.compile(
    r"""['"](?P<key>[^'"\n{}\[\]]{1,80})['"]\s{0,3}:\s{0,3}(?:(?:np\.float\d\d|tensor)\()?"""
    r"""(?:(?P<list>\[[^\[\]{}]{0,100000}\])|(?P<number>[-+]?[\d.]{1,40}(?:[eE][-+]?\d{1,3})?)"""
    r"""|['"](?P<text>[\w ./%-]{1,40})['"])"""
)
_LISTED = re.compile(r"[-+]?(?:\d{1,15}(?:\.\d{0,20})?|\.\d{1,20})(?:[eE][-+]?\d{1,3})?(?![\w.])")
_WRAPPED = re.compile(r"(?:np\.float\d\d|tensor)\(([^()]{1,40})\)")
_MODES: dict[str, Split] = {
    "train": "train",
    "val": "valid",
    "valid": "valid",
    "eval": "valid",
    "test": "test",
}

Row = Mapping[str, "Number | str | list[Number | None]"]


def entries_of_line(text: str, line: int) -> list[Entry]:
    """The entries of one line that holds a dictionary, as JSON or as Python prints one."""
    text = text.strip()
    if not text.startswith("{") or len(text) > MOST_LINE_CHARS:
        return []
    row = _json_row(text)
    if row is None:
        row = _printed_row(text)
    return list(entries_of_row(row, line))


def entries_of_json(data: bytes, path: str) -> list[Entry]:
    """The entries of a whole file of JSON; empty where it is none, or about something else."""
    try:
        text = _NOT_A_NUMBER.sub("null", data.decode("utf-8-sig"))
        value = load_json(text.encode(), path, LIMITS)
    except (Malformed, UnicodeDecodeError):
        return []
    rows = _rows_in(value, 0)
    found: list[Entry] = []
    for place, row in enumerate(rows, start=1):
        if place > MOST_ROWS:
            break
        found += entries_of_row(_flat(row), place)
    return _numbered(found)


def _numbered(entries: list[Entry]) -> list[Entry]:
    """Rows without an epoch are epochs where all of them are without one."""
    if any(entry.epoch is not None for entry in entries):
        return entries
    return [replace(entry, epoch=place) for place, entry in enumerate(entries, start=1)]


def _rows_in(value: Any, depth: int) -> list[Mapping[str, Any]]:
    """The list of records in ``value``: itself, or one of its members (``log_history``, ``history``)."""
    if depth > MOST_DEPTH:
        return []
    if isinstance(value, list):
        rows: list[Mapping[str, Any]] = [row for row in value if isinstance(row, dict)]
        return rows if len(rows) == len(value) else []
    if not isinstance(value, dict):
        return []
    if any(_is_list_of_numbers(item) for item in value.values()):
        return [value]
    if value and all(isinstance(item, dict) for item in value.values()):
        numbers = [key for key in value if key.isdecimal() and len(key) < 7]
        if len(numbers) == len(value):  # {"0": {"val_acc": 0.1}, "1": ...}
            return [{"epoch": int(key), **value[key]} for key in value]
    for item in value.values():
        if inner := _rows_in(item, depth + 1):
            return inner
    return []


def _is_list_of_numbers(item: Any) -> bool:
    return (
        isinstance(item, list)
        and len(item) > 0
        and all(one is None or (isinstance(one, int | float) and not isinstance(one, bool)) for one in item)
    )


def _json_row(text: str) -> Row | None:
    if text.count("{") + text.count("[") > MOST_KEYS:
        return None
    try:
        value = json.loads(_NOT_A_NUMBER.sub("null", text), parse_float=_Spelt)
    except (ValueError, RecursionError):
        return None
    return _flat(value) if isinstance(value, dict) else None


class _Spelt(float):
    """A number that remembers its decimals; 65.320 says more than 65.32."""

    decimals: int

    def __new__(cls, digits: str) -> _Spelt:
        made = super().__new__(cls, digits)
        made.decimals = decimals_of(digits)
        return made


def _flat(row: Mapping[str, Any], depth: int = 0) -> Row:
    """Records in records have their names joined: {"val": {"acc": 0.6}} is ``val/acc``."""
    flat: dict[str, Number | str | list[Number | None]] = {}
    for key, value in row.items():
        if len(flat) >= MOST_KEYS:
            break
        if isinstance(value, dict) and depth < MOST_DEPTH:
            flat |= {f"{key}/{inner}": one for inner, one in _flat(value, depth + 1).items()}
        elif isinstance(value, str):
            flat[key] = value[:40]
        elif _is_list_of_numbers(value):
            flat[key] = [_number(one) for one in value[:MOST_ROWS]]
        elif (number := _number(value)) is not None:
            flat[key] = number
    return flat


def _number(value: object) -> Number | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, int) and abs(value) > 1e15:
        return None
    if not math.isfinite(value):
        return None
    return Number(float(value), value.decimals) if isinstance(value, _Spelt) else as_written(value)


def _printed_row(text: str) -> Row:
    """What Python prints of a dictionary, read pair by pair."""
    row: dict[str, Number | str | list[Number | None]] = {}
    text = _WRAPPED.sub(r"\1", text)
    for found in _PAIR.finditer(text):
        if len(row) >= MOST_KEYS:
            break
        if found["text"]:
            said = _LISTED.fullmatch(found["text"].strip(" %"))
            row[found["key"]] = _spelt(said[0]) or "" if said else found["text"]
        elif found["number"]:
            number = _spelt(found["number"])
            if number is not None:
                row[found["key"]] = number
        elif found["list"]:
            row[found["key"]] = [_spelt(one) for one in found["list"][1:-1].split(",")][:MOST_ROWS]
    return row


def _spelt(digits: str) -> Number | None:
    found = _LISTED.fullmatch(digits.strip())
    if not found or not math.isfinite(value := float(found[0])):
        return None
    return Number(value, decimals_of(found[0]))


def entries_of_row(row: Row, line: int) -> Iterator[Entry]:
    """The entry of one record, or those of a history."""
    columns = columns_of(list(row))
    split: Split = "unknown"
    for column, value in zip(columns, row.values(), strict=True):
        if column.kind == "mode" and isinstance(value, str):
            split = _MODES.get(value.lower(), "unknown")
    lists = {key: value for key, value in row.items() if isinstance(value, list)}
    if lists:
        yield from _history(columns, row, line)
        return
    numbers = [value if isinstance(value, Number) else None for value in row.values()]
    entry = entry_of_row(columns, numbers, line, split=split)
    if entry is not None and (is_log(columns) or entry.values):
        yield entry


def _history(columns: tuple[Column, ...], row: Row, line: int) -> Iterator[Entry]:
    pairs = [
        (column, value)
        for column, value in zip(columns, row.values(), strict=True)
        if isinstance(value, list) and column.kind not in ("other", "mode")
    ]
    if not any(column.kind == "value" for column, _ in pairs):
        return
    kept = tuple(column for column, _ in pairs)
    numbered = any(column.kind == "epoch" for column in kept)
    longest = max(len(value) for _, value in pairs)
    for place in range(min(longest, MOST_ROWS)):
        numbers = [value[place] if place < len(value) else None for _, value in pairs]
        entry = entry_of_row(kept, numbers, line)
        if entry is not None:
            yield entry if numbered else replace(entry, epoch=place + 1, row=True)


def split_of_folder(name: str) -> Split:
    """``runs/validation``: what a folder's name says of what is in it."""
    return word(name).split or "unknown"
