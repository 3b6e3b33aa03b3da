"""What is wrong with a file of predictions: the first defects in full, the rest counted by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import Enum

from autograder.text import quote

MOST_TOLD = 10
MOST_KEPT = 50  # examples of a kind, for the advice


class Kind(Enum):
    """One way for a line to be wrong: what one is called, and what many are."""

    FIELDS = ("line with too many or too few fields", "lines with too many or too few fields")
    HEADER = ("header again", "headers again")
    UNKNOWN_ID = ("unknown id", "unknown ids")
    DUPLICATE_ID = ("duplicate id", "duplicate ids")
    MISSING_ID = ("missing id", "missing ids")
    NO_LABEL = ("missing label", "missing labels")
    NAN = ("label that is NaN", "labels that are NaN")
    DECIMAL = ("decimal number as a label", "decimal numbers as labels")
    OBJECT = ("Python object as a label", "Python objects as labels")
    SCORES = ("list of scores as a label", "lists of scores as labels")
    FORMULA = ("spreadsheet formula", "spreadsheet formulas")
    UNKNOWN_LABEL = ("unknown label", "unknown labels")
    PROBABILITY = ("value that is no probability", "values that are no probabilities")
    SUM = ("line whose probabilities don't add up to 1", "lines whose probabilities don't add up to 1")

    def counted(self, count: int) -> str:
        return f"{count:,} {self.value[count != 1]}"


class Defects:
    """The defects of one file, as they are met from its top to its end."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self.examples: dict[Kind, list[str]] = {}
        self._told: list[str] = []
        self._counts_told: Counter[Kind] = Counter()

    def __bool__(self) -> bool:
        return bool(self.counts)

    @property
    def total(self) -> int:
        return self.counts.total()

    def add(self, line: int, kind: Kind, text: str, words: Callable[[], str]) -> None:
        """One on a line: ``text`` is the field, and ``words`` are asked for where they will be read."""
        examples = self.examples.setdefault(kind, [])
        if len(examples) < MOST_KEPT:
            examples.append(text)
        self._add(kind, 1, lambda: f"line {line:,}: {words()}")

    def add_missing(self, count: int, words: Callable[[], str]) -> None:
        """Ids that stand on no line."""
        self._add(Kind.MISSING_ID, count, words)

    def _add(self, kind: Kind, count: int, words: Callable[[], str]) -> None:
        self.counts[kind] += count
        if len(self._told) < MOST_TOLD:
            self._told.append(words())
            self._counts_told[kind] += count

    def message(self, name: str) -> str:
        """All of it: one line for each of the first, and one for all others."""
        noun = "defect" if self.total == 1 else "defects"
        lines = [f"{quote(name)} can't be scored as it is: {self.total:,} {noun}."]
        lines += [f"  {words}" for words in self._told]
        left = self.counts - self._counts_told
        if left:
            kinds = ", ".join(kind.counted(count) for kind, count in left.most_common())
            lines.append(f"  and {left.total():,} more: {kinds}")
        return "\n".join(lines)
