"""The numbers that a step's Results claim, held against what the notebook's own log says.

Accuracies are shares. A number is held to the digits that it was given with, and beyond that to what the
manifest allows; only what is surely of another network or of a goal is left aside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autograder.checks.notebooks.found import ParameterCount, Series
from autograder.text import cut_line

MAX_TEXT = 20_000
_LINE = 160


@dataclass(frozen=True, slots=True)
class ClaimedNumber:
    """``kind`` is "parameters", "train" or "test"; ``step`` is the worth of its last digit."""

    kind: str
    value: float
    step: float
    said: str


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A claim that nothing in the log agrees with, and what the log says instead."""

    claim: ClaimedNumber
    log: str

    def describe(self) -> str:
        return f"“{self.claim.said}”: the log has {self.log}."


_NUMBER = r"(?<![\w.,])(\d{1,3}(?:,\d{3})+|\d{1,9}(?:[.,]\d{1,6})?)"
_COUNT = re.compile(
    rf"(?:param\w*|gewichte)\D{{0,40}}?{_NUMBER}\s?(k\b)?|{_NUMBER}\s?(k)?\s?(?:\w+\s){{0,2}}(?:param\w*|gewichte)",
    re.IGNORECASE,
)
_SHARE = re.compile(rf"{_NUMBER}\s?(%|percent|prozent)?", re.IGNORECASE)
_ACCURACY = re.compile(r"\bacc\w*\b|genauigkeit|%", re.IGNORECASE)
_TRAIN = re.compile(r"\btrain\w*\b", re.IGNORECASE)
_TEST = re.compile(r"\b(?:test\w*|val\w*)\b", re.IGNORECASE)
_ASIDE = re.compile(
    r"\btarget|\bgoal|\bziel|\bless than\b|\bfewer\b|\bunder\b|\bbelow\b|<|\bwithin\b|\bprevious|\bbefore\b|"
    r"\bearlier|\bvorher|\bgap\b|\bdifference|\bepochs?\b\s*$|\bdropout\b|\bimprov|\bincreas|\bdrop(?:ped|s)?\b|"
    r"\bfrom\b|\bfirst\b|\bexpected|\bloss\b|\bhidden",
    re.IGNORECASE,
)


def read_results(text: str) -> tuple[ClaimedNumber, ...]:
    """The parameters and the best accuracies that a Results block claims, line by line."""
    found: list[ClaimedNumber] = []
    for line in re.split(r"\n|;|(?<=[^\d\s])[,.]\s|\s\|\s", "\n".join(_without_tables(text[:MAX_TEXT]))):
        said = cut_line(" ".join(line.split()), _LINE)
        if _ASIDE.search(said):
            continue
        count = _COUNT.search(line)
        if count:
            number = _parameters(count[1] or count[3], bool(count[2] or count[4]))
            if number is not None:
                found.append(ClaimedNumber("parameters", *number, said))
        rest = line[: count.start()] + line[count.end() :] if count else line
        found += _accuracies(rest, said)
    return tuple(found)


def _without_tables(text: str) -> Iterator[str]:
    """The lines, those of a table as "heading: value" each."""
    header: list[str] = []
    for line in text.split("\n"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if "|" in line else []
        if len(cells) < 2:
            header = []
            yield line
        elif not any(map(str.isdigit, line)):
            header = cells if any(map(str.isalpha, line)) else header
        elif len(header) == len(cells) and (len(cells) > 2 or cells[0][:1].isdigit()):
            yield from (f"{name}: {cell}" for name, cell in zip(header, cells, strict=True))
        else:
            yield f"{cells[0]}: {cells[1]}" if len(cells) == 2 else line


def _parameters(text: str, thousands: bool) -> tuple[float, float] | None:
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+", text):
        text = text.replace(",", "")
    elif re.fullmatch(r"\d{1,3}[.]\d{3}", text) and not thousands:
        text = text.replace(".", "")  # 7.764 as German writes it: nobody has 7 parameters and a bit
    text = text.replace(",", ".")
    value, places = float(text), len(text.partition(".")[2])
    if thousands:
        return value * 1000, 1000.0 / 10**places
    if places:
        return None
    zeros = len(text) - len(text.rstrip("0"))
    return (value, 10.0 ** min(zeros, 3) if zeros >= 2 else 1.0) if value >= 100 else None


def _accuracies(line: str, said: str) -> list[ClaimedNumber]:
    """Those of a line that names a training or a test, each with the nearest such word before it."""
    named = sorted(
        [(match.start(), "train") for match in _TRAIN.finditer(line)]
        + [(match.start(), "test") for match in _TEST.finditer(line)]
    )
    if not named or not _ACCURACY.search(line):
        return []
    found: list[ClaimedNumber] = []
    for match in _SHARE.finditer(line):
        text = match[1].replace(",", ".")
        value, places = float(text), len(text.partition(".")[2])
        percent = value > 1 or bool(match[2])
        if not (50 <= value <= 100 and (places or match[2])) and not (0.5 <= value < 1 and places >= 2):
            continue
        before = [kind for at, kind in named if at < match.start()]
        scale = 100.0 if percent else 1.0
        kind = before[-1] if before else named[0][1]
        found.append(ClaimedNumber(kind, round(value / scale, 9), 1 / scale / 10**places, said))
    return found


def disagreements(
    claims: Sequence[ClaimedNumber],
    series: Sequence[Series],
    counts: Sequence[int],
    printed: Sequence[ParameterCount],
    allowed: float,
) -> tuple[Disagreement, ...]:
    """The claims that nothing agrees with: no epoch's accuracy of that kind, no count of parameters.

    ``counts`` are those that we weighed; ``allowed`` is a share of images.
    """
    found: list[Disagreement] = []
    known = sorted({*counts, *(one.value for one in printed if one.exact)})
    for claim in claims:
        if claim.kind == "parameters":
            if known and not any(_near(claim, value, claim.step) for value in known):
                found.append(
                    Disagreement(claim, " and ".join(f"{value:,}" for value in known[:4]) + " parameters")
                )
            continue
        values = _accuracies_of(series, claim.kind)
        room = max(claim.step, allowed, _rounded_to(values))
        if values and not any(_near(claim, value, room) for value in values):
            best, last = 100 * max(values), 100 * values[-1]
            what = "training" if claim.kind == "train" else "test"
            found.append(
                Disagreement(claim, f"a best {what} accuracy of {best:.2f} %, and {last:.2f} % at the end")
            )
    return tuple(found)


def _rounded_to(values: Sequence[float]) -> float:
    """What the log's shares are all multiples of, where it rounds them to a per cent or a tenth of one."""
    return next(
        (
            unit
            for unit in (0.01, 0.001)
            if all(abs(value / unit - round(value / unit)) < 1e-6 for value in values)
        ),
        0.0,
    )


def _near(claim: ClaimedNumber, value: float, room: float) -> bool:
    return abs(claim.value - value) <= room * 1.0001


def _accuracies_of(series: Sequence[Series], kind: str) -> list[float]:
    """All that was printed, of any set where the log doesn't say which."""
    splits = ("train",) if kind == "train" else ("test", "valid")
    points = [
        (point.place, 1 - point.value if one.quantity == "error" else point.value)
        for one in series
        if one.quantity in ("accuracy", "error") and (one.split in splits)
        for point in one.points
    ]
    return [value for _, value in sorted(points)]
