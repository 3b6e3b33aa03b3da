"""Columns, cells and CSV: each view's readers get what is theirs, and numbers as they are."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.leaderboard.standings import View
from autograder.leaderboard.table import (
    columns,
    counted,
    exactly,
    formatter,
    last_entry,
    metric_name,
    moment,
    to_csv,
)
from autograder.text import csv_cell
from tests.leaderboard.boards import FEW, START, board
from tests.steering import forbidden_in


def lines_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("view", "for_staff", "keys"),
    [
        (View.PUBLIC, False, "rank name score entries reached"),
        (View.PUBLIC, True, "rank name score entries reached"),
        (View.PRIVATE, True, "rank name team score public exact shake entries reached"),
        (View.FINAL, True, "rank name team score public shake entries reached"),
        (View.FINAL, False, "rank name score public shake entries reached"),
    ],
)
def test_each_view_has_its_columns(view: View, for_staff: bool, keys: str) -> None:
    masked = board(FEW, view, names={"Ada": "brisk-otter-17"})
    assert [column.key for column in columns(masked, for_staff=for_staff)] == keys.split()


def test_a_team_that_is_called_by_its_name_is_named_once() -> None:
    found = columns(board(FEW, View.PRIVATE), for_staff=True)
    assert [column.heading for column in found][:3] == ["Rank", "Team", "Score"]


def test_the_cells_of_a_final_board() -> None:
    final = board(FEW, View.FINAL)
    found = columns(final, for_staff=True)
    cells = [[column.cell(index, row).text for column in found] for index, row in enumerate(final.rows)]
    assert cells == [
        ["1", "Ada", "90.71 %", "92 %", "0", "2", "2026-11-09 15:13"],
        ["–", "Staff model", "85.73 %", "86 %", "", "", ""],
        ["2", "Cy", "80.27 %", "79 %", "0", "1", "2026-11-08 10:13"],
        ["3", "Ben", "78.54 %", "79 %", "0", "3", "2026-11-09 05:13"],
        ["–", "Linear model", "39.13 %", "39 %", "", "", ""],
    ]


def test_the_shake_up_says_which_way() -> None:
    turned = board(
        {"a": [(0, 0.9, 0.7)], "b": [(1, 0.8, 0.75)], "c": [(2, 0.7, 0.6)]}, View.FINAL, baselines=()
    )
    shake = next(column for column in columns(turned, for_staff=False) if column.key == "shake")
    assert [shake.cell(index, row).text for index, row in enumerate(turned.rows)] == ["▲ 1", "▼ 1", "0"]


@pytest.mark.parametrize(
    ("values", "metric", "shown"),
    [
        ([0.72, 0.7], "accuracy", ["72 %", "70 %"]),
        ([0.725, 0.7], "accuracy", ["72.5 %", "70.0 %"]),
        ([0.29, 0.57, 0.58], "top_5", ["29 %", "57 %", "58 %"]),  # 100 * 0.29 is not 29
        ([2 / 3, None], "balanced_accuracy", ["66.67 %"]),
        ([1.0, 0.0], "accuracy", ["100 %", "0 %"]),
        ([0.7, 0.65], "macro_f1", ["0.70", "0.65"]),
        ([2 / 3], "macro_f1", ["0.6667"]),
        ([2.3, 0.85], "log_loss", ["2.30", "0.85"]),
    ],
)
def test_a_column_has_as_many_digits_as_it_needs(
    values: list[float | None], metric: str, shown: list[str]
) -> None:
    write = formatter(values, metric)
    assert [write(value) for value in values if value is not None] == shown


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("accuracy", "accuracy"),
        ("top_5", "top-5 accuracy"),
        ("macro_f1", "macro F1"),
        ("log_loss", "log loss"),
    ],
)
def test_a_metric_has_a_name_for_people(metric: str, name: str) -> None:
    assert metric_name(board(FEW, metric=metric)) == name


def test_times_are_in_utc() -> None:
    at = datetime(2026, 11, 22, 1, 30, 59, tzinfo=UTC)
    elsewhere = at.astimezone(tz=datetime.strptime("+0530", "%z").tzinfo)
    assert moment(elsewhere) == "2026-11-22 01:30"
    assert exactly(elsewhere) == "2026-11-22T01:30:59Z"
    assert exactly(None) == ""


def test_counts() -> None:
    assert counted(board(FEW)) == "3 teams, 6 entries"
    assert counted(board({"a": [(0, 0.5, 0.5)]})) == "1 team, 1 entry"
    assert counted(board({})) == "0 teams, 0 entries"
    assert last_entry(board(FEW)) == START + timedelta(hours=50)
    assert last_entry(board({})) is None


def test_the_csv_of_students_has_nothing_else() -> None:
    text = to_csv(board(FEW, names={"Ada": "brisk-otter-17"}))
    first, second, *_ = lines_of(text)
    assert first == {
        "rank": "1",
        "name": "brisk-otter-17",
        "baseline": "no",
        "public_accuracy_rounded": "0.92",
        "entries": "2",
        "first_entry": "2026-11-08T09:13:00Z",
        "last_entry": "2026-11-09T15:13:00Z",
        "reached": "2026-11-09T15:13:00Z",
    }
    assert (second["rank"], second["name"], second["baseline"]) == ("", "Staff model", "yes")
    for secret in ("Ada", "0.9213", "0.9071", "0.8617", "0.8573"):
        assert secret not in text


def test_the_csv_of_staff_has_every_number_as_it_is() -> None:
    rows = lines_of(to_csv(board(FEW, View.FINAL, names={"Ada": "brisk-otter-17"})))
    by_team = {row["team"]: row for row in rows}
    ada = by_team["Ada"]
    assert (ada["name"], ada["public_accuracy"], ada["private_accuracy"]) == (
        "brisk-otter-17",
        "0.9213",
        "0.9071",
    )
    assert [row["rank"] for row in rows] == ["1", "", "2", "3", ""]
    assert {row["shake_up"] for row in rows} == {"0", ""}


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+1+1|cmd", "-2+3", "a;=1+1", '"=1+1'])
def test_no_name_is_a_formula(name: str) -> None:
    (row,) = lines_of(to_csv(board({name: [(0, 0.5, 0.5)]}, View.PRIVATE, baselines=())))
    assert row["name"] == row["team"] == csv_cell(name) != name


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=80))
def test_any_name_stays_one_cell(name: str) -> None:
    text = to_csv(board({"a": [(0, 0.5, 0.5)]}, names={"a": name}))
    assert len(lines_of(text)) == 3
    assert forbidden_in(text.replace("\r\n", "\n")) == []
    masked = board({"a": [(0, 0.5, 0.5)]}, names={"a": name}, baselines=())
    (cell,) = [column.cell(0, masked.rows[0]).text for column in columns(masked, for_staff=False)][1:2]
    assert cell
    assert "\n" not in cell
    assert forbidden_in(cell) == []
