"""JSON: what Python's json writes comes back, and every way to make it cost more is refused in a sentence."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.loaders.jsonfile import JsonLimits, load_json
from autograder.loaders.problems import MIB, Malformed, TooLarge
from tests.loaders.refusals import frugal, refused

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)


@settings(deadline=None)
@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_json_writes_is_read_back(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    got = load_json(text.encode(), "x.json")
    assert got == value
    assert json.dumps(got) == json.dumps(value)  # types too, and the order of names


def test_a_byte_order_mark_is_no_matter() -> None:
    assert load_json(b"\xef\xbb\xbf[1]", "x.json") == [1]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not valid JSON: Expecting value (line 1, column 1)"),
        (b'{"a": 1,\n "b" 2}', "is not valid JSON: Expecting ':' delimiter (line 2, column 6)"),
        (b"[1] [2]", "is not valid JSON: Extra data (line 1, column 5)"),
        (b"[1", "is not valid JSON: Expecting ',' delimiter (line 1, column 3)"),
        (b'"open', "is not valid JSON: Unterminated string starting at (line 1, column 1)"),
        (b'"a\nb"', "is not valid JSON: Invalid control character at (line 1, column 3)"),
        (b"[01]", "is not valid JSON: Expecting ',' delimiter (line 1, column 3)"),
        (b"\0", "is not valid JSON: Expecting value (line 1, column 1)"),
        (b'{"a": "\xff"}', "is not UTF-8 text (byte 8)"),
        (b"\xff\xfe[\0]\0", "is UTF-16, not UTF-8 text (byte 1)"),
        (b"\x1f\x8b\x08", "is a gzip file, not UTF-8 text (byte 2)"),
        (b"[NaN]", "holds NaN, which is not JSON"),
        (b"[-Infinity]", "holds -Infinity, which is not JSON"),
        (b"[1e999]", "holds the number '1e999', which is too large"),
        (b"[-1e999]", "holds the number '-1e999', which is too large"),
        (b'{"score": 0, "score": 1}', "holds the name 'score' twice in one object"),
        (b'[{"a": {"b": 1, "c": 2, "b": 1}}]', "holds the name 'b' twice in one object"),
        (b'{"\\ud800": 1, "\\udfff": 2}', "holds names that differ in characters that can't be shown"),
        (b'{"\\u001b[31m\\u202e": 1, "\\u001b[31m\\u202e": 2}', "holds the name '' twice in one object"),
    ],
    ids=repr,
)
def test_what_is_no_json(data: bytes, said: str) -> None:
    assert refused(load_json, data) == said


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'"\\ud800"', "\ufffd"),
        (b'["\\ud83d\\ude00 \\ude00"]', ["\U0001f600 \ufffd"]),
        (b'{"\\ud800": "\\\\ud800"}', {"\ufffd": "\\ud800"}),
        (b"1e308", 1e308),
        (b"1e-999", 0.0),
        (b"-0.0", -0.0),
        (b"true", True),
        ('"\N{GREEK SMALL LETTER ALPHA}"'.encode(), "\N{GREEK SMALL LETTER ALPHA}"),
    ],
    ids=repr,
)
def test_what_is_odd_but_json(data: bytes, value: Any) -> None:
    got = load_json(data, "x.json")
    assert got == value
    assert not isinstance(got, float) or math.copysign(1, got) == math.copysign(1, value)


SMALL = JsonLimits(max_bytes=1_000, max_depth=3, max_values=10, max_text=5, max_digits=4)


@pytest.mark.parametrize(
    ("fits", "too_large", "said"),
    [
        (b" " * 999 + b"1", b" " * 1000 + b"1", "is 1,001 bytes large, where 1,000 bytes are allowed"),
        (b"[[[1]]]", b"[[[[1]]]]", "is nested more than 3 deep"),
        (b'[{"a":[1]}]', b'[{"a":[{}]}]', "is nested more than 3 deep"),
        (b'"[[[["', b'["[[[[",[[[[', "is nested more than 3 deep"),
        (b"[1,2,3,4,5,6,7,8,9]", b"[1,2,3,4,5,6,7,8,9,0]", "holds more than 10 values"),
        (b"[[],[ ],{},{\n},[],[],[],[],[]]", b"[[],[],[],[],[],{},[],[],[],[]]", "holds more than 10 values"),
        (b'[",,,,,","\\",,,"]', b'["\\\\",1,2,3,4,5,6,7,8,9]', "holds more than 10 values"),
        (b'"12345"', b'"123456"', "holds a text of 6 characters, where 5 are allowed"),
        (b'{"12345":1}', b'{"123456":1}', "holds a text of 6 characters, where 5 are allowed"),
        (b"1234", b"12345", "holds a number of 5 characters, '12345'"),
        (b"1e-3", b"1.234", "holds a number of 5 characters, '1.234'"),
    ],
    ids=range(11),
)
def test_a_limit_is_met_exactly(fits: bytes, too_large: bytes, said: str) -> None:
    load_json(fits, "x.json", SMALL)
    assert refused(load_json, too_large, SMALL, kind=TooLarge) == said


HUGE = {
    "deep lists": b"[" * 1_000_000,
    "deep objects": b'{"a":' * 500_000,
    "deep and closed": b"[" * 500_000 + b"]" * 500_000,
    "many lists": b"[" + b"[]," * 1_000_000 + b"[]]",
    "many numbers": b"[" + b"0," * 1_000_000 + b"0]",
    "many names": b"{" + b",".join(b'"%d":0' % n for n in range(300_000)) + b"}",
    "long integer": b"9" * 4_000_000,
    "long fraction": b"0." + b"9" * 4_000_000,
    "long exponent": b"1e" + b"9" * 4_000_000,
    "long text": b'"' + b"x" * 4_000_000 + b'"',
    "escapes without end": b'"' + b"\\" * 4_000_000,
    "quotes without end": b'"\\"' * 1_000_000,
}


@pytest.mark.parametrize("what", HUGE)
def test_what_would_cost_much_is_refused_first(what: str) -> None:
    with frugal(40):  # ten times the limit on the file
        refused(load_json, HUGE[what], kind=Malformed if what.endswith("without end") else TooLarge)


def test_the_worst_that_fits_takes_bounded_memory() -> None:
    """A million empty objects within the limits of a notebook: a hundred bytes for each, and no more."""
    limits = JsonLimits(max_bytes=16 * MIB, max_values=200_000)
    with frugal(40):
        assert len(load_json(b"[" + b"{}," * 199_998 + b"{}]", "x.json", limits)) == 199_999


def test_text_of_four_bytes_a_character_takes_bounded_memory() -> None:
    data = '"\N{GRINNING FACE}'.encode() + b"x" * (4 * MIB - 10) + b'"'
    with frugal(60):
        refused(load_json, data, kind=TooLarge)
