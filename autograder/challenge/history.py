"""What a team handed in before: whether this submission is over the limit, and what stands if it is.

On Gradescope that is read off ``submission_metadata.json``, elsewhere off the store of standings. Only times
that were written down then decide, never today's, so a regrade finds the same.

Over the limit, what the earlier submissions came to stands, as their results say it. Where none of them was
ever scored there is nothing that could stand, and nothing was given away: then this one is scored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from autograder.challenge.limits import Allowance, admitted, next_possible
from autograder.manifest_challenge import ChallengeSpec
from autograder.outcome import BoardValue, EnvironmentFault
from autograder.text import one_line

_MOST_COLUMNS = 20
_MOST_TESTS = 2_000
_MOST_ENTRIES = 1_000_000
_LAST_MINUTE = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
_TRUE = (True, "true", "1", "yes")


@dataclass(frozen=True, slots=True)
class Standing:
    """What the earlier submissions came to: points by a test's key, and the leaderboard's columns."""

    points: Mapping[str, float] = field(default_factory=dict)
    board: tuple[BoardValue, ...] = ()
    entries: int = 0  # that were scored


@dataclass(frozen=True, slots=True)
class History:
    """``at`` is when this submission was handed in, ``earlier`` when those before it were that count.

    ``at`` is None where nobody knows: then there is no limit. ``unknown`` says why nobody knows yet what
    stands, though there were earlier ones; ``forgotten``, why nobody ever will.
    """

    at: datetime | None = None
    earlier: tuple[datetime, ...] = ()
    standing: Standing = Standing()
    unknown: str = ""
    forgotten: str = ""


@dataclass(frozen=True, slots=True)
class OverLimit:
    """A submission that is not scored; ``told`` says so to the student."""

    next_at: datetime
    told: str


def allowance_of(spec: ChallengeSpec) -> Allowance:
    return Allowance(spec.submissions, timedelta(hours=spec.window_h))


def over_limit(history: History, spec: ChallengeSpec) -> OverLimit | None:
    """Whether this submission is one too many; raises EnvironmentFault where what stands isn't known yet."""
    if history.at is None:
        return None
    allowance = allowance_of(spec)
    times = (*history.earlier, history.at)
    if admitted(times, allowance)[-1]:
        return None
    if history.unknown:
        raise EnvironmentFault(
            f"This submission is over the limit of {_limit(spec)}, so an earlier result should stand, but "
            f"{history.unknown}.",
            remedy="Grade it again when the earlier submissions are graded.",
        )
    if not history.standing.entries:
        return None
    next_at = next_possible(history.earlier, history.at, allowance)
    told = (
        f"This is more than {_limit(spec)}: these predictions were not scored, and your earlier result "
        f"stands. The next submission is possible from {shown_time(next_at)}."
    )
    return OverLimit(next_at, told)


def _limit(spec: ChallengeSpec) -> str:
    times = "submission" if spec.submissions == 1 else "submissions"
    return f"{spec.submissions} {times} in {spec.window_h:g} hours"


def shown_time(at: datetime) -> str:
    """Such as "2026-11-22 14:05 UTC": to the minute after, so that who comes then is not too early."""
    at = at.astimezone(UTC)
    if (at.second or at.microsecond) and at < _LAST_MINUTE:
        at = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return f"{at:%Y-%m-%d %H:%M} UTC"


# --- Gradescope ----------------------------------------------------------------------------------------


def from_metadata(data: object) -> History:
    """The history that Gradescope's metadata tell; what is odd about them is left out.

    Those with ``autograder_error`` count for nothing. The newest one's ``results`` say what stood after it;
    where older ones' are told too, what any of them earned stays.
    """
    metadata: Mapping[str, Any] = data if isinstance(data, dict) else {}
    at = parsed_time(metadata.get("created_at"))
    listed = metadata.get("previous_submissions")
    before = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    timed = [(moment, one) for one in before if (moment := parsed_time(one.get("submission_time")))]
    all_known = isinstance(listed, list) and len(timed) == len(listed)
    odd = "" if all_known or at is None else "Gradescope's metadata don't say when all earlier ones came"
    # Of those at the same time, the one whose results are told is taken for the newest.
    timed = sorted(
        (pair for pair in timed if _is_before(pair[0], at)),
        key=lambda pair: (pair[0], pair[1].get("results") is not None),
    )
    counted = tuple(moment for moment, one in timed if not _is_error(one))
    results = [_results(one) for _, one in timed]
    standing = _together([each for each in results if each is not None])
    if not timed or results[-1] is not None:
        return History(at, counted, standing, forgotten=odd)
    if not _is_error(timed[-1][1]):
        return History(at, counted, standing, unknown="the one before it has no results yet", forgotten=odd)
    graded = [each for each, (_, one) in zip(results, timed, strict=True) if not _is_error(one)]
    if not graded or graded[-1] is not None:
        return History(at, counted, standing, forgotten=odd)
    # What stood before the error is told nowhere: the doubt is the student's.
    why = "the one before it ended in an autograder error, and of those before that no results are told"
    return History(at, counted, standing, forgotten=why)


def _is_before(moment: datetime, at: datetime | None) -> bool:
    """Whether that is another, earlier submission.

    The very microsecond is this one's own, which a regrade may find in the list. A time without fractions of
    a second may be another's.
    """
    return at is None or moment < at or (moment == at and not at.microsecond)


def _is_error(submission: Mapping[str, Any]) -> bool:
    told = submission.get("autograder_error")
    return (told.strip().lower() if isinstance(told, str) else told) in _TRUE


def _together(standings: Sequence[Standing]) -> Standing:
    """What stood in the end, by what stood after each, in the order of time: points that were earned stay."""
    points: dict[str, float] = {}
    for standing in standings:
        for key, score in standing.points.items():
            points[key] = max(score, points.get(key, score))
    boards = [standing.board for standing in standings if standing.board]
    entries = max((standing.entries for standing in standings), default=0)
    return Standing(points, boards[-1] if boards else (), entries)


def _results(submission: Mapping[str, Any]) -> Standing | None:
    results = submission.get("results")
    if isinstance(results, str):  # seen as text as well as as an object
        try:
            results = json.loads(results)
        except (ValueError, RecursionError):
            return None
    if not isinstance(results, dict):
        return None
    extra = results.get("extra_data")
    entries = extra.get("entries") if isinstance(extra, dict) else None
    if isinstance(entries, bool) or not isinstance(entries, int) or not 1 <= entries <= _MOST_ENTRIES:
        return Standing()
    tests, board = results.get("tests"), results.get("leaderboard")
    return Standing(
        points=dict(_points(tests if isinstance(tests, list) else [])),
        board=tuple(_columns(board if isinstance(board, list) else [])),
        entries=entries,
    )


def _points(tests: list[object]) -> list[tuple[str, float]]:
    found = []
    for test in tests[:_MOST_TESTS]:
        extra = test.get("extra_data") if isinstance(test, dict) else None
        key = extra.get("key") if isinstance(extra, dict) else None
        score = _number(test.get("score")) if isinstance(test, dict) else None
        if isinstance(key, str) and score is not None and score >= 0:
            found.append((key, score))
    return found


def _columns(board: list[object]) -> list[BoardValue]:
    found = []
    for column in board[:_MOST_COLUMNS]:
        if not isinstance(column, dict) or not isinstance(column.get("name"), str):
            continue
        told = column.get("value")
        value = one_line(told) if isinstance(told, str) else _number(told)
        if value is not None:
            order: Literal["asc", "desc"] = "asc" if column.get("order") == "asc" else "desc"
            found.append(BoardValue(one_line(column["name"]), value, order))
    return found


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def parsed_time(text: object) -> datetime | None:
    """A moment in ISO 8601, with its zone; what has none is taken for UTC. None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
