"""The board on a terminal: all of it, whatever the terminal can show."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from rich.console import Console

from autograder.leaderboard.standings import Standings, View
from autograder.leaderboard.terminal import to_console
from tests.leaderboard.boards import FEW, START, board
from tests.steering import forbidden_in
from tests.test_text_everywhere import HOSTILE


def on_terminal(standings: Standings, *, width: int = 100, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", newline="")
    to_console(standings, Console(file=file, width=width, legacy_windows=False, highlight=False))
    file.flush()
    buffer = file.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(encoding)


def words_of(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.strip()]


def test_the_public_board() -> None:
    assert words_of(on_terminal(board(FEW))) == [
        "A <small> challenge".split(),
        "Standings, by accuracy on the public part of the images.".split(),
        "3 teams, 6 entries; the last one came 2026-11-10 11:13 UTC.".split(),
        "Rank Team Score Entries Reached".split(),
        "1 Ada 92 % 2 2026-11-09 15:13".split(),
        "– Staff model (staff) 86 %".split(),
        "2 Cy 79 % 1 2026-11-08 10:13".split(),
        "3 Ben 79 % 3 2026-11-09 05:13".split(),
        "– Linear model (staff) 39 %".split(),
    ]


def test_staff_see_who_is_behind_a_name() -> None:
    text = on_terminal(board(FEW, View.PRIVATE, names={"Ada": "brisk-otter-17"}))
    assert "not to be shown to students" in text
    assert "1 brisk-otter-17 Ada 90.71 % 92 % 92.13 % 0 2 2026-11-09 15:13".split() in words_of(text)
    assert "Ada" not in on_terminal(board(FEW, names={"Ada": "brisk-otter-17"}))


@pytest.mark.parametrize(
    ("hours", "told"),
    [(60, "count."), (40, "count; 1 came later and doesn't."), (10, "count; 3 came later and don't.")],
)
def test_a_frozen_board_says_so(hours: float, told: str) -> None:
    text = on_terminal(board(FEW, freeze=START + timedelta(hours=hours)))
    at = (START + timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M")
    assert f"Entries until {at} UTC {told}" in text


def test_nobody_has_handed_in() -> None:
    assert "Nobody has handed in yet." in on_terminal(board({}, baselines=()))
    assert "Staff model (staff)" in on_terminal(board({}))


@pytest.mark.parametrize("width", [28, 40, 69, 70, 200])
@pytest.mark.parametrize("view", View)
def test_no_width_swallows_a_score(view: View, width: int) -> None:
    names = {"Ada": "brisk-otter-17"}
    text = on_terminal(board(FEW, view, names=names), width=width)
    assert max(map(len, text.splitlines())) <= width
    for score in ("92 %", "79 %") if view is View.PUBLIC else ("90.71 %", "80.27 %", "78.54 %"):
        assert score in text
    assert "brisk-otter" in text or width == 28


def test_a_terminal_without_unicode_gets_ascii() -> None:
    turned = {"a": [(0, 0.9, 0.7)], "b": [(1, 0.8, 0.75)]}
    text = on_terminal(board(turned, View.FINAL, names={"a": "Zoë"}), encoding="ascii")
    rows = words_of(text)
    assert "1 b b 75.00 % 80 % + 1 1 2026-11-08 10:13".split() in rows
    assert "2 Zo\\xeb a 70.00 % 90 % - 1 1 2026-11-08 09:13".split() in rows


def test_a_name_steers_no_terminal() -> None:
    names = {"Ada": HOSTILE, "Ben": "[bold red]Ben[/] [link=http://x]y[/link]"}
    text = on_terminal(board(FEW, View.FINAL, names=names, title=HOSTILE), width=180)
    assert forbidden_in(text) == []
    assert "[bold red]Ben[/] [link=http://x]y[/link]" in text
