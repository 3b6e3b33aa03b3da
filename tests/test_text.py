from __future__ import annotations

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autograder.text import MAX_CHARS, MAX_LINE_CHARS, clean, csv_cell, quote

ANY_TEXT = st.text(st.characters())  # lone surrogates included
NASTY = st.lists(
    st.sampled_from(
        ["\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "\u202e", "\r", "\r\n", "\n", "\t", "\x00", "\ud800", "a"]
    )
    | ANY_TEXT
).map("".join)


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;no end\nnext line", "\nnext line"),
        ("\x9b31mred", "red"),
        ("\x1bcreset", "reset"),
        ("a\x00b\x07c\x08d\x7f", "abcd"),
        ("abc\u202efed\u2066x\u2069", "abcfedx"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("family 👨\u200d👩\u200d👧", "family 👨\u200d👩\u200d👧"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("one\r\ntwo\u2028three\x0bfour", "one\ntwo\nthree\nfour"),
        (" 10%\r 50%\r100%\ndone\r\n", "100%\ndone\n"),
        ("Grüße, 你好, שלום", "Grüße, 你好, שלום"),
    ],
)
def test_clean_takes_out_what_steers_and_leaves_the_rest(dirty: str, expected: str) -> None:
    assert clean(dirty) == expected


@given(NASTY, st.integers(2, 300), st.integers(2, 100))
@example("x" * 1000, 100, 50)
@example("x\n" * 1000, 200, 50)
def test_clean_text_is_harmless_short_and_stays_as_it_is(text: str, limit: int, line_limit: int) -> None:
    cleaned = clean(text, limit, line_limit=line_limit)
    assert len(cleaned) <= limit
    assert all(char in "\n\t" or not (ord(char) < 32 or 0x7F <= ord(char) < 0xA0) for char in cleaned)
    assert not set(cleaned) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")
    cleaned.encode("utf-8")
    if len(text) <= limit:
        assert clean(cleaned, limit, line_limit=line_limit) == cleaned


def test_a_long_text_keeps_both_ends_and_says_what_was_cut() -> None:
    text = "first\n" + "middle\n" * 5000 + "last"
    cleaned = clean(text)
    assert cleaned.startswith("first\n")
    assert cleaned.endswith("\nlast")
    assert f"({len(text) - MAX_CHARS:,} characters left out here)" in cleaned


def test_a_long_line_is_cut_by_itself() -> None:
    cleaned = clean("short\n" + "x" * 10_000 + "\nshort")
    assert "more characters)\nshort" in cleaned
    assert max(map(len, cleaned.split("\n"))) == MAX_LINE_CHARS


@pytest.mark.parametrize(
    "text", ["\x1b]" * 50_000, "\r" * 100_000, "\x1b[" + "0" * 100_000, "\x1b" * 100_000]
)
def test_clean_takes_linear_time(text: str) -> None:
    assert len(clean(text)) <= MAX_CHARS  # a quadratic pattern would take minutes


@given(NASTY)
def test_quoted_names_fit_in_a_message(name: str) -> None:
    quoted = quote(name)
    assert len(quoted) <= 100
    assert quoted[0] == quoted[-1]
    assert quoted.isprintable()


def test_quote_reads_as_repr() -> None:
    assert quote("it's") == '"it\'s"'
    assert quote("a\x1b[31m\nb") == "'a\\nb'"


@pytest.mark.parametrize(
    "text", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-2+3", "|x", "  =1", "\t=1", "＝1"]
)
def test_a_formula_becomes_text(text: str) -> None:
    assert csv_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["-0.5", "+3", "1e-9", "-.5", "Ada Lovelace", "a=b", ""])
def test_what_is_no_formula_stays(text: str) -> None:
    assert csv_cell(text) == text


@given(NASTY)
def test_a_cell_stays_one_cell(text: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerow([csv_cell(text), "next"])
    assert [len(row) for row in csv.reader(io.StringIO(out.getvalue()))] == [2]
    assert not csv_cell(text).startswith(("=", "@"))
