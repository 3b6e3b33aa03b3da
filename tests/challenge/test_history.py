"""Who is over the limit by Gradescope's metadata, and what stands then."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder import gradescope
from autograder.assignment import Assignment
from autograder.challenge.history import (
    History,
    Standing,
    from_metadata,
    over_limit,
    parsed_time,
    shown_time,
)
from autograder.manifest_challenge import ChallengeSpec
from autograder.outcome import BoardValue, EnvironmentFault

SPEC = ChallengeSpec.model_validate({"questions": ["1"], "images": 100, "classes": [["a"], ["b"]]})
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RESULTS = {
    "tests": [{"score": 5.0, "extra_data": {"key": "test_it.py::test_chance"}}],
    "leaderboard": [{"name": "Public accuracy (%)", "value": 71.0, "order": "desc"}],
    "extra_data": {"entries": 3},
}


def at(hours: float) -> str:
    """A moment before noon, as Gradescope writes it: with a zone of its own."""
    moment = NOON - timedelta(hours=hours)
    return moment.astimezone(tz=datetime.fromisoformat("2026-01-01T00:00:00-08:00").tzinfo).isoformat()


def metadata(*hours: float, errors: tuple[float, ...] = (), results: object = RESULTS) -> dict[str, Any]:
    before: list[dict[str, Any]] = [
        {"submission_time": at(each), "score": 1.0, "autograder_error": each in errors} for each in hours
    ]
    if before and results is not None:
        newest = min(before, key=lambda one: NOON - datetime.fromisoformat(one["submission_time"]))
        newest["results"] = results
    return {"created_at": at(0), "previous_submissions": before}


def test_the_first_three_of_a_day_count_and_the_fourth_does_not() -> None:
    for before in ([], [5], [5, 6]):
        assert over_limit(from_metadata(metadata(*before)), SPEC) is None
    over = over_limit(from_metadata(metadata(5, 6, 7)), SPEC)
    assert over is not None
    assert over.next_at == NOON + timedelta(hours=17)
    assert "3 submissions in 24 hours" in over.told
    assert "2026-11-23 05:00 UTC" in over.told


def test_after_a_day_the_next_one_counts() -> None:
    assert over_limit(from_metadata(metadata(5, 6, 24)), SPEC) is None
    assert over_limit(from_metadata(metadata(5, 6, 23.99)), SPEC) is not None


def test_what_broke_by_our_fault_uses_up_nothing() -> None:
    assert over_limit(from_metadata(metadata(5, 6, 7, errors=(6,))), SPEC) is None


def test_who_tries_again_and_again_is_not_shut_out() -> None:
    # The first three count, those after them don't; the first of them leaves the window at noon.
    assert over_limit(from_metadata(metadata(24, 23, 22, 4, 3, 2, 1)), SPEC) is None


def test_today_plays_no_part() -> None:
    """A regrade years later finds the same: nothing but the times that were written down is looked at."""
    data = metadata(5, 6, 7)
    shifted = json.loads(json.dumps(data).replace("2026-", "1999-"))
    now, then = over_limit(from_metadata(data), SPEC), over_limit(from_metadata(shifted), SPEC)
    assert now is not None
    assert then is not None
    assert now.next_at - NOON == then.next_at - NOON.replace(year=1999)


def test_a_later_submission_is_none_of_this_ones_business() -> None:
    assert over_limit(from_metadata(metadata(5, 6, -1, -2)), SPEC) is None


def test_what_stands_is_what_the_newest_results_say() -> None:
    history = from_metadata(metadata(5, 6, 7))
    assert history.standing == Standing(
        {"test_it.py::test_chance": 5.0}, (BoardValue("Public accuracy (%)", 71.0),), 3
    )
    as_text = from_metadata(metadata(5, 6, 7, results=json.dumps(RESULTS)))
    assert as_text.standing == history.standing


def test_where_nothing_was_ever_scored_nothing_stands_and_this_one_counts() -> None:
    told: list[object] = [{"tests": [], "extra_data": {"entries": 0}}, {"tests": []}, {}]
    for results in told:
        assert over_limit(from_metadata(metadata(5, 6, 7, results=results)), SPEC) is None


def test_while_the_one_before_is_being_graded_nobody_knows_what_stands() -> None:
    history = from_metadata(metadata(0.01, 0.02, 0.03, results=None))
    with pytest.raises(EnvironmentFault, match="no results yet"):
        over_limit(history, SPEC)
    assert over_limit(from_metadata(metadata(0.01, results=None)), SPEC) is None


def test_after_a_fault_of_ours_the_doubt_is_the_students() -> None:
    history = from_metadata(metadata(1, 5, 6, 7, errors=(1,), results=None))
    assert over_limit(history, SPEC) is None


def test_without_its_own_time_there_is_no_limit() -> None:
    data = metadata(5, 6, 7, 8)
    del data["created_at"]
    assert over_limit(from_metadata(data), SPEC) is None


# --- odd metadata ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("true", [True, "true", "True ", "1", 1])
def test_an_autograder_error_may_be_told_as_text(true: object) -> None:
    data = metadata(5, 6, 7)
    data["previous_submissions"][1]["autograder_error"] = true
    assert over_limit(from_metadata(data), SPEC) is None


@pytest.mark.parametrize("false", [False, "false", "", None, 0, [], {}])
def test_what_is_no_error_counts(false: object) -> None:
    data = metadata(5, 6, 7)
    data["previous_submissions"][1]["autograder_error"] = false
    assert over_limit(from_metadata(data), SPEC) is not None


def test_a_regrade_that_finds_itself_in_the_list_is_not_counted_twice() -> None:
    own = NOON.replace(microsecond=365935).isoformat()
    data = metadata(5, 6)
    data["created_at"] = own
    data["previous_submissions"].append({"submission_time": own, "results": RESULTS | {"tests": []}})
    history = from_metadata(data)
    assert len(history.earlier) == 2
    assert over_limit(history, SPEC) is None
    assert history.standing.points == {"test_it.py::test_chance": 5.0}


def test_of_those_in_the_same_whole_second_all_count() -> None:
    """A program that hands in ten times a second gains nothing where times have no fractions."""
    assert over_limit(from_metadata(metadata(0, 0, 0)), SPEC) is not None


def results_of(entries: int, points: float) -> dict[str, Any]:
    return RESULTS | {
        "tests": [{"score": points, "extra_data": {"key": "test_it.py::test_chance"}}],
        "extra_data": {"entries": entries},
    }


def test_where_all_results_are_told_an_error_of_ours_makes_nobody_forget() -> None:
    data = metadata(1, 5, 6, 7, errors=(1,), results=None)
    for one, result in zip(data["previous_submissions"][1:], (3, 2, 1), strict=True):
        one["results"] = results_of(result, 5.0 if result == 2 else 0.0)
    history = from_metadata(data)
    assert over_limit(history, SPEC) is not None  # else an error would be three more submissions
    assert history.standing.entries == 3
    assert history.standing.points == {"test_it.py::test_chance": 5.0}  # once earned it stays
    assert not history.forgotten


def test_what_an_error_of_ours_made_forgotten_is_said() -> None:
    assert "autograder error" in from_metadata(metadata(1, 5, errors=(1,), results=None)).forgotten
    assert not from_metadata(metadata(1, errors=(1,), results=None)).forgotten  # there was nothing before


@pytest.mark.parametrize("listed", [None, {}, "none", [{"submission_time": "yesterday"}], [7]])
def test_earlier_submissions_that_can_not_be_read_are_said(listed: object) -> None:
    """Should Gradescope write them otherwise one day, the limit must not end without a word."""
    history = from_metadata({"created_at": at(0), "previous_submissions": listed})
    assignment = cast("Assignment", SimpleNamespace(challenge=SPEC, waiting=()))
    [warning] = gradescope.challenge_warnings(assignment, gradescope.Metadata(history=history))
    assert "don't say when all earlier ones came" in warning
    sound = gradescope.Metadata(history=from_metadata(metadata(5)))
    assert gradescope.challenge_warnings(assignment, sound) == []


def test_points_are_known_though_the_newest_is_being_graded() -> None:
    data = metadata(0.1, 5, results=None)
    data["previous_submissions"][1]["results"] = results_of(1, 5.0)
    history = from_metadata(data)
    assert history.unknown
    assert history.standing.points == {"test_it.py::test_chance": 5.0}


@pytest.mark.parametrize("entries", [10**400, -1, 0, True, "3", 2.0, None])
def test_counts_that_can_not_be_are_none(entries: object) -> None:
    results = RESULTS | {"extra_data": {"entries": entries}}
    assert from_metadata(metadata(5, results=results)).standing == Standing()


def test_points_that_can_not_be_are_none() -> None:
    tests = [{"score": score, "extra_data": {"key": "a"}} for score in (-1.0, math.nan, math.inf, "5", True)]
    odd = [None, 5, {}, {"score": 5}, {"score": 5, "extra_data": {"key": 5}}]
    results = RESULTS | {"tests": [*tests, *odd]}
    assert from_metadata(metadata(5, results=results)).standing.points == {}


def test_ten_thousand_submissions_in_any_order() -> None:
    hours = [1 + number / 10 for number in range(10_000)]
    data = metadata(*hours)
    data["previous_submissions"].reverse()
    began = time.process_time()
    assert over_limit(from_metadata(data), SPEC) is not None
    assert time.process_time() - began < 2


def test_metadata_too_large_to_read_end_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who hands in until the file is too large must not get as many tries as he likes by it."""
    monkeypatch.setattr(gradescope, "_METADATA_BYTES", 1_000)
    path = tmp_path / "metadata.json"
    path.write_text(json.dumps(metadata(*range(1, 50))))
    assignment = SimpleNamespace(challenge=SPEC)
    told = gradescope.read_metadata(path)
    with pytest.raises(EnvironmentFault, match="no limit"):
        gradescope.history_of(cast("Assignment", assignment), told)
    assignment.challenge = None
    assert gradescope.history_of(cast("Assignment", assignment), told) == History()
    path.write_text(json.dumps(metadata(5)))
    assignment.challenge = SPEC
    assert gradescope.history_of(cast("Assignment", assignment), gradescope.read_metadata(path)).earlier


def test_the_last_minute_of_all_is_shown() -> None:
    assert shown_time(datetime.max.replace(tzinfo=UTC)) == "9999-12-31 23:59 UTC"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
keys = st.fixed_dictionaries(
    {},
    optional={
        "created_at": st.sampled_from([at(0), "x", 5, None]),
        "previous_submissions": st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "submission_time": st.sampled_from([at(1), at(2), "", 7]),
                    "autograder_error": anything,
                    "results": anything
                    | st.fixed_dictionaries(
                        {"extra_data": st.fixed_dictionaries({"entries": anything | st.integers(0, 5)})},
                        optional={"tests": anything, "leaderboard": anything},
                    ),
                },
            )
            | anything
        )
        | anything,
    },
)


@given(keys | anything)
def test_no_metadata_break_it(data: object) -> None:
    history = from_metadata(data)
    assert isinstance(history, History)
    assert all(math.isfinite(value) for value in history.standing.points.values())


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T04:00:00.000000-08:00", NOON),
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22 12:00", NOON),
        ("yesterday", None),
        ("", None),
        (None, None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times_are_read_with_their_zones(text: object, moment: datetime | None) -> None:
    assert parsed_time(text) == moment


def test_a_time_is_shown_rounded_up() -> None:
    assert shown_time(NOON) == "2026-11-22 12:00 UTC"
    assert shown_time(NOON + timedelta(seconds=1)) == "2026-11-22 12:01 UTC"
