"""CSV: rows come back with the lines they stand on, fast, and what is no CSV is told by its line."""

from __future__ import annotations

import csv
import io
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autograder.loaders.problems import MIB, Malformed, TooLarge
from autograder.loaders.table import TableLimits, load_table
from tests.loaders.refusals import frugal, refused


def rows(data: bytes, limits: TableLimits | None = None) -> list[tuple[int, list[str]]]:
    return list(load_table(data, "x.csv", limits))


# Without CR: the csv module of Python 3.11 doesn't quote it, so that what it writes reads as a line's end.
FIELDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff"), max_size=6)


@settings(deadline=None)
@given(
    st.lists(st.lists(FIELDS | st.sampled_from(["", '"', "\n", ",", " a "]), min_size=1, max_size=4)),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
)
def test_what_csv_writes_is_read_back(table: list[list[str]], end: str, quoting: int, bom: bool) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=end, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    got = rows(file.getvalue().encode("utf-8-sig" if bom else "utf-8"))
    assert [fields for _, fields in got] == table


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_row_has_the_number_of_the_line_it_began_on(end: str) -> None:
    text = end.join(["id,label", '1,"a', 'b"', "", "2,c", ""])
    inner = f"a{end}b"
    assert rows(text.encode()) == [(1, ["id", "label"]), (2, ["1", inner]), (4, []), (5, ["2", "c"])]


def test_other_delimiters() -> None:
    assert list(load_table(b"a\tb,c\n", "x.tsv", delimiter="\t")) == [(1, ["a", "b,c"])]


def test_nothing_is_no_row() -> None:
    assert rows(b"") == []
    assert rows(b"\xef\xbb\xbf") == []


BAD: dict[str, tuple[bytes, str]] = {
    "UTF-16": ("id\n".encode("utf-16"), "is UTF-16 text (“Unicode”), not CSV"),
    "UTF-16 without its mark": ("id\n".encode("utf-16-le"), "holds a NUL character (line 1)"),
    "gzip": (b"\x1f\x8b\x08\0", "is a gzip file, not CSV"),
    "a spreadsheet": (b"PK\x03\x04\x14", "is a zip, or a spreadsheet such as .xlsx, not CSV"),
    "an old spreadsheet": (b"\xd0\xcf\x11\xe0\xa1", "is an old Excel file, not CSV"),
    "a pickle": (b"\x80\x04\x95", "is a Python pickle, not CSV"),
    "parquet": (b"PAR1", "is a Parquet file, not CSV"),
    "NUL": (b"id\n1\n2\x00\n", "holds a NUL character (line 3)"),
    "latin-1": (b"id\n1\n\xe9\n", "is not UTF-8 text (line 3)"),
    "cut within a character": (b"id\n\xc3", "is not UTF-8 text (line 2)"),
    "a surrogate": (b"id\n\xed\xa0\x80", "is not UTF-8 text (line 2)"),
    "open quote": (b'id,label\n1,"2\n3,4\n5,6\n', 'opens a quotation mark (") that is never closed (line 2)'),
    "text after a quote": (b'a\n"b"c\n', 'goes on after a closing quotation mark (") (line 2)'),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_csv(what: str) -> None:
    data, said = BAD[what]
    assert refused(load_table, data) == said


def test_rows_before_a_bad_one_are_given() -> None:
    reading = load_table(b'a\nb\n"c', "x.csv")
    assert [next(reading), next(reading)] == [(1, ["a"]), (2, ["b"])]
    with pytest.raises(Malformed, match=r"\(line 3\)"):
        next(reading)


@pytest.mark.parametrize("before", [MIB - 1, MIB, MIB + 1, 3 * MIB - 2])
def test_the_line_of_a_bad_byte_far_into_the_file(before: int) -> None:
    good = (("é" * 9 + "\n") * (before // 19 + 1)).encode()[:before].rsplit(b"\n", 1)[0] + b"\n"
    lines = good.count(b"\n")
    assert refused(load_table, good + b"ab\xe2\x82") == f"is not UTF-8 text (line {lines + 1:,})"
    assert refused(load_table, good + b"\xff\n" + good) == f"is not UTF-8 text (line {lines + 1:,})"


def test_limits_are_met_exactly() -> None:
    limits = TableLimits(max_bytes=60, max_line_bytes=10, max_rows=3, max_columns=3)
    assert len(rows(b"123456789\r\n,,\n1\n", limits)) == 3
    for data, said in {
        b"1\n" * 30 + b"1": "is 61 bytes large, where 60 bytes are allowed",
        b"1\n12345678901\n": "has a line longer than 10 bytes (line 2)",
        b"1\n12345678901": "has a line longer than 10 bytes (line 2)",
        b"1\n1\n1\n1": "has more than 3 rows (line 4)",
        b"1\n1\n1\n\n": "has more than 3 rows (line 4)",
        b"1\n,,,\n": "has 4 columns, where 3 are allowed (line 2)",
    }.items():
        assert refused(load_table, data, limits, kind=TooLarge) == said
    for end in (b"\n", b"\r", b"\r\n"):
        rows((b"1234567890" + end) * 3, limits)


def test_lines_just_below_the_limit_are_no_work() -> None:
    data = (b"x" * (64 * 1024 - 1) + b"\n") * 1_000  # 62 MiB
    with frugal(8, seconds=5):
        assert sum(1 for _ in load_table(data, "x.csv")) == 1_000


def test_one_endless_line_and_one_endless_quote() -> None:
    line, quote = b"1," * (20 * MIB), b'a\n"' + b"xxxxxxx\n" * (6 * MIB)
    with frugal(1, seconds=2):
        refused(load_table, line, kind=TooLarge)
    with frugal(2, seconds=5):
        said = refused(load_table, quote)
    assert said == 'opens a quotation mark (") that is never closed (line 2)'


def test_a_million_rows_come_fast_and_one_at_a_time() -> None:
    data = b"image_id,label\n" + b"".join(b"%d,%d\n" % (n, n % 1000) for n in range(1_000_000))
    start = time.process_time()
    count = sum(1 for _ in load_table(data, "x.csv"))
    assert count == 1_000_001
    assert time.process_time() - start < 4  # about 0.6 s on a machine that is not busy
    with frugal(2, seconds=60):
        for _ in load_table(data, "x.csv"):
            pass


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text('a,"\n\r é', max_size=60).map(str.encode))
@example(b'a\r\r\n"b\r\n"')
def test_any_bytes_are_rows_in_order_or_one_sentence(data: bytes) -> None:
    try:
        got = rows(data)
    except Malformed as problem:
        said = problem.message
    else:
        lines = [line for line, _ in got]
        assert lines == sorted(set(lines))
        assert len(got) <= data.count(b"\n") + data.count(b"\r") + 1
        return
    assert said.endswith(".")
