"""`challenge`, `grade --team` and `leaderboard`, as course staff use them without Gradescope."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autograder import cli
from tests.challenge.small_challenge import as_csv, hand_in, small_challenge, truth, with_wrong
from tests.runs import Ended, in_this_process, needs_root
from tests.small import Small

Command = Callable[..., Ended]
NOON = "2026-11-22T12:00Z"


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return small_challenge(tmp_path)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small: Small) -> Command:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("AUTOGRADER_STORE", raising=False)
    monkeypatch.setattr(cli, "GRADERS", small.assignment().folder.parent)
    return in_this_process(monkeypatch, capsys)


@pytest.fixture
def ready(command: Command, tmp_path: Path) -> Command:
    """The command line of a course that has prepared its challenge."""
    (tmp_path / "answers.csv").write_text(as_csv(truth()))
    (tmp_path / "model.csv").write_text(as_csv(with_wrong(0.4)))
    ended = command(
        "challenge",
        "small",
        "--answers",
        tmp_path / "answers.csv",
        "--staff",
        f"baseline={tmp_path / 'model.csv'}",
    )
    assert ended.code == 0, ended.err
    assert "60 are the public part" in ended.out
    return command


def enter(command: Command, small: Small, labels: np.ndarray, team: str, at: str = NOON) -> Ended:
    return command("grade", "small", hand_in(small, labels), "--out", small.out, "--team", team, "--at", at)


def test_nothing_is_entered_before_the_challenge_is_prepared(command: Command, small: Small) -> None:
    ended = enter(command, small, truth(), "owls")
    assert ended.code == 1
    assert "run_autograder challenge small --answers FILE" in ended.told


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--at", NOON], "--at and --store go with --team or --enter"),
        (["--team", "owls", "--at", "noon"], "'noon' is no moment"),
        (["--team", "ow\nls"], "no name for a team"),
    ],
)
def test_entries_that_can_not_be(ready: Command, small: Small, options: list[str], said: str) -> None:
    ended = ready("grade", "small", hand_in(small, truth()), "--out", small.out, *options)
    assert ended.code == 1
    assert said in ended.told
    assert not small.results.exists()


@needs_root
def test_entries_are_graded_kept_limited_and_ranked(ready: Command, small: Small, tmp_path: Path) -> None:
    assert enter(ready, small, with_wrong(0.3), "owls").code == 0
    assert json.loads(small.results.read_text())["score"] == 5.0  # not better than the staff
    for hour in (13, 14):
        assert enter(ready, small, with_wrong(0.5), "owls", f"2026-11-22T{hour}:00Z").code == 0
    assert enter(ready, small, with_wrong(0.1), "=cats", "2026-11-22T13:30Z").code == 0

    over = enter(ready, small, truth(), "owls", "2026-11-22T15:00Z")
    assert over.code == 0
    assert "3 submissions in 24 hours" in over.out
    assert "2026-11-23 12:00 UTC" in " ".join(over.out.split())

    public = tmp_path / "public.csv"
    shown = ready("leaderboard", "small", "--csv", public, "--html", tmp_path / "board.html")
    assert shown.code == 0, shown.err
    assert shown.out.index("=cats") < shown.out.index("owls")
    rows = list(csv.reader(public.read_text().splitlines()))
    assert any("'=cats" in row for row in rows)  # no spreadsheet takes it for a formula
    assert "private" not in public.read_text().lower()
    page = (tmp_path / "board.html").read_text()
    assert "baseline" in page
    assert "=cats" in page

    private = ready("leaderboard", "small", "--view", "private")
    final = ready("leaderboard", "small", "--view", "final")
    assert private.code == final.code == 0
    assert "private" in private.out.lower()
    assert final.out.index("=cats") < final.out.index("owls")


@needs_root
def test_one_graded_after_later_ones_makes_no_day_overflow(ready: Command, small: Small) -> None:
    for hour in (13, 14, 15):
        assert enter(ready, small, with_wrong(0.5), "owls", f"2026-11-22T{hour}:00Z").code == 0
    ended = enter(ready, small, truth(), "owls", NOON)
    assert ended.code == 1
    assert "more than the limit. There is room from 2026-11-23 13:00 UTC" in " ".join(ended.told.split())
    assert not small.results.exists()


@needs_root
def test_who_is_graded_with_enter_is_called_by_its_file(ready: Command, small: Small) -> None:
    ended = ready("grade", "small", hand_in(small, truth()), "--out", small.out, "--enter", "--at", NOON)
    assert ended.code == 0, ended.err
    assert "handed_in" in ready("leaderboard", "small").out


@needs_root
def test_a_file_that_can_not_be_read_is_no_entry(ready: Command, small: Small) -> None:
    folder = hand_in(small, truth())
    (folder / "predictions.csv").write_text("image_id,label\n")
    ended = ready("grade", "small", folder, "--out", small.out, "--team", "owls", "--at", NOON)
    assert ended.code == 0
    assert json.loads(small.results.read_text())["score"] == 1.0
    assert "owls" not in ready("leaderboard", "small").out


def test_an_assignment_without_a_challenge_has_no_leaderboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = Small(tmp_path)
    monkeypatch.setattr(cli, "GRADERS", plain.assignment().folder.parent)
    run = in_this_process(monkeypatch, capsys)
    for arguments in (["leaderboard", "small"], ["challenge", "small"]):
        ended = run(*arguments)
        assert ended.code == 1
        assert "has no challenge" in ended.told
