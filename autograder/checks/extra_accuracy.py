"""The accuracy that a text claims as its best, and whether log, notebook and predictions say the same.

People write "Best accuracy: 72.3 %", "0.72", "7230/10000", "I got 55% of accuracy in the validation set", or
a row of a table. What stands behind a label counts before a sentence, "best" before other labels, the test
set before the validation set. Numbers of the training set, of dropout, of others' work, or of what something
gained are no claim. Where the claim and what was handed in disagree, a person hears of it: it is no verdict.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from autograder.checks.extra_lines import Line, accuracies_in, speaks_of_accuracy
from autograder.text import cut_line, one_line

Split = Literal["test", "valid", ""]

_MOST_LINE_CHARS = 1_000
_QUOTED = 160
_LABEL, _BETWEEN = 100, 120  # characters of a label, and from it to its number
_FEWEST = 50  # images behind a count: 3/50 is an epoch's number
_ROUGHLY = 0.01  # that "about 72 %" leaves open

_DIGITS = r"(?:\d{1,3}(?:[.,]\d{1,8})?|[.,]\d{1,8})"
_NUMBER = re.compile(
    rf"(?<![\w.,/])(?<!\w-)(?P<right>\d{{1,3}}(?:,\d{{3}})+|\d{{1,7}})\s?(?:/|\bout\sof\b|\bof\b(?:\sthe\b)?)\s?"
    r"(?P<of>\d{1,3}(?:,\d{3})+|\d{2,7})(?![\w/%]|[.,]\d)"
    rf"|(?<![\w.,/])(?<!\w-)(?:(?P<low>{_DIGITS})\s?(?:-|–|—|\bto\b)\s?)?(?P<n>{_DIGITS})"
    rf"(?:\s?(?:±|\+/?-)\s?{_DIGITS})?(?P<percent>\s?(?:[%％٪]|per\s?cent\b|pct\b|(?:/|\bout\sof\b)\s?100\b))?"
    r"(?![\w/]|[.,]\d)",
    re.IGNORECASE,
)
_BEST = re.compile(
    r"\bbest(?:e[nrs]?)?\b|\bmejor\b|\bmeilleure?\b|\bmigliore?\b|\bmelhor\b|最[佳高好]|최고|"
    r"\bhighest\b|\bmax(?:imum)?\b|\btop\b|\bfinal(?:ly)?\b|\bpeak\b",
    re.IGNORECASE,
)
_REACHED = re.compile(
    r"\b(?:reach|achiev|obtain|attain|scor|hit|got|gets?|gave|gives|yield|submitted|result)\w*\b",
    re.IGNORECASE,
)
_ENDS_LABEL = re.compile(r"[:：=|]|\s[-–—>]+\s|->|→")
_SHORT = re.compile(
    r"^(?:(?:my|the|our|best|final|highest|overall|top|max(?:imum)?|test(?:ing)?|val(?:idation)?|set|on)\s)*"
    r"acc(?:uracy)?\b[^.!?]{0,40}$",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"^\s?[(\[][^()\[\]]{0,60}[)\]]")
_SCORE = re.compile(
    r"^(?:(?:my|the|our|best|final|highest|overall|top|test(?:ing)?|val(?:idation)?|public|eval\s?ai|leaderboard|"
    r"challenge)\s)*(?:score|results?|performance)\b[^.!?\d]{0,40}(?:[:=|]|\s[-–—]\s)[^.!?\d]{0,20}$",
    re.IGNORECASE,
)
_BEST_ALONE = re.compile(
    r"^(?:(?:my|our|the)\s)?best(?:\s(?:so\sfar|one|run))?\s?(?:[:=]|\s[-–—])\s?$", re.IGNORECASE
)
_WORD_BEFORE = re.compile(
    r"\bacc(?:uracy)?\s(?:of|is|was|to|at|as|=|about|around|up)[\s\w]{0,20}$", re.IGNORECASE
)
_TOP_5 = re.compile(r"\btop[\s-]?(?:[2-9]|five|three|k)\b", re.IGNORECASE)
_CLAUSE_ENDS = re.compile(r"[;!?|]|\.(?=\s|$)|,(?!\d)|\band\b|\bbut\b|\bwhile\b")
_SPLITS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "test",
        re.compile(
            r"\b(?:test(?:ing|set)?|eval\s?ai|evalai|challenge|leader\s?board|public|held[\s-]out)\b", re.I
        ),
    ),
    ("valid", re.compile(r"\b(?:val(?:id(?:ation)?)?|dev)\b", re.I)),
    ("train", re.compile(r"\btrain(?:ing)?\b(?!\s(?:for|on|with|time|it|epochs?))", re.I)),
)
_NOT_BEFORE = re.compile(
    r"(?:drop(?:ped|ping|s)?[\s-]?out|\berror(?:\srate)?|\bloss|\bby|\bimprove\w*|\bincrease\w*|\bgain\w*|\bp\s?=|\brate|"
    r"\bmomentum|\bdecay|\blr|\bepochs?|\bfrom|\bsplit|\bdifference|\bgap|\badded|\bprobability|\bbatch(?:\ssize)?|"
    r"\bquestion|\bq|\bresnet|\bvgg|\bcifar)(?:\s(?:of|is|was|to|=|about|with|the|by|set|size)|[\s:=-])*$",
    re.IGNORECASE,
)
_NOT_BEHIND = re.compile(
    r"^\s?(?:-?epochs?|-?layers?|seconds?|s\b|min|hours?|h\b|images|params|parameters|filters|channels|blocks|"
    r"drop[\s-]?out|of\sthe\s(?:data|images|training|neurons|units|time)|faster|slower|better|worse|more|less|higher|"
    r"lower|improve\w*|increase|gain|boost|drop\b|decrease|error|points?|probability|x\s?\d|[*×]\s?\d)",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"\bchance\b|\bguess\w*|\brandom(?:ly)?\sguess|\bbaseline\b|\bstaff|\bpapers?\b|\bauthors?\b|\bstate[\s-]of[\s-]the\b|"
    r"\bgoal\b|\btarget\b|\bshould\b|\bcould\b|\bwould\b|\bhop(?:e|ed|ing)\b|\bexpect\w*|\bonly\b|\binitial(?:ly)?\b|"
    r"\bat\sfirst\b|\bstarted\b|\bprevious\w*|\bimagenet\b",
    re.IGNORECASE,
)
_ROUGH = re.compile(
    r"(?:\babout|\baround|~|≈|\broughly|\bapprox\w*\.?|\bca\.?|\bnearly|\balmost|\bsome|\bclose\sto)\s?$",
    re.I,
)


_ENDS = re.compile(r"[.;!?](?=\s|$)")


_TEST, _VALID = _SPLITS[0][1], _SPLITS[1][1]
_NAMED: dict[str, Split] = {"test": "test", "valid": "valid", "": ""}
_PREFERENCE = {"test": 2, "": 1, "valid": 0}


@dataclass(frozen=True, slots=True)
class Claim:
    """An accuracy that is claimed; ``step`` is what one in its last place is worth, as a share."""

    share: float
    step: float
    words: str
    line: int
    split: Split = ""

    def describe(self) -> str:
        """Such as "79.4 %"."""
        places = max(0, min(2, round(-math.log10(max(self.step, 1e-4) * 100))))
        return f"{100 * self.share:.{places}f} %"


# --- the claim ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Seen:
    """A number in a line: all that stands before it, of that what is its own, and what stands behind."""

    match: re.Match[str]
    head: str
    before: str  # since the number before, without what brackets say of that
    behind: str

    @property
    def bare(self) -> bool:
        """A round number without a sign: an accuracy only where the word stands right before it."""
        number = self.match["n"] or ""
        return not (self.match["percent"] or self.match["of"] or "." in number or "," in number)

    @property
    def near(self) -> str:
        """The sentence around it, so far as it is about it."""
        return f"{_ENDS.split(self.head)[-1][-80:]} {_ENDS.split(self.behind)[0][:50]}"


def find_claim(lines: Iterable[Line]) -> Claim | None:
    """The accuracy that is claimed as the best."""
    found = [one for line in lines for one in _in_line(line)]
    return max(found, key=lambda one: one[0])[1] if found else None


def _in_line(line: Line) -> Iterator[tuple[tuple[int, int, float], Claim]]:
    """Claims with their ranks."""
    text = line.text[:_MOST_LINE_CHARS].replace("_", " ")
    words = cut_line(one_line(line.text, _MOST_LINE_CHARS), _QUOTED)
    start = 0
    for match in _NUMBER.finditer(text):
        before = _BRACKETED.sub("", text[start : match.start()]) if start else text[: match.start()]
        seen = _Seen(match, text[: match.start()], before, text[match.end() :])
        value, start = _share_of(match), match.end()
        if value is None or _NOT_BEHIND.match(seen.behind) or _NOT_BEFORE.search(before):
            continue
        if _TOP_5.search(before):
            continue
        kind, split = _kind(seen), _split(seen)
        if not kind or split == "train":
            continue
        share, step = value
        if _ROUGH.search(before):
            step = max(step, 2 * _ROUGHLY)
        claim = Claim(share, step, words, line.number, _NAMED[split])
        yield (kind, _PREFERENCE[split], share), claim


def _share_of(match: re.Match[str]) -> tuple[float, float] | None:
    """The share that a number says and the worth of its last place; None where it can be none."""
    if match["of"]:
        right, of = (int(match[name].replace(",", "")) for name in ("right", "of"))
        return (right / of, 1 / of) if 0 < right <= of and of >= _FEWEST else None
    digits = match["n"].replace(",", ".")
    value, step = float(digits), 10.0 ** -len(digits.partition(".")[2])
    if match["low"]:
        step = max(step, abs(value - float(match["low"].replace(",", "."))))
    if 0 < value <= 1 and "." in digits:  # 0.72; "0.72 %" too: nobody reports less than one in a hundred
        return value, min(step, 1.0)
    return (value / 100, step / 100) if 1 < value <= 100 else None


def _kind(seen: _Seen) -> int:
    """4 behind a label that says "best", 3 behind one, 2 and 1 in a sentence likewise; 0: no accuracy."""
    label = _label(seen)
    if label:
        return 4 if _BEST.search(label) else 3
    if _SCORE.match(seen.head):
        return 3
    if seen.bare and not _WORD_BEFORE.search(seen.before):
        return 0
    if _BEST_ALONE.match(seen.head):
        return 3
    if seen.match["percent"] and not seen.head.strip() and not seen.behind.strip(" .!"):
        return 1
    clause = _CLAUSE_ENDS.split(seen.before)[-1][-80:]
    if _OTHERS.search(clause) or _OTHERS.search(_CLAUSE_ENDS.split(seen.behind)[0][:30]):
        return 0
    on_a_set = _REACHED.search(seen.near) and any(one.search(seen.near) for one in (_TEST, _VALID))
    if not on_a_set and not speaks_of_accuracy(seen.near):
        return 0
    return 2 if _BEST.search(seen.near) else 1


def _label(seen: _Seen) -> str:
    """The words that name it, where it stands behind them as a value behind its label."""
    named = accuracies_in(seen.head)
    if not named:
        return ""
    label, between = seen.head[: named[-1].end()], seen.head[named[-1].end() :]
    if _ENDS.search(between) or len(between) > _BETWEEN or (seen.bare and re.search(r"\d", between)):
        return ""
    if len(label) <= _LABEL and (_ENDS_LABEL.search(between) or _SHORT.match(seen.head.strip())):
        return label
    return label if _SHORT.match(seen.before.strip(" ,;|/()")) else ""


def _split(seen: _Seen) -> str:
    """The part of the data that it is about: by its own brackets, else by the nearest word."""
    own = _BRACKETED.match(seen.behind)
    if own is not None:
        for name, pattern in _SPLITS:
            if pattern.search(own[0]):
                return name
    clause = _CLAUSE_ENDS.split(seen.behind)[0][:60]
    away = [
        (len(seen.before) - found.end(), name)
        for name, pattern in _SPLITS
        for found in pattern.finditer(seen.before)
    ]
    away += [  # what stands before is likelier meant
        (found.start() + 12, name) for name, pattern in _SPLITS for found in pattern.finditer(clause)
    ]
    if away:
        return min(away)[1]
    return next((name for name, pattern in _SPLITS[:2] if pattern.search(seen.head)), "")
