from __future__ import annotations

import csv
import io
import re
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autograder.text import (
    MAX_CHARS,
    MAX_LINE_CHARS,
    MAX_LINES,
    clean,
    csv_cell,
    csv_row,
    cut_line,
    is_showable,
    one_line,
    quote,
)
from tests.steering import forbidden_in, is_forbidden

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates included
BAD_PIECES = [
    *("\x1b[31m", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\", "\x1bPq#0~\x1b\\", "\x9b2J", "\x1b", "\x1bc"),
    *("\u202e", "\u2066", "\u200f", "\r", "\r\n", "\n", "\n" * 50, "\t", "\x00", "\x08", "\x0c", "\x85"),
    *("\u2028", "\u2029", "\ud800", "\udc80", "\u200b", "\ufeff", "\U000e0041", "\ufe00", "\u3164", "\ufdd0"),
    *(
        "\U0001ffff",
        "\u200d",
        "\u200c" * 9,
        "\u0301" * 9,
        "\u20dd",
        "\U0001f468",
        "é",
        "a",
        "x" * 60,
        "=",
        "'",
    ),
]
NASTY = st.lists(st.sampled_from(BAD_PIECES) | ANY_TEXT).map("".join)
LEFT_OUT = re.compile(r"\(([\d,]+) characters left out here\)")


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("plain\n\ttext", "plain\n\ttext"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0;2;0;0;0#0~~@@vv\x1b\\after a picture", "after a picture"),
        ("\x1b]0;no end\nnext line", "\nnext line"),
        ("\x9b31mred", "red"),
        ("\x9d0;owned\x9ctitle", "title"),
        ("\x1bcreset", "reset"),
        ("\x1b\x1b[31m[31m", "[31m"),  # what is left where one stood inside the other obeys nobody
        ("up\x1b[Aand\x1b[2Kover\x1b[1;1H", "upandover"),
        ("a\x00b\x07c\x08d\x7f", "abcd"),
        ("abc\u202efed\u2066x\u2069", "abcfedx"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("family 👨\u200d👩\u200d👧", "family 👨\u200d👩\u200d👧"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("un\u200dseen\u200c\u200d", "unseen"),
        ("é\u200d\u200c\u200dx", "é\u200dx"),
        ("filler\u3164\u115f\uffa0", "filler"),
        ("ta\U000e0067\U000e007fg", "tag"),
        ("heart ❤\ufe0f and \ufe01more", "heart ❤\ufe0f and more"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("no\ufffe char\U0010ffff", "no char"),
        (
            "one\r\ntwo\u2028three\x0bfour\x0cfive\x85six\u2029seven",
            "one\ntwo\nthree\nfour\nfive\nsix\nseven",
        ),
        (" 10%\r 50%\r100%\ndone\r\n", "100%\ndone\n"),
        ("kept\r\x00\n", "kept\n"),
        ("Grüße, 你好, שלום", "Grüße, 你好, שלום"),
        ("Việt Nam हिन्दी ไทยที่สุด בְּרֵאשִׁ֖ית", "Việt Nam हिन्दी ไทยที่สุด בְּרֵאשִׁ֖ית"),
        ("z" + "\u0310\u0353" * 40 + "algo", "z\u0310\u0353\u0310\u0353algo"),
        ("z" + "\u0310\u200d" * 40 + "algo", "z" + "\u0310\u200d" * 4 + "algo"),
        ("private \ue000 and unassigned \u0378", "private \ue000 and unassigned \u0378"),
    ],
)
def test_clean_takes_out_what_steers_and_leaves_the_rest(dirty: str, expected: str) -> None:
    assert clean(dirty) == expected


def test_every_character_by_itself() -> None:
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        assert not forbidden_in(clean(f"a{char}b")), hex(code)
        if not is_forbidden(char) and char not in "\u200c\u200d":
            assert clean(f"a{char}b") == f"a{char}b", hex(code)


@given(NASTY, st.integers(2, 300), st.integers(2, 100))
@example("x" * 1000, 100, 50)
@example("x\n" * 1000, 200, 50)
@example("\n" * 399 + "x" * 1000, 800, 50)
@example("é\u200d" * 500, 100, 50)
def test_clean_text_is_harmless_short_and_stays_as_it_is(text: str, limit: int, line_limit: int) -> None:
    cleaned = clean(text, limit, line_limit=line_limit)
    assert len(cleaned) <= limit
    assert forbidden_in(cleaned) == []
    assert cleaned.count("\n") < MAX_LINES
    cleaned.encode("utf-8")
    if limit >= 100 and line_limit >= 60:  # room for a whole note
        assert clean(cleaned, limit, line_limit=line_limit) == cleaned


@given(NASTY, st.integers(0, 500), st.integers(100, 400))
@example("é\u200d", 500, 100)
@example("a\n", 500, 400)
def test_a_text_that_was_cut_says_how_much(text: str, times: int, limit: int) -> None:
    whole = clean(text * times, 10**9, line_limit=10**9)
    if len(whole) <= limit or LEFT_OUT.search(whole):
        return
    cleaned = clean(text * times, limit, line_limit=10**9)
    note = LEFT_OUT.search(cleaned)
    assert note
    head, tail = cleaned[: note.start()].removesuffix("\n… "), cleaned[note.end() :].removeprefix(" …\n")
    assert int(note[1].replace(",", "")) == len(whole) - len(head) - len(tail)
    assert whole.startswith(head)
    assert whole.endswith(tail)


def test_a_long_text_keeps_both_ends() -> None:
    cleaned = clean("first\n" + "middle\n" * 5000 + "last")
    assert cleaned.startswith("first\n")
    assert cleaned.endswith("\nlast")
    assert cleaned.count("\n") == MAX_LINES - 1


def test_a_long_line_is_cut_by_itself() -> None:
    cleaned = clean("short\n" + "x" * 10_000 + "\nshort")
    kept = cleaned.count("x")
    assert f"xx … ({10_000 - kept:,} more characters)\nshort" in cleaned
    assert max(map(len, cleaned.split("\n"))) == MAX_LINE_CHARS


@pytest.mark.parametrize("limit", range(2, 60))
def test_without_room_for_a_note_there_is_an_ellipsis(limit: int) -> None:
    cut = cut_line("x" * 1000, limit)
    assert len(cut) == limit
    assert "…" in cut


@pytest.mark.parametrize(
    "text",
    [
        *(
            "\x1b]" * 50_000,
            "\r" * 100_000,
            "\x1b[" + "0" * 100_000,
            "\x1b" * 100_000,
            "e" + "\u0301" * 100_000,
        ),
        *(
            "\u200d" * 100_000,
            "é\u200d" * 50_000,
            "\n" * 100_000,
            ";" * 100_000,
            "'" * 100_000,
            " ;\"'" * 25_000,
        ),
    ],
)
def test_it_takes_linear_time(text: str) -> None:
    assert len(clean(text)) <= MAX_CHARS  # a quadratic pattern would take minutes
    assert len(csv_cell(text)) <= 2 * MAX_CHARS


# --- names --------------------------------------------------------------------------------------------


@given(NASTY)
def test_quoted_names_fit_in_a_message(name: str) -> None:
    quoted = quote(name)
    assert len(quoted) <= 100
    assert quoted[0] == quoted[-1]
    assert quoted.isprintable()
    assert len(one_line(name)) <= 100


@given(NASTY)
def test_a_name_that_can_be_shown_is_shown_as_it_is(name: str) -> None:
    if is_showable(name):
        assert forbidden_in(name) == []
        assert clean(name, len(name) + 1, line_limit=len(name) + 1) == name
    else:
        assert forbidden_in(name) or set(name) & set("\n\t\u200c\u200d")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("it's", '"it\'s"'),
        ("a\x1b[31m\nb", "'a\\nb'"),
        ("layers.py\rREADME.md", "'layers.pyREADME.md'"),  # nothing is drawn over
        ("a' and \"b", "'a\\' and \"b'"),
        ("x" * 1000, f"'{'x' * 58}…(914 more)…{'x' * 28}'"),
        ("שלום.py", "'שלום.py'"),
    ],
)
def test_quote_reads_as_repr(name: str, shown: str) -> None:
    assert quote(name) == shown


# --- spreadsheets -------------------------------------------------------------------------------------

FORMULAS = [
    *(
        "=1+1",
        "@SUM(A1)",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "|x",
        "  =1",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1",
        "－2+3",
        "−1",
    ),
    *(
        "'=1+1",
        "' =1+1",
        '"=1+1"',
        "’=1",
        "\u00a0=1",
        "\u3000@x",
        "\ufeff=1",
        "\x1b[0m=1",
        "=-1",
        "--1",
        "+٣",
    ),
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_text(text: str) -> None:
    assert csv_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["-0.5", "+3", "1e-9", "-.5", "Ada Lovelace", "a=b", "O'Brien", "x; y", ""])
def test_what_is_no_formula_stays(text: str) -> None:
    assert csv_cell(text) == text


def _as_read(cell: str | float | None) -> str:
    return csv_cell(cell) if isinstance(cell, str) else "" if cell is None else str(cell)


@given(st.lists(NASTY | st.sampled_from(FORMULAS) | st.floats(allow_nan=False) | st.none(), min_size=1))
@example(["a;=1+1"])
@example(["x\";'=1+1"])
@example(["a,b\n=1", None, 2.5])
def test_a_row_stays_one_row_without_a_formula(cells: list[str | float | None]) -> None:
    line = csv_row(cells)
    assert line.endswith("\r\n")
    ((*read,),) = csv.reader(io.StringIO(line, newline=""))
    assert read == [_as_read(each) for each in cells]
    assert forbidden_in(line.removesuffix("\r\n")) == []


@given(st.lists(st.sampled_from([*"=+-@;,'\" \t\n\ra1", "＝", "“"]) | ANY_TEXT).map("".join))
@example("a;=1+1")
@example('a;"=1+1"')
def test_however_a_row_is_split_no_cell_is_a_formula(text: str) -> None:
    """A spreadsheet set to another country splits at semicolons, and takes quotes and blanks away."""
    line = csv_row(["Ada", text, 3])
    for delimiter in ",;":
        for cell in next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter, skipinitialspace=True)):
            bare = cell.strip().strip("'\"“").strip() if not cell.strip().startswith("'") else cell.strip()
            number = re.fullmatch(r"[+-]?[\d.]+([eE][+-]?\d+)?", bare)
            assert number or not bare.startswith(("=", "+", "-", "@", "＝")), (delimiter, cell)
