"""Pseudonyms are stable, each its own, and tell nobody who is behind them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.leaderboard import names
from autograder.leaderboard.names import pseudonym, pseudonyms
from autograder.outcome import GraderFault

SECRET = bytes(range(32))
OTHER = bytes(32)
CLASS = [f"student{number}@example.edu" for number in range(3_000)]


@given(st.text(max_size=50))
def test_two_words_and_a_number(team: str) -> None:
    name = pseudonym(team, SECRET)
    assert re.fullmatch("[a-z]+-[a-z]+-[1-9][0-9]", name)
    assert name == pseudonym(team, SECRET)


def test_a_name_that_was_given_stays() -> None:
    """Boards that were printed last year must go on meaning the same teams."""
    assert pseudonym("team 1", SECRET) == "lunar-sparrow-53"


def test_each_team_has_its_own_and_newcomers_change_nobodys() -> None:
    bare = [pseudonym(team, SECRET) for team in CLASS]
    assert len(set(bare)) < len(CLASS)  # some collide, so what follows is put to the test
    given_names = pseudonyms(CLASS, SECRET)
    assert len(set(given_names.values())) == len(CLASS)
    half = pseudonyms(CLASS[:1_500], SECRET)
    assert all(given_names[team] == half[team] for team in half)
    assert pseudonyms(CLASS + CLASS, SECRET) == given_names


def test_the_secret_decides() -> None:
    """Who has all of the class's names, and not the secret, learns nothing from a board."""
    ours = pseudonyms(CLASS, SECRET)
    theirs = pseudonyms(CLASS, OTHER)
    assert sum(ours[team] == theirs[team] for team in CLASS) <= 2


def test_all_words_are_drawn_about_as_often() -> None:
    drawn = [pseudonym(team, SECRET).split("-") for team in CLASS]
    for place, words in ((0, names._ADJECTIVES), (1, names._ANIMALS)):
        seen = {parts[place] for parts in drawn}
        assert seen == set(words)
        assert len(words) == len(set(words)) > 150


@pytest.mark.parametrize("secret", [b"", b"short"])
def test_a_secret_that_could_be_guessed_is_refused(secret: bytes) -> None:
    with pytest.raises(GraderFault, match="could be guessed"):
        pseudonym("team", secret)
