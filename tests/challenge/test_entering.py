"""Entries that can't be kept, and teams that could be taken for two: nobody gets a score or a try by them."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from autograder import cli
from autograder.challenge.entering import Entering
from autograder.grading import Graded, grade
from autograder.leaderboard import connect
from autograder.leaderboard.store import Store
from autograder.outcome import EnvironmentFault
from tests.challenge.small_challenge import as_csv, hand_in, prepared, small_challenge, truth, with_wrong
from tests.leaderboard.made import new_entry
from tests.runs import EARLIER, Ended, in_this_process, needs_root
from tests.small import Small, plain_asserts

Command = Callable[..., Ended]
NOON = "2026-11-22T12:00Z"


@pytest.fixture
def small(tmp_path: Path) -> Small:
    small = small_challenge(tmp_path)
    prepared(small)
    return small


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small: Small) -> Command:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("AUTOGRADER_STORE", raising=False)
    monkeypatch.setattr(cli, "GRADERS", small.folder / "graders")
    return in_this_process(monkeypatch, capsys)


def enter(command: Command, small: Small, team: str, at: str = NOON, *more: str) -> Ended:
    submission = hand_in(small, with_wrong(0.2))
    return command("grade", "small", submission, "--out", small.out, "--team", team, "--at", at, *more)


def standings_of(small: Small) -> Path:
    return small.folder / "graders" / "small" / "challenge" / "standings.sqlite"


def fill(small: Small, team: str, *hours: int) -> None:
    """Entries of that day that are kept already."""
    with Store.open(standings_of(small)) as store:
        for hour in hours:
            at = datetime(2026, 11, 22, hour, tzinfo=UTC)
            store.add(new_entry(team, at=at, challenge="small", labels=with_wrong(0.5)))


# --- no entry, no score ----------------------------------------------------------------------------------


@needs_root
def test_no_score_stands_for_an_entry_that_could_not_be_kept(
    command: Command, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grading has ended well, and then another program holds the standings."""
    monkeypatch.setattr(connect, "BUSY_S", 0.1)
    Store.open(standings_of(small)).close()
    other = sqlite3.connect(standings_of(small), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        ended = enter(command, small, "owls")
    finally:
        other.close()
    assert ended.code == 2
    assert "database is locked" in ended.told
    assert "Wait until it is done, and try again" in ended.told
    assert "Traceback" not in ended.out + ended.err
    assert not small.results.exists()


@needs_root
def test_no_score_stands_where_keeping_is_broken_off(
    command: Command, small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        assert small.results.exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "add", interrupted)
    assert enter(command, small, "owls").code == 130
    assert not small.results.exists()


@pytest.mark.parametrize(
    ("more", "code"),
    [(["--store", "postgresql+psycopg://a:b@127.0.0.1:1/c"], 2), (["--store", "mysql://h/x"], 1)],
)
def test_no_earlier_score_stands_where_the_standings_can_not_be_opened(
    command: Command, small: Small, more: list[str], code: int
) -> None:
    small.out.mkdir()
    small.results.write_bytes(EARLIER)
    assert enter(command, small, "owls", NOON, *more).code == code
    assert not small.results.exists()


def test_standings_in_a_folder_that_is_closed_are_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for somebody of the staff who isn't the challenge's owner."""

    def closed(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "stat", closed)
    with pytest.raises(EnvironmentFault, match="Permission denied") as raised:
        Store.open(str(tmp_path / "standings.sqlite"))
    assert "another place with --store" in raised.value.remedy


@needs_root
def test_nothing_in_the_secret_folder_is_run(small: Small) -> None:
    """pytest must not even look into it: who may not, would read of a grader that is broken."""
    for name in ("conftest.py", "test_more.py"):
        standings_of(small).with_name(name).write_text("raise AssertionError")
    with plain_asserts():
        found = grade(small.assignment(), hand_in(small, truth()), small.out)
    assert found.document.score == 5.0


@needs_root
def test_one_that_can_not_be_entered_keeps_nobody_from_being_graded(
    command: Command, small: Small, tmp_path: Path
) -> None:
    fill(small, "owls", 13, 14, 15)
    handed_in = hand_in(small, truth())
    both = [handed_in.rename(tmp_path / "owls"), hand_in(small, truth()).rename(tmp_path / "cats")]
    ended = command("grade", "small", *both, "--out", small.out, "--enter", "--at", NOON)
    assert ended.code == 1
    assert "Not entered, and without a score: owls" in ended.told
    assert not (small.out / "owls" / "results.json").exists()
    assert (small.out / "cats" / "results.json").exists()


# --- who is a team ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("team", ["", "  ", "\u200b"])
def test_a_team_without_a_name_is_refused(command: Command, small: Small, team: str) -> None:
    """Such as --team "$TEAM" where the variable isn't set: nothing must be graded that isn't entered."""
    ended = enter(command, small, team)
    assert ended.code == 1
    assert "no name for a team" in ended.told
    assert not small.results.exists()


def test_other_spellings_of_a_team_are_that_team(tmp_path: Path) -> None:
    with Store.open(tmp_path / "standings.sqlite") as store:
        store.add(new_entry("Jos\u00e9 Owl"))
        store.add(new_entry("cats"))
        for spelt in ("jos\u00e9 owl", "JOSE\u0301  OWL", "\uff2aos\u00e9\u00a0Owl ", "Jos\u00e9\u200b Owl"):
            assert store.spelling("cifar", spelt) == "Jos\u00e9 Owl"
        assert store.spelling("cifar", "jose owl") == "jose owl"
        assert store.spelling("other", "CATS") == "CATS"
        assert store.teams("cifar") == ("Jos\u00e9 Owl", "cats")


@needs_root
def test_another_spelling_brings_no_more_submissions(command: Command, small: Small) -> None:
    fill(small, "Owls", 10, 11, 12)
    over = enter(command, small, "oWLs", "2026-11-22T13:00Z")
    assert over.code == 0
    assert "3 submissions in 24 hours" in " ".join(over.out.split())
    shown = command("leaderboard", "small").out
    assert "Owls" in shown
    assert "1 team, 3 entries" in shown


def test_a_team_is_called_as_its_file_to_the_last_letter(small: Small, tmp_path: Path) -> None:
    """Names that were cut could make two teams of one, or one of two."""
    assignment, called = prepared(small)[0], list[str]()
    old = [os.fsdecode(name.encode("latin-1")) for name in ("M\u00fcller", "M\u00f6ller")]
    with Store.open(tmp_path / "standings.sqlite") as store:
        entering = Entering(assignment, store, datetime(2026, 11, 22, tzinfo=UTC))
        names = [f"{'a' * 60}{middle}{'b' * 80}" for middle in "123"]
        for name in (names[0], f"{names[1]}.zip", f"{names[2]}.ZIP", "o'neil", *old):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("autograder.challenge.entering.enter", lambda *known: called.append(known[2]))
                entering.enter(tmp_path / name, cast("Callable[..., Graded]", None))
    assert called == [*names, "o'neil", "M\u00fcller", "M\u00f6ller"]


# --- new answers -----------------------------------------------------------------------------------------


def test_new_answers_beside_old_standings_are_refused(command: Command, small: Small, tmp_path: Path) -> None:
    Store.open(standings_of(small)).close()
    standings_of(small).with_name("answers.npz").unlink()
    (tmp_path / "answers.csv").write_text(as_csv(truth()))
    ended = command("challenge", "small", "--answers", tmp_path / "answers.csv")
    assert ended.code == 1
    assert "scored by other answers" in ended.told
    assert not standings_of(small).with_name("answers.npz").exists()
