"""Boards of made-up teams."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from autograder.leaderboard.entry import Entry
from autograder.leaderboard.standings import Baseline, Standings, View, standings

START = datetime(2026, 11, 8, 9, 13, tzinfo=UTC)
STAFF = (Baseline("Staff model", 0.8617, 0.8573, 0.86), Baseline("Linear model", 0.3891, 0.3913, 0.39))
TITLE = "A <small> challenge"

Tries = Sequence[
    tuple[float, float, float]
]  # hours after START, the score on the public part, on the private


def entries_of(teams: Mapping[str, Tries]) -> list[Entry]:
    """Entries of teams; what is shown of a score is its whole percents."""
    found: list[Entry] = []
    for team, tries in teams.items():
        for hours, public, private in tries:
            at = START + timedelta(hours=hours)
            number, shown = len(found) + 1, round(public, 2)
            digest = f"{number:064x}"
            found.append(Entry(number, "small", team, at, at, digest, public, private, shown, {}, {}))
    return found


def board(  # noqa: PLR0913  (whatever a test wants otherwise)
    teams: Mapping[str, Tries],
    view: View = View.PUBLIC,
    *,
    baselines: Sequence[Baseline] = STAFF,
    metric: str = "accuracy",
    freeze: datetime | None = None,
    names: Mapping[str, str] | None = None,
    title: str = TITLE,
) -> Standings:
    """The board of these teams' entries."""
    return standings(
        entries_of(teams),
        view=view,
        metric=metric,
        higher_is_better=metric != "log_loss",
        baselines=baselines,
        freeze=freeze,
        shown_name=lambda team: (names or {}).get(team, team),
        title=title,
    )


FEW: Mapping[str, Tries] = {
    "Ada": [(0, 0.5104, 0.5089), (30, 0.9213, 0.9071)],
    "Ben": [(2, 0.1012, 0.0998), (20, 0.7931, 0.7854), (50, 0.7902, 0.8111)],
    "Cy": [(1, 0.7924, 0.8027)],
}


def many(count: int, seed: int = 3) -> Mapping[str, Tries]:
    """Teams that get better as they go on."""
    drawn = random.Random(seed)  # noqa: S311  (made-up scores)
    teams: dict[str, Tries] = {}
    for number in range(count):
        best = drawn.uniform(0.5, 0.93)
        tries = [
            (drawn.uniform(0, 300), best - drawn.expovariate(8), best + drawn.gauss(0, 0.01))
            for _ in range(6)
        ]
        teams[f"team-{number}"] = [(hours, max(public, 0.1), private) for hours, public, private in tries]
    return teams
