"""The doctor's line on each challenge."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.challenge.prepared import answers_path
from autograder.doctor.challenges import examine
from autograder.doctor.finding import Finding, State
from autograder.doctor.needs import Needs
from tests.challenge.small_challenge import prepared, small_challenge
from tests.small import Small


@pytest.fixture
def challenge(tmp_path: Path) -> Small:
    return small_challenge(tmp_path)


def findings(small: Small) -> list[Finding]:
    return list(examine(Needs.below(small.folder / "graders")))


def test_without_a_challenge_there_is_nothing_to_say(tmp_path: Path) -> None:
    small = Small(tmp_path)
    small.assignment()
    assert findings(small) == []


def test_what_is_not_prepared_is_named_with_the_command(challenge: Small) -> None:
    challenge.assignment()
    (found,) = findings(challenge)
    assert found.state is State.WARNING
    assert "1, 2 will stand as not graded yet" in found.found
    assert "run_autograder challenge small --answers FILE" in found.remedy
    prepared(challenge)
    (found,) = findings(challenge)
    assert "not prepared: 2 will" in found.found


def test_what_is_prepared_is_told(challenge: Small) -> None:
    prepared(challenge, staff=True)
    (found,) = findings(challenge)
    assert found.state is State.OK
    assert found.found == "300 answers; baseline"


def test_answers_that_can_not_be_read_are_told(challenge: Small) -> None:
    assignment, _ = prepared(challenge, staff=True)
    answers_path(assignment.folder).write_bytes(b"PK")
    (found,) = findings(challenge)
    assert found.state is State.WARNING
    assert "can't be read" in found.found
    assert found.remedy
