"""Reads what the sandbox measured out of its JSON, which student code may have written.

Only exact types are taken, counts and finite numbers within bounds, short names on one line. What else there
is is dropped and counted, and nothing here raises on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from autograder.text import one_line

_MOST_RECORDS = 1_000  # of one list
_MOST_COUNT = 10**12
_NAME_CHARS = 60

T = TypeVar("T")


@dataclass(slots=True)
class Junk:
    """What was dropped so far."""

    count: int = 0

    def drop(self) -> None:
        self.count += 1


class Record:
    """A JSON object, read field by field: a field that isn't right is as if it were missing."""

    def __init__(self, value: dict[str, Any], junk: Junk) -> None:
        self._value, self._junk = value, junk

    def _take(self, name: str, right: Callable[[Any], bool]) -> Any:
        value = self._value.get(name)
        if value is None or right(value):
            return value
        self._junk.drop()
        return None

    def count(self, name: str) -> int:
        return self._take(name, _is_count) or 0

    def count_or_none(self, name: str) -> int | None:
        got: int | None = self._take(name, _is_count)
        return got

    def number(self, name: str) -> float | None:
        value = self._take(name, _is_number)
        return None if value is None else float(value)

    def flag(self, name: str) -> bool | None:
        got: bool | None = self._take(name, lambda value: type(value) is bool)
        return got

    def name(self, name: str) -> str:
        value = self._take(name, lambda value: type(value) is str)
        return one_line(value[: 4 * _NAME_CHARS], _NAME_CHARS) if value else ""

    def names(self, name: str) -> tuple[str, ...]:
        listed = self._take(name, lambda value: type(value) is list and len(value) <= _MOST_RECORDS)
        right = [one for one in listed or () if type(one) is str]
        self._junk.count += len(listed or ()) - len(right)
        return tuple(one_line(one[: 4 * _NAME_CHARS], _NAME_CHARS) for one in right)

    def records(self, name: str, read: Callable[[Record], T]) -> tuple[T, ...]:
        listed = self._take(name, lambda value: type(value) is list)
        records = [one for one in (listed or [])[:_MOST_RECORDS] if type(one) is dict]
        self._junk.count += len(listed or []) - len(records)
        return tuple(read(Record(one, self._junk)) for one in records)

    def pairs(self, name: str, most: int) -> tuple[tuple[int, float], ...]:
        """A series: a count with a number each."""
        listed = self._take(name, lambda value: type(value) is list)
        pairs = []
        for pair in (listed or [])[:most]:
            if type(pair) is list and len(pair) == 2 and _is_count(pair[0]) and _is_number(pair[1]):
                pairs.append((pair[0], float(pair[1])))
        self._junk.count += len(listed or []) - len(pairs)
        return tuple(pairs)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST_COUNT


def _is_number(value: Any) -> bool:
    if type(value) is int:
        return abs(value) <= _MOST_COUNT
    return type(value) is float and math.isfinite(value)
