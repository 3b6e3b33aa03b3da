"""What the decorators on a grader's test say, read into one record.

The decorators are gradescope_utils' own, which course staff know; they do nothing but set attributes. Their
bookkeeping of scores is not used: it keeps a score on the function, so a parametrised test would inherit the
last case's and a test that crashes would keep what it had set. `take_score` reads it once and resets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import pytest

from autograder.document import Visibility
from autograder.outcome import Evidence, GraderFault

VISIBILITIES: tuple[str, ...] = get_args(Visibility)
_ORDERS = ("asc", "desc")
MARKERS = (
    "tier(name): the tier of the question whose points this test shares",
    "evidence(label): how the fact behind this test is come by: claimed, measured or verified",
)


@dataclass(frozen=True, slots=True)
class Marks:
    """One test's marks; ``name`` is the first line of its docstring."""

    name: str
    number: str
    tier: str | None
    weight: float | None
    visibility: Visibility
    tags: tuple[str, ...]
    evidence: Evidence | None
    hide_errors: str | None = None  # what the student reads in place of why it failed
    column: str = ""  # of the leaderboard
    order: Literal["asc", "desc"] = "desc"  # which end of it leads


def read_marks(item: pytest.Item) -> Marks:
    """The marks of a collected test; raises GraderFault where one is missing or impossible."""
    function = getattr(item, "function", None)
    number = getattr(function, "__number__", None)
    if number is None:
        raise _fault(item, "has no number.", 'Say which question it belongs to: @number("9.1.1").')
    visibility: Any = getattr(function, "__visibility__", "visible")
    if visibility not in VISIBILITIES:
        raise _fault(item, f"has the visibility {visibility!r}.", f"Use one of {', '.join(VISIBILITIES)}.")
    order: Any = getattr(function, "__leaderboard_sort_order__", None) or "desc"
    if order not in _ORDERS:
        raise _fault(item, f"sorts the leaderboard by {order!r}.", f"Use one of {', '.join(_ORDERS)}.")
    weight = getattr(function, "__weight__", None)
    return Marks(
        name=_title(item, function),
        number=str(number),
        tier=_argument(item, "tier"),
        weight=None if weight is None else float(weight),
        visibility=visibility,
        tags=tuple(str(tag) for tag in getattr(function, "__tags__", ())),
        evidence=_evidence(item),
        hide_errors=getattr(function, "__hide_errors__", None),
        column=str(getattr(function, "__leaderboard_column__", None) or ""),
        order=order,
    )


def _title(item: pytest.Item, function: Any) -> str:
    lines = (getattr(function, "__doc__", None) or "").strip().splitlines()
    if not lines:
        raise _fault(item, "has no docstring.", "Its first line is the name that the student reads.")
    callspec = getattr(item, "callspec", None)
    case = f" [{callspec.id}]" if callspec is not None else ""
    return f"{lines[0].strip()}{case}"


def _argument(item: pytest.Item, marker: str) -> str | None:
    mark = item.get_closest_marker(marker)
    if mark is None:
        return None
    if len(mark.args) != 1 or mark.kwargs:
        raise _fault(item, f"has a mark {marker!r} without its one word.", f'Write it {marker}("...").')
    return str(mark.args[0])


def _evidence(item: pytest.Item) -> Evidence | None:
    word = _argument(item, "evidence")
    if word is None:
        return None
    known = {kind.label: kind for kind in Evidence}
    if word not in known:
        raise _fault(item, f"has the evidence {word!r}.", f"Use one of {', '.join(known)}.")
    return known[word]


def take_score(item: pytest.Item) -> float | None:
    """The score that the test set by partial_credit's ``set_score``, if it did, and forget it."""
    score = _take(item, "__score__")
    if score is _NOTHING:
        return None
    if isinstance(score, bool) or not isinstance(score, (int, float)):
        raise _fault(item, f"set the score {score!r}.", "Set a number.")
    return float(score)


def take_board_value(item: pytest.Item) -> float | str | None:
    """The value that the test set by leaderboard's ``set_leaderboard_value``, if it did, and forget it."""
    value = _take(item, "__leaderboard_value__")
    if value is _NOTHING:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _fault(item, f"set the leaderboard's value {value!r}.", "Set a number or a text.")
    return value


_NOTHING = object()


def _take(item: pytest.Item, attribute: str) -> object:
    """What a decorator's function kept on the test; wrapping copies attributes, so each layer may have it."""
    function: Any = getattr(item, "function", None)
    found: object = _NOTHING
    while function is not None:
        here = vars(function).pop(attribute, _NOTHING)
        found = here if found is _NOTHING else found  # another decorator may stand above the one that set it
        function = getattr(function, "__wrapped__", None)
    return found


def _fault(item: pytest.Item, what: str, remedy: str) -> GraderFault:
    return GraderFault(f"The test {item.nodeid!r} {what}", remedy=remedy)
