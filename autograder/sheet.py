"""What staff read beside a score: answers, the measured facts, and what only a human can judge.

A grader's tests put it there through the fixture ``sheet``; sheet_page.py makes a page of it. Whatever is
given came from a student, so it is cleaned here, once, on its way in. Nothing on the sheet reaches a student,
and nothing on it takes a point.

A test may be run again after a fault of ours. What it put on the sheet before is then replaced by what it
puts there now, in the same place, or left out if it puts it there no more.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from autograder.outcome import Evidence
from autograder.sheet_picture import Shrunk, shrink
from autograder.text import clean, cut_line

# So much is kept of each kind. A page of all that, each of its characters one that HTML spells with five,
# stays below 5 MB; a real one has a tenth of it.
MAX_FACTS, MAX_ANSWERS, MAX_DOUBTS, MAX_PICTURES = 120, 60, 120, 16
MAX_ANSWER_CHARS = 12_000  # an essay of four pages
MAX_TEXT_CHARS = 100_000  # of all answers together
MAX_PICTURE_BYTES = 1_200_000  # of all pictures together
_LABEL, _VALUE, _NOTE, _WHERE, _STATUS = 120, 600, 300, 120, 60  # characters
_NOTES = 8  # of one answer


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of the measured facts."""

    label: str
    value: str
    evidence: Evidence
    where: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer or a narrative, and what was found out about it."""

    key: str
    title: str
    status: str
    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Doubt:
    """A contradiction, or anything else for a human to look at."""

    text: str
    where: str


@dataclass(frozen=True, slots=True)
class SheetPicture:
    """A plot; ``shown`` is None where it can't be, and ``why`` says why."""

    caption: str
    shown: Shrunk | None
    why: str = ""


Item = TypeVar("Item")


class _Shelf(Generic[Item]):
    """Items by key in the order of their first coming, each with the test that put it there."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._items: dict[Hashable, tuple[str, Item]] = {}
        self._stale: set[Hashable] = set()
        self.refused: set[Hashable] = set()  # for want of room

    def put(self, key: Hashable, owner: str, item: Item) -> None:
        if key not in self._items and len(self._items) >= self._room:
            self.refused.add(key)
            return
        self._items[key] = owner, item
        self._stale.discard(key)

    def put_again(self, owner: str) -> None:
        self._stale |= {key for key, (put_by, _) in self._items.items() if put_by == owner}

    def __iter__(self) -> Iterator[Item]:
        return (item for key, (_, item) in self._items.items() if key not in self._stale)


class Sheet:
    """One submission's reading sheet, empty at first."""

    def __init__(self) -> None:
        self._facts = _Shelf[Fact](MAX_FACTS)
        self._answers = _Shelf[Answer](MAX_ANSWERS)
        self._doubts = _Shelf[Doubt](MAX_DOUBTS)
        self._pictures = _Shelf[SheetPicture](MAX_PICTURES)
        self._test = ""

    # --- what a grader's tests call ---

    def fact(self, label: str, value: str, evidence: Evidence, where: str = "") -> None:
        """A row of the facts; the same label again takes the earlier one's place."""
        label = flat(label, _LABEL)
        fact = Fact(label, _short(value, _VALUE), Evidence(evidence), flat(where, _WHERE))
        self._facts.put(label, self._test, fact)

    def answer(self, key: str, title: str, status: str, text: str, notes: Sequence[str] = ()) -> None:
        """An answer or a narrative, shown in the order of calls; the same key again takes its place."""
        answer = Answer(
            key=flat(key, _LABEL),
            title=flat(title, _LABEL),
            status=flat(status, _STATUS),
            # Markdown has a whole paragraph on one line.
            text=clean(text, MAX_ANSWER_CHARS, line_limit=MAX_ANSWER_CHARS).strip("\n"),
            notes=tuple(_short(note, _NOTE) for note in notes[:_NOTES]),
        )
        self._answers.put(key, self._test, answer)

    def doubt(self, text: str, where: str = "") -> None:
        """A contradiction, or anything else that a human has to decide."""
        doubt = Doubt(_short(text, _VALUE), flat(where, _WHERE))
        self._doubts.put(doubt, self._test, doubt)

    def picture(self, caption: str, png: bytes) -> None:
        """A plot, PNG or JPEG; the same caption again takes its place."""
        caption = flat(caption, _VALUE)
        self._pictures.put(caption, self._test, self._picture(caption, png))

    # --- what a grading calls ---

    def begin(self, test: str) -> None:
        """What comes now is this test's; what it put here in an earlier try no longer counts."""
        self._test = test
        for shelf in (self._facts, self._answers, self._doubts, self._pictures):
            shelf.put_again(test)

    # --- what the page shows ---

    @property
    def empty(self) -> bool:
        """Whether there is nothing on it."""
        return not (self.facts or self.answers or self.doubts or self.pictures)

    @property
    def facts(self) -> tuple[Fact, ...]:
        return tuple(self._facts)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Those that have room; what is left of the others is their heading and their notes."""
        room, kept = MAX_TEXT_CHARS, []
        for answer in self._answers:
            text = answer.text if len(answer.text) <= room else ""
            room -= len(text)
            note = () if text or not answer.text else ("Left out here, because the sheet is full.",)
            kept.append(
                Answer(answer.key, answer.title, answer.status, text, (*answer.notes, *note)[-_NOTES:])
            )
        return tuple(kept)

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        return tuple(self._doubts)

    @property
    def pictures(self) -> tuple[SheetPicture, ...]:
        room, kept = MAX_PICTURE_BYTES, []
        for picture in self._pictures:
            size = len(picture.shown.png) if picture.shown is not None else 0
            full = size > room
            kept.append(SheetPicture(picture.caption, None, "the sheet is full") if full else picture)
            room -= 0 if full else size
        return tuple(kept)

    @property
    def left_out(self) -> int:
        """How many facts, answers, doubts and pictures there was no room for."""
        shelves = (self._facts, self._answers, self._doubts, self._pictures)
        return sum(len(shelf.refused) for shelf in shelves)

    @staticmethod
    def _picture(caption: str, data: bytes) -> SheetPicture:
        shown = shrink(data, caption)
        if isinstance(shown, str):
            return SheetPicture(caption, None, _short(shown, _NOTE))
        return SheetPicture(caption, shown)


def _short(text: str, limit: int) -> str:
    return clean(text, limit).strip()


def flat(text: str, limit: int) -> str:
    """``text`` cleaned and on one line."""
    return cut_line(" ".join(clean(text).split()), limit)
