"""Notes down what the reading of a source comes by, each thing once and in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from autograder.checks.notebooks.source_facts import (
    DataUse,
    Leak,
    LeakKind,
    Named,
    Place,
    Setting,
    Split,
)
from autograder.checks.notebooks.source_values import Origin, Value
from autograder.text import clean, quote

MOST_OF_A_KIND = 200


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop that is being read: over a "range", over "data", or over something "other"."""

    kind: str
    count: int | None
    name: str
    place: Place


@dataclass(slots=True)
class Record:
    """What was found so far. Dicts keep the order, and each thing once."""

    data: dict[DataUse, None] = field(default_factory=dict)
    trained_on: dict[DataUse, None] = field(default_factory=dict)
    epochs: dict[Setting, None] = field(default_factory=dict)
    steps: dict[Setting, None] = field(default_factory=dict)
    batch_sizes: dict[Setting, None] = field(default_factory=dict)
    learning_rates: dict[Setting, None] = field(default_factory=dict)
    optimizers: dict[Named, None] = field(default_factory=dict)
    schedulers: dict[Named, None] = field(default_factory=dict)
    augmentations: dict[Named, None] = field(default_factory=dict)
    pretrained: dict[Named, None] = field(default_factory=dict)
    downloads: dict[Named, None] = field(default_factory=dict)
    hard_coded: dict[Named, None] = field(default_factory=dict)
    leaks: dict[Leak, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    loaded: dict[tuple[str, Place, bool], None] = field(default_factory=dict)  # files of weights
    saved: dict[tuple[str, Place], None] = field(default_factory=dict)

    def setting(
        self, into: dict[Setting, None], value: Value | None, place: Place, how: str, *, unknown: bool = False
    ) -> None:
        """Note each number that ``value`` may be; ``unknown`` notes as well that it can't be followed."""
        known = value.known if value else ()
        numbers = [one for one in known if isinstance(one, int | float) and not isinstance(one, bool)]
        for number in numbers:
            if len(into) < MOST_OF_A_KIND:
                into.setdefault(Setting(float(number), place, clean(how, 80)))
        if not numbers and unknown and len(into) < MOST_OF_A_KIND:
            into.setdefault(Setting(None, place, clean(how, 80)))

    def named(self, into: dict[Named, None], name: str, place: Place, *, certain: bool = True) -> None:
        if len(into) < MOST_OF_A_KIND:
            into.setdefault(Named(clean(name, 200), place, certain))

    def use(self, name: str, split: Split, place: Place, *, part: bool = False) -> Origin:
        if len(self.data) < MOST_OF_A_KIND:
            self.data.setdefault(DataUse(clean(name, 80), split, place, part))
        return Origin(clean(name, 80), split, place, part)

    def leak(self, kind: LeakKind, place: Place, certain: bool, why: str) -> None:
        if len(self.leaks) < MOST_OF_A_KIND:
            doubted = Leak(kind, place, False, why)
            if certain:
                self.leaks.pop(doubted, None)
                self.leaks.setdefault(Leak(kind, place, True, why))
            elif Leak(kind, place, True, why) not in self.leaks:
                self.leaks.setdefault(doubted)

    def trained(self, origins: Iterable[Origin], place: Place, *, doubt: bool) -> None:
        """A model was updated with what comes from ``origins``."""
        found = sorted(
            (o for o in origins if not o.weights), key=lambda o: (o.place.cell, o.place.line, o.name)
        )
        splits = {origin.split for origin in found}
        for origin in found:
            if len(self.trained_on) < MOST_OF_A_KIND:
                self.trained_on.setdefault(DataUse(origin.name, origin.split, origin.place, origin.part))
        tests = [o for o in found if o.split in (Split.TEST, Split.BOTH)]
        if not tests:
            return
        source = tests[0]
        alone = splits <= {Split.TEST, Split.BOTH} or Split.BOTH in splits
        sure = alone and not doubt and all(origin.certain for origin in tests)
        made = f"{quote(source.name)} made in {source.place.describe()}"
        what = "train and test images together" if source.split is Split.BOTH else "the test set"
        self.leak(LeakKind.TRAINED_ON_TEST, place, sure, f"The model is updated with {what}: {made}.")

    def asked_by(self, loops: list[Loop]) -> None:
        """A training step stands in ``loops``, the outermost first: which of them counts the epochs?"""
        ranges = [loop for loop in loops if loop.kind == "range"]
        over_data = next((at for at, loop in enumerate(loops) if loop.kind == "data"), None)
        named = [loop for loop in ranges if _says_epoch(loop.name)]
        if named:
            chosen = named[-1]
        elif over_data is not None:
            before = [loop for loop in loops[:over_data] if loop.kind == "range"]
            if not before:
                self.epochs.setdefault(Setting(1.0, loops[over_data].place, "one loop over the data"))
                return
            chosen = before[-1]
        elif len(ranges) > 1:
            chosen = ranges[-2]
        elif ranges:
            self._count(self.steps, ranges[0])
            return
        else:
            return
        self._count(self.epochs, chosen)

    def _count(self, into: dict[Setting, None], loop: Loop) -> None:
        if len(into) < MOST_OF_A_KIND:
            count = None if loop.count is None else float(loop.count)
            into.setdefault(Setting(count, loop.place, f"loop over {loop.name or 'a range'}"))


def _says_epoch(name: str) -> bool:
    return "epoch" in name.casefold() or name in ("ep", "eps")
