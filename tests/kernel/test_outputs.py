"""What a cell puts out: kept as a notebook keeps it, and never more than there is room for."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.sandbox.kernel.outputs import CELL_CHARS, OUTPUTS, Collector, Stream, Text
from tests.sandbox.boxes import calm


def shown(*writes: str, most: int = 200_000) -> str:
    text = Text(most)
    for each in writes:
        text.write(each)
    return text.value()


@pytest.mark.parametrize(
    ("writes", "expected"),
    [
        (["a", "b\n", "c"], "ab\nc"),
        (["0%\r50%\r100%\n", "done"], "100%\ndone"),
        (["\r 0%", "\r 50%", "\r100%"], "100%"),
        (["10%\r", "20%\r", "\n"], "20%\n"),
        (["10%\r", "20%\r"], "20%"),
        (["windows\r\n", "ends\r\n"], "windows\nends\n"),
        (["windows\r", "\nends"], "windows\nends"),
        (["", "\n", ""], "\n"),
    ],
)
def test_a_text_reads_as_on_a_terminal(writes: list[str], expected: str) -> None:
    assert shown(*writes) == expected


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    text = shown(*(f"line {number}\n" for number in range(1000)), most=200)
    assert text.startswith("line 0\nline 1\n")
    assert text.endswith("line 998\nline 999\n")
    left_out = int(text.partition("… (")[2].partition(" ")[0].replace(",", ""))
    whole = sum(len(f"line {number}\n") for number in range(1000))
    gap = f"\n… ({left_out:,} characters cut out here) …\n"
    assert len(text) - len(gap) + left_out == whole


def test_a_line_without_an_end_is_bounded_too() -> None:
    text = Text(1000)
    for _ in range(10_000):
        text.write("x" * 100)
    assert len(text.value()) < 10_000


@calm
@given(st.lists(st.text(alphabet="ab\r\n", max_size=12), max_size=30))
def test_how_a_text_is_broken_into_writes_makes_no_difference(writes: list[str]) -> None:
    assert shown(*writes) == shown("".join(writes))


def test_streams_are_merged_and_kept_apart() -> None:
    collector = Collector()
    out, error = Stream("stdout", collector, 1), Stream("stderr", collector, 2)
    print("a", file=out)
    print("b", file=out)
    print("c", file=error)
    out.buffer.write("dé".encode())
    assert [(each["name"], each["text"]) for each in collector.outputs()] == [
        ("stdout", "a\nb\n"),
        ("stderr", "c\n"),
        ("stdout", "dé"),
    ]


def test_a_stream_takes_text_alone_as_others_do() -> None:
    with pytest.raises(TypeError, match="must be str, not bytes"):
        Stream("stdout", Collector(), 1).write(b"x")  # type: ignore[arg-type]


def test_a_display_that_is_updated_takes_the_place_of_the_first() -> None:
    collector = Collector()
    collector.show("display_data", {"text/plain": "1"}, "bar")
    collector.write("stdout", "between\n")
    collector.show("display_data", {"text/plain": "2"}, "bar", update=True)
    collector.show("display_data", {"text/plain": "3"}, "unknown", update=True)
    assert [each.get("data", each.get("text")) for each in collector.outputs()] == [
        {"text/plain": "2"},
        "between\n",
    ]


@pytest.mark.parametrize(("wait", "after"), [(False, ["b"]), (True, ["b"])])
def test_clear_output(wait: bool, after: list[str]) -> None:
    collector = Collector()
    collector.write("stdout", "a")
    collector.clear_output(wait)
    assert [each["text"] for each in collector.outputs()] == (["a"] if wait else [])
    collector.write("stdout", "b")
    assert [each["text"] for each in collector.outputs()] == after


def test_too_many_outputs_lose_those_in_the_middle() -> None:
    collector = Collector()
    for number in range(OUTPUTS + 50):
        collector.show("display_data", {"text/plain": str(number)})
    outputs = collector.outputs()
    assert len(outputs) == OUTPUTS + 1
    assert outputs[0]["data"] == {"text/plain": "0"}
    assert outputs[-1]["data"] == {"text/plain": str(OUTPUTS + 49)}
    assert any("50 outputs of this cell were left out" in each.get("text", "") for each in outputs)


@calm
@given(st.lists(st.text(alphabet=st.sampled_from("a\x00\u2028\U0001f600\ud800"), max_size=50), max_size=5))
def test_whatever_is_put_out_fits_into_one_message(texts: list[str]) -> None:
    collector = Collector()
    for number, text in enumerate(texts):
        collector.show("display_data", {"text/plain": text * 60_000, "image/png": "A" * 900_000})
        collector.write("stdout", text * (number * 9_000))
    written = json.dumps(collector.outputs(), ensure_ascii=False).encode("utf-8", "replace")
    assert len(written) < CELL_CHARS + 200_000


def test_nothing_but_known_media_is_kept() -> None:
    collector = Collector()
    data = {"text/plain": "x", "application/javascript": "alert(1)", "image/png": b"\x89PNG", "text/html": 7}
    collector.show("execute_result", data)
    assert collector.outputs()[0]["data"] == {"text/plain": "x", "image/png": "iVBORw=="}


def test_the_module_needs_nothing_of_ours() -> None:
    """It runs beside student code, where nothing else of the engine is."""
    ours = [name for name in vars(sys.modules[Text.__module__]) if name.startswith("autograder")]
    assert ours == []
