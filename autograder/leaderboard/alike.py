"""Teams whose predictions staff should look at together, because they are the same or nearly so.

Identical ones are looked for among all entries: who copies a file often has an earlier one of another team's.
Nearly identical ones are looked for among the entries by which the teams are ranked, the staff's models
beside them, and between those and all other entries of other teams. Nobody loses points for what is listed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime

from autograder.challenge.answers import Answers
from autograder.leaderboard.entry import Entry
from autograder.leaderboard.standings import counting_entries
from autograder.leaderboard.store import Store
from autograder.leaderboard.table import moment
from autograder.manifest_challenge import ChallengeSpec
from autograder.text import one_line

_MOST_TEAMS = 12  # named in a line


def alike(
    store: Store, entries: Sequence[Entry], answers: Answers, spec: ChallengeSpec, until: datetime | None
) -> list[str]:
    """A line for each group of teams with identical predictions, then one for each pair that is nearly so."""
    sound = [entry for entry in entries if not entry.fault and (until is None or entry.at <= until)]
    groups = list(_identical(store, sound))
    known = [{entry.team for entry in group} for group in groups]
    return [*map(_told, groups), *_nearly(store, sound, answers, spec, known)]


def _identical(store: Store, entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The first entry of each team with the same labels; only those with equal scores can have them."""
    by_score: dict[tuple[float, float], list[Entry]] = defaultdict(list)
    for entry in entries:
        by_score[entry.public, entry.private].append(entry)
    for equal in by_score.values():
        if len({entry.team for entry in equal}) < 2:
            continue
        by_labels: dict[bytes, dict[str, Entry]] = defaultdict(dict)
        for entry in equal:
            labels = store.labels(entry)
            if labels.min() != labels.max():  # one class for all images is nobody's idea
                by_labels[hashlib.sha256(labels.tobytes()).digest()].setdefault(entry.team, entry)
        yield from (list(group.values()) for group in by_labels.values() if len(group) > 1)


def _told(group: Sequence[Entry]) -> str:
    named = [f"{one_line(entry.team)} ({moment(entry.at)})" for entry in group[:_MOST_TEAMS]]
    if len(group) > _MOST_TEAMS:
        named.append(f"{len(group) - _MOST_TEAMS} more")
    return f"{', '.join(named[:-1])} and {named[-1]} handed in identical predictions."


def _nearly(
    store: Store,
    entries: Sequence[Entry],
    answers: Answers,
    spec: ChallengeSpec,
    known: Sequence[set[str]],
) -> Iterator[str]:
    from autograder.checks.predictions.similarity import Other, similarity  # noqa: PLC0415  (students' views don't pay)

    counting = counting_entries(entries, final=spec.final, higher_is_better=spec.higher_is_better)
    labels = {entry.team: store.labels(entry) for entry in counting}
    staff = {f"the staff's model {name}": theirs for name, theirs in answers.staff.items()}
    counted = {entry.id for entry in counting}
    rest = [entry for entry in entries if entry.id not in counted]
    names = {f"{entry.team} ({moment(entry.at)})": entry for entry in rest}
    others = (Other(entry.team, name, store.labels(entry)) for name, entry in names.items())
    told = [set(teams) for teams in known]
    for pair in similarity(labels, answers.labels, staff, others):
        teams = {pair.a, names[pair.b].team if pair.b in names else pair.b}
        if not any(teams <= already for already in told):
            told.append(teams)
            yield pair.told
