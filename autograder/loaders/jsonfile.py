"""JSON, with every dimension of it bounded, and nothing in it that two readers could take differently.

The text is measured before it is parsed: its strings are taken out, and what is left shows how deep it goes
and how many values it holds. Stricter than Python's own reader:

- a name that comes twice in one object is refused, because another reader might take the other value;
- NaN, Infinity and numbers that overflow to it (1e999) are refused: they aren't JSON, and NaN slips through
  comparisons;
- halves of surrogate pairs become U+FFFD: they can't be written to any file or page again.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NoReturn

from autograder.loaders.problems import MIB, Malformed, TooLarge, check_bytes
from autograder.text import quote


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """How much JSON is taken. A value costs up to about 100 bytes of memory beyond its own text."""

    max_bytes: int = 4 * MIB
    max_depth: int = 32  # containers in containers; far below Python's own recursion limit
    max_values: int = 200_000  # of any kind, names in objects not counted
    max_text: int = 1_000_000  # characters of one string
    max_digits: int = 400  # of one number; longer than any float64's integral part


_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)  # possessive: linear, and no memory for going back
_FILLED = re.compile(r"[\[{](?!\s*+[\]}])")
_OTHERS = re.compile(r"[^\[\]{}]++")
_LONE = re.compile("[\ud800-\udfff]")
_MAY_BE_LONE = re.compile(r"\\u[dD][89a-fA-F]")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x1f\x8b": "a gzip file", b"PK": "a zip"}


def load_json(data: bytes, name: str, limits: JsonLimits | None = None) -> Any:
    """The value that ``data`` spells; ``name`` is what messages call the file. Raises Malformed."""
    limits = limits or JsonLimits()
    check_bytes(name, data, limits.max_bytes, hint="Write only what is asked for.")
    text = _decode(data, name)
    _measure(text, name, limits)
    reader = _Reader(name, limits)
    try:
        value = json.loads(
            text,
            parse_int=reader.integer,
            parse_float=reader.number,
            parse_constant=reader.constant,
            object_pairs_hook=reader.object,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Malformed(name, f"is not valid JSON: {error.msg}", where=where, hint=_HINT) from None
    may_be_lone = _MAY_BE_LONE.search(text) is not None
    return _tidied(value, name, limits.max_text, may_be_lone=may_be_lone)


_HINT = "Write it with json.dump, or open it in an editor that checks JSON."


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        looks = next((what for bom, what in _BOMS.items() if data.startswith(bom)), None)
        problem = f"is {looks}, not UTF-8 text" if looks else "is not UTF-8 text"
        where = f"byte {error.start + 1:,}"
        raise Malformed(name, problem, where=where, hint="Save it as plain UTF-8 text.") from None


def _measure(text: str, name: str, limits: JsonLimits) -> None:
    """Refuse what would become too deep or too many; brackets inside strings don't count."""
    bare = _STRINGS.sub('"', text)
    # A value is the text's only one, the first of a container, or it comes after a comma. The containers are
    # counted alone first, so that there aren't too many to be looked at.
    opened = bare.count("[") + bare.count("{")
    if opened > limits.max_values or 1 + bare.count(",") + len(_FILLED.findall(bare)) > limits.max_values:
        problem = f"holds more than {limits.max_values:,} values"
        raise TooLarge(name, problem, hint="Write only what is asked for.")
    brackets = _OTHERS.sub("", bare)
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > limits.max_depth:
        problem = f"is nested more than {limits.max_depth} deep"
        raise TooLarge(name, problem, hint="Write it flatter.")


class _Reader:
    """What json calls for numbers and objects."""

    def __init__(self, name: str, limits: JsonLimits) -> None:
        self._name, self._digits = name, limits.max_digits

    def integer(self, digits: str) -> int:
        self._refuse_long(digits)
        return int(digits)

    def number(self, digits: str) -> float:
        self._refuse_long(digits)
        number = float(digits)
        if not math.isfinite(number):
            raise Malformed(
                self._name, f"holds the number {quote(digits, 40)}, which is too large", hint=_FINITE
            )
        return number

    def constant(self, word: str) -> NoReturn:
        raise Malformed(self._name, f"holds {word}, which is not JSON", hint=_FINITE)

    def object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            raise Malformed(self._name, f"holds the name {quote(twice)} twice in one object", hint=_ONCE)
        return made

    def _refuse_long(self, digits: str) -> None:
        if len(digits) > self._digits:
            shown = quote(digits, 40)
            raise TooLarge(self._name, f"holds a number of {len(digits):,} characters, {shown}", hint=_FINITE)


_FINITE = "Write finite numbers of ordinary size."
_ONCE = "Write each name once."


def _tidied(value: Any, name: str, max_text: int, *, may_be_lone: bool) -> Any:
    """The value without halves of surrogate pairs, once no string in it is too long; changed in place."""

    def text(one: str) -> str:
        if len(one) > max_text:
            problem = f"holds a text of {len(one):,} characters, where {max_text:,} are allowed"
            raise TooLarge(name, problem, hint="Write only what is asked for.")
        return _LONE.sub("\ufffd", one) if may_be_lone else one

    def walk(one: Any) -> Any:
        if isinstance(one, str):
            return text(one)
        if isinstance(one, list):
            one[:] = map(walk, one)
        elif isinstance(one, dict):
            names = [text(key) for key in one]
            values = [walk(item) for item in one.values()]
            one = dict(zip(names, values, strict=True))
            if len(one) != len(names):
                raise Malformed(name, "holds names that differ in characters that can't be shown", hint=_ONCE)
        return one

    return walk(value)
