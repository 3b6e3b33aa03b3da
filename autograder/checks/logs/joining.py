"""Entries become epochs, and epochs become runs.

A number that is repeated, or goes back, is a run that was resumed: the later value counts. One that goes back
to where the log began is another run. Lines without any number are counted: the next epoch begins when
something is said that the present one has already said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from autograder.checks.logs.entries import Entry
from autograder.checks.notebooks.found import Split
from autograder.checks.notebooks.measures import Measure

MOST_RUNS = 50
MOST_EPOCHS = 20_000  # of one file
MOST_OTHERS = 8  # accuracies of an epoch that don't count
_EVALUATION: frozenset[Split] = frozenset({"valid", "test"})
_FINAL, _COMPLETE, _ON_THE_WAY = 3, 2, 1

Role = tuple[Split, str]  # the part of the data; "accuracy" (an error rate too), "top5", "loss"


@dataclass(frozen=True, slots=True)
class Held:
    """A value that an epoch keeps, and how final it is."""

    measure: Measure
    rank: int
    line: int


@dataclass(slots=True)
class Slot:
    """One epoch being put together."""

    number: int
    line: int
    values: dict[Role, Held] = field(default_factory=dict)
    done: float = 0.0  # how far its training has come
    seconds: float | None = None
    clock: float | None = None
    learning_rate: float | None = None
    also: list[Measure] = field(default_factory=list)  # accuracies that another one was preferred to

    def take(self, entry: Entry) -> None:
        self.line = entry.line if entry.values and self._later(entry) else self.line
        said: set[Role] = set()
        for one in entry.values:
            role, rank = role_of(one), _rank(one, entry)
            held = self.values.get(role)
            if held is None or rank > held.rank:
                self.values[role] = Held(one, rank, entry.line)
            elif rank == held.rank and not _rounds(one, held.measure):
                new = Held(one, rank, entry.line)
                self._choose(role, new, held, twice=role in said, averaged=entry.averages)
            said.add(role)
        if entry.seconds is not None and (self.seconds is None or not self._of_evaluation(entry)):
            self.seconds = entry.seconds
        self.clock = entry.clock if entry.clock is not None else self.clock
        if entry.learning_rate is not None:
            self.learning_rate = entry.learning_rate
        if entry.part is not None and _trains(entry):
            self.done = max(self.done, entry.part.done / entry.part.total)

    def _choose(self, role: Role, new: Held, held: Held, *, twice: bool, averaged: bool) -> None:
        """What is said later counts; of two in one row the lower, and of averaged weights the better."""
        low = _is_lower(new.measure, held.measure)
        if role[1] != "loss" and low is not None:
            of_averages = averaged or any(
                "ema" in one.label.split("_") for one in (new.measure, held.measure)
            )
            if role[0] != "train" and len(self.also) < MOST_OTHERS:
                self.also += [new.measure, held.measure]
            if (low and of_averages) or (twice and not low and not of_averages):
                return
        self.values[role] = new

    def _of_evaluation(self, entry: Entry) -> bool:
        return entry.part is not None and any(one.split in _EVALUATION for one in entry.values)

    def _later(self, entry: Entry) -> bool:
        return any(one.quantity != "loss" for one in entry.values) or not self.values

    def holds(self, roles: Iterable[Role]) -> bool:
        return any(role in self.values for role in roles)

    def has_final(self, roles: Iterable[Role]) -> bool:
        return any(role in self.values and self.values[role].rank > _ON_THE_WAY for role in roles)

    @property
    def evaluated(self) -> bool:
        return any(split in _EVALUATION for split, _ in self.values)


@dataclass(slots=True)
class Run:
    """One training: its epochs by number, in order."""

    slots: dict[int, Slot] = field(default_factory=dict)
    before: Slot | None = None  # what was evaluated before the first epoch
    resumed: list[int] = field(default_factory=list)
    numbered: bool = False
    current: int | None = None
    planned: int | None = None
    clocks: list[tuple[float, int]] = field(default_factory=list)

    def slot(self, number: int, line: int) -> Slot:
        if number not in self.slots:
            self.slots[number] = Slot(number, line)
        return self.slots[number]


def role_of(measure: Measure) -> Role:
    return measure.split, "accuracy" if measure.quantity == "error" else measure.quantity


def runs_of(entries: Iterable[Entry]) -> list[Run]:
    """The runs of one file; one that is a copy of the run before it is left out."""
    joiner = _Joiner()
    for entry in entries:
        joiner.add(entry)
    kept: list[Run] = []
    for run in joiner.runs:
        if run.slots and not any(_same(run, other) for other in kept):
            kept.append(run)
    return kept


def _same(run: Run, other: Run) -> bool:
    values = [
        {
            number: {role: held.measure.number for role, held in slot.values.items()}
            for number, slot in one.slots.items()
        }
        for one in (run, other)
    ]
    return values[0] == values[1]


def _rounds(one: Measure, held: Measure) -> bool:
    """Whether ``one`` is the value that is held, with fewer of its decimals."""
    return (
        "counts" not in (one.unit, held.unit)
        and one.decimals < held.decimals
        and abs(one.number - held.number) <= 0.5001 * 10.0**-one.decimals
    )


def _is_lower(one: Measure, other: Measure) -> bool | None:
    """Whether it is the worse one; None where the two can't be compared."""
    if one.quantity != other.quantity or "counts" in (one.unit, other.unit) or one.number == other.number:
        return None
    return (one.number < other.number) is (one.quantity == "accuracy")


def _rank(measure: Measure, entry: Entry) -> int:
    if not measure.running:
        return _FINAL
    return _COMPLETE if entry.part is not None and entry.part.complete else _ON_THE_WAY


def _trains(entry: Entry) -> bool:
    return not any(one.split in _EVALUATION for one in entry.values)


class _Joiner:
    def __init__(self) -> None:
        self.runs = [Run()]
        self._waiting: list[Entry] = []  # without a number, before any number was said

    @property
    def _run(self) -> Run:
        return self.runs[-1]

    def add(self, entry: Entry) -> None:
        if entry.epoch is None:
            self._unnumbered(entry)
        elif entry.closes and not self._run.numbered and len(self._run.slots) <= 1:
            self._close(entry)
        else:
            self._numbered(entry, entry.epoch)
        run = self._run
        run.planned = entry.planned or run.planned
        if entry.clock is not None and len(run.clocks) < MOST_EPOCHS:
            run.clocks.append((entry.clock, entry.line))

    def _close(self, entry: Entry) -> None:
        """``epoch 1 done``: what stands above it is that epoch's."""
        run = self._run
        for slot in [*run.slots.values()]:
            del run.slots[slot.number]
            slot.number = entry.epoch or 0
            run.slots[slot.number] = slot
            slot.take(entry)
        run.current = None

    def _unnumbered(self, entry: Entry) -> None:
        run = self._run
        if run.numbered:
            if run.current is not None:
                run.slots[run.current].take(entry)
            return
        roles = [role_of(one) for one in entry.values]
        final = [role_of(one) for one in entry.values if _rank(one, entry) > _ON_THE_WAY]
        current = run.slots.get(run.current) if run.current is not None else None
        begins = current is None or (
            bool(roles)
            and (
                current.has_final(final) or (current.evaluated and _trains(entry) and len(current.values) > 0)
            )
        )
        if begins and len(run.slots) < MOST_EPOCHS:
            run.current = (run.current or 0) + 1
            current = run.slot(run.current, entry.line)
        if current is not None:
            current.take(entry)

    def _numbered(self, entry: Entry, number: int) -> None:
        run = self._run
        if not run.numbered:
            self._first_number()
        roles = [role_of(one) for one in entry.values]
        current = run.slots.get(run.current) if run.current is not None else None
        if current is not None and number < current.number:
            number = self._back(entry, number, current)
            run = self._run
        elif current is not None and number == current.number:
            self._again(entry, current, roles)
        if number not in run.slots and len(run.slots) >= MOST_EPOCHS:
            return
        run.slot(number, entry.line).take(entry)
        if run.current is None or not self._stale(entry, number, run.current):
            run.current = number

    def _first_number(self) -> None:
        """What was said before the first number was an evaluation of the beginning, or another matter."""
        run = self._run
        if run.slots and len(run.slots) > 1 and any(slot.evaluated for slot in run.slots.values()):
            self._new_run()
        elif run.slots:
            run.before = next(iter(run.slots.values()))
            run.slots.clear()
        self._run.numbered, self._run.current = True, None

    def _new_run(self) -> None:
        if len(self.runs) < MOST_RUNS:
            self.runs.append(Run())
        else:
            self.runs[-1] = Run()

    def _stale(self, entry: Entry, number: int, current: int | None) -> bool:
        """A line of the epoch before that another process was late to print."""
        return (
            current is not None
            and number < current
            and entry.part is not None
            and entry.part.done * 4 > entry.part.total
        )

    def _back(self, entry: Entry, number: int, current: Slot) -> int:
        run = self._run
        if self._stale(entry, number, current.number):
            return number
        roles = [role_of(one) for one in entry.values]
        before = run.slots.get(number)
        only_evaluation = bool(roles) and all(split in _EVALUATION for split, _ in roles)
        if number == current.number - 1 and only_evaluation and not current.holds(roles):
            # Training counts from 1 and evaluation from 0, or the evaluation comes late.
            return number if before is not None and not before.holds(roles) else current.number
        if number <= min(run.slots):
            self._new_run()
            self._run.numbered = True
            return number
        run.resumed.append(number)
        return number

    def _again(self, entry: Entry, current: Slot, roles: list[Role]) -> None:
        """The same number once more: begun again in the middle, or a second row of it."""
        part = entry.part
        restarts = part is not None and _trains(entry) and part.done * 10 < part.total and current.done > 0.5
        rerun = (
            entry.row
            and current.has_final(roles)
            and any(
                current.values[role_of(one)].measure.number != one.number
                for one in entry.values
                if role_of(one) in current.values
            )
        )
        if (restarts and part is not None and not self._of_evaluation(entry)) or rerun:
            self._run.resumed.append(current.number)
            current.done = 0.0

    def _of_evaluation(self, entry: Entry) -> bool:
        return any(one.split in _EVALUATION for one in entry.values)
