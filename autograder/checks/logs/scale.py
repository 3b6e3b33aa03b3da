"""Per cent or share: told for a column as a whole, by its values, its neighbours and its loss."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from autograder.checks.logs.joining import Held, Role, Run, role_of
from autograder.checks.notebooks.measures import Measure

STANDING = 0.9
HIGH_LOSS = math.log(100)  # whose network guesses one per cent right: with less, it would be a value above 1
Key = tuple[Role, str]  # the role and the label


@dataclass(slots=True)
class _Column:
    numbers: list[float] = field(default_factory=list)
    said: bool = False  # a percent sign stands there
    beside: list[float] = field(default_factory=list)  # losses of the same rows,
    judged: list[float] = field(default_factory=list)  # … and log(value) + loss


@dataclass(frozen=True, slots=True)
class Share:
    """An accuracy as a share of 1; ``digit`` is what one in its last place is worth."""

    value: float
    digit: float | None


class Scales:
    """Which columns of a run are in per cent."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self._columns: dict[Key, _Column] = {}
        for run in runs:
            for slot in run.slots.values():
                for role, held in slot.values.items():
                    self._note(role, held.measure, slot.values)
                for one in slot.also:
                    self._note(role_of(one), one, slot.values)
        self.notes: list[str] = []
        self._percent = {key: self._in_percent(key, column) for key, column in self._columns.items()}

    def share(self, role: Role, measure: Measure) -> Share | None:
        """The accuracy that ``measure`` says; a rate of errors leaves one."""
        if measure.unit == "counts":
            value, digit = measure.number, None
        elif self._percent.get((role, measure.label), False):
            value, digit = measure.number / 100, 10.0 ** -(measure.decimals + 2)
        else:
            value, digit = measure.number, 10.0**-measure.decimals
        value = 1 - value if measure.quantity == "error" else value
        return Share(round(value, 12), digit) if 0 <= value <= 1 else None

    def _note(self, role: Role, measure: Measure, beside: dict[Role, Held]) -> None:
        if measure.quantity == "loss" or measure.unit == "counts":
            return
        column = self._columns.setdefault((role, measure.label), _Column())
        column.numbers.append(measure.number)
        column.said = column.said or measure.unit == "percent"
        loss = beside.get((role[0], "loss")) or beside.get(("train", "loss"))
        if (
            loss is not None
            and loss.measure.number > 0
            and measure.number > 0
            and measure.quantity != "error"
        ):
            column.beside.append(loss.measure.number)
            column.judged.append(math.log(measure.number) + loss.measure.number)

    def _in_percent(self, key: Key, column: _Column) -> bool:
        if any(number > 1 for number in column.numbers):
            return True
        (split, _), _ = key
        if any(
            number > 1
            for ((other, quantity), _), beside in self._columns.items()
            if other == split and quantity in ("top5", "accuracy")
            for number in beside.numbers
        ):
            return True  # top-1 beside a top-5 of 3.2 is in per cent too
        if not any(column.numbers):
            return column.said
        percent = _by_loss(column)
        if percent is None:
            percent = column.said and all(number < 0.5 for number in column.numbers)
        if percent != column.said:
            taken = "per cent" if percent else "shares of 1"
            doubt = "have a percent sign" if column.said else "have no percent sign"
            if percent or column.said:
                self.notes.append(f"No value of {key[1]!r} is above 1, and they {doubt}; taken as {taken}.")
        return percent


def _by_loss(column: _Column) -> bool | None:
    """exp(-loss) is what the right class gets on (geometric) average, and accuracy is not far from it.

    A network that overfits has a high loss beside a high accuracy. So where no percent sign stands, only a
    loss that never fell makes a value below 1 one per cent of itself.
    """
    if not column.judged:
        return None if column.said else False
    judged = sorted(column.judged)
    if column.said:
        middle = judged[len(judged) // 2]
        return abs(middle - math.log(100)) < abs(middle)
    stands = min(column.beside) > max(STANDING * column.beside[0], HIGH_LOSS)
    return stands and abs(judged[0] - math.log(100)) < abs(judged[0])
