"""The words that head a step's Target, Results and Analysis: many spellings, German ones and slips too.

A line is a heading if such a word stands at its beginning and nothing but its surroundings ("Our targets for
step 2 (first try)") stands between it and a colon, a dash, a verb or the line's end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum
from functools import lru_cache

MAX_LINE_CHARS = 4_000
_MAX_HEAD = 160  # characters in which a heading's own words stand
_ALIKE = 0.84  # "Anaylsis" and "Analysys" are 0.88 like it, "Realist" is 0.71 like Result


class Part(Enum):
    """One of the three texts that each step has."""

    TARGET = "Target"
    RESULTS = "Results"
    ANALYSIS = "Analysis"


@dataclass(frozen=True, slots=True)
class Headed:
    """A line that opens one part, or two at once ("Results and Analysis"); ``rest`` is what follows in it."""

    parts: tuple[Part, ...]
    rest: str = ""


_WORDS: dict[Part, str] = {
    Part.TARGET: "target targets goal goals objective objectives aim aims purpose intention intent "
    "ziel ziele zielsetzung zielvorgabe zielvorgaben vorgabe "
    "vorgaben vorhaben objectif objectifs objetivo objetivos",
    Part.RESULTS: "result results outcome outcomes "
    "ergebnis ergebnisse resultat resultate resultats résultat résultats resultado resultados",
    Part.ANALYSIS: "analysis analyses analyze analyzing analysing "
    "observation observations inference inferences "
    "conclusion conclusions finding findings learning learnings "
    "insight insights takeaway takeaways discussion "
    "interpretation "
    "analyse analysen auswertung auswertungen beobachtung beobachtungen erkenntnis erkenntnisse fazit "
    "schlussfolgerung schlussfolgerungen bewertung análisis analisis",
}
_PART = {word: part for part, words in _WORDS.items() for word in words.split()}
# What may stand before the word, and what behind it, in a heading.
_BEFORE = frozenset(
    "our my the this a step steps schritt iteration iter "
    "model modell part teil code notebook file exp experiment "
    "session final overall main key expected actual set "
    "obtained achieved observed some brief short detailed and "
    "training trial attempt version phase stage network unser unsere "
    "mein meine das die der s5 eva first second "
    "third fourth erster zweiter dritter vierter test accuracy ".split()
)
_BEHIND = frozenset(
    "of for in from on with to achieved set obtained observed so "
    "far and the this our my a an step steps schritt "
    "iteration model modell part teil code notebook file "
    "experiment session block section text summary made here "
    "von für des der dieses diesem aus dem is are was were ist sind war waren results result targets target "
    "training accuracy model's experiment's run network first second third fourth it done".split()
)
_VERBS = frozenset("is are was were ist sind war waren".split())
_NOT_THIS = re.compile(r"\bnext\b|\bnächst|\bprevious\b|\bvorig", re.IGNORECASE)

_OPENING = re.compile(
    r"^[\W_]{0,40}(?:\(?(?:\d{1,2}(?:\.\d{1,2}){0,3}|[a-hA-H]|[ivxIVX]{1,4})[.):]+[\W_]{0,10})?"
)
_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?|\d+(?:[.,]\d+)*|\([^()\n]{0,80}\)|\S", re.UNICODE)
_DECORATION = frozenset("*_~`#[]{}'\"“”„‘’»«\u200b.,·")
_ENDS = frozenset(":：;-–—=|>→⇒~")
_JOINS = frozenset("&/+,") | {"and", "und", "et", "y"}


def headed(line: str) -> Headed | None:
    """The parts that the line opens, if it does."""
    line = line[:MAX_LINE_CHARS]
    start = _OPENING.match(line)
    at = start.end() if start else 0
    parts: list[Part] = []
    joined = named = counted = False  # whether the word before was an "and", or a part; whether a number was
    for match in _TOKEN.finditer(line, at, at + _MAX_HEAD):
        word, lower, was_named = match[0], match[0].lower(), named
        part = part_of(lower)
        named = part is not None
        if word in _ENDS:
            if parts:
                hyphen = word == "-" and _is_hyphen(line, match.start())
                return None if hyphen else _made(parts, line, match.end())
            if not _BEFORE & set(re.findall(r"\w+", line[at : match.start()].lower())):
                return None
        elif part is not None and (not parts or joined or was_named):
            parts[len(parts) - was_named :] = [part]  # "Result Analysis" is an analysis
            joined = False
        elif parts and lower in _VERBS:
            return _made(parts, line, match.start()) if _is_set(parts, line[match.end() :], counted) else None
        elif not _goes_on(word, parts):
            return None
        else:
            joined, counted = bool(parts) and lower in _JOINS, counted or word[0].isdigit()
    return _made(parts, line, len(line)) if parts and len(line) <= at + _MAX_HEAD else None


def _goes_on(word: str, parts: list[Part]) -> bool:
    """Whether a heading may have this word before or behind the one that counts."""
    if word[0] == "(":
        return bool(parts)
    if word[0].isdigit() or word in _DECORATION or (parts and word.lower() in _JOINS):
        return True
    return word.lower() in (_BEHIND if parts else _BEFORE)


def _made(parts: list[Part], line: str, end: int) -> Headed | None:
    if _NOT_THIS.search(line[:end]):
        return None
    return Headed(tuple(dict.fromkeys(parts)), line[end:].strip(" \t:-–—=|>→⇒*_~`"))


def _is_set(parts: list[Part], rest: str, counted: bool) -> bool:
    """Whether "the target is …" says what it is, and not that it was reached."""
    return parts == [Part.TARGET] and not counted and _SAYS_WHAT.match(rest) is not None


_SAYS_WHAT = re.compile(r"\s*(?:\W{0,3}\d|to\b|es,?\s|for\b|an?\b|:)", re.IGNORECASE)


def _is_hyphen(line: str, at: int) -> bool:
    """Whether letters stand on both sides, as in "target-driven"."""
    return at > 0 and line[at - 1].isalnum() and at + 1 < len(line) and line[at + 1].isalpha()


@lru_cache(maxsize=4096)
def part_of(word: str) -> Part | None:
    """The part that a word in small letters names, slips of the keyboard allowed."""
    if word in _PART:
        return _PART[word]
    if not 5 <= len(word) <= 16:
        return None
    for known in (
        "target",
        "targets",
        "results",
        "result",
        "analysis",
        "observation",
        "observations",
        "objective",
    ):
        if abs(len(known) - len(word)) <= 2 and SequenceMatcher(None, word, known).ratio() >= _ALIKE:
            return _PART[known] if word not in _OTHER_WORDS else None
    return None


_OTHER_WORDS = frozenset(
    "targeted targeting targetted resulted resulting observed "
    "objection objects object observing observable observer "
    "analyst analytic analytics analysed analyzed resultant consult insult forget".split()
)

_CAPITALISED = "|".join(
    sorted({word.capitalize() for word in _PART} | {word.upper() for word in _PART}, key=len, reverse=True)
)
_INLINE = re.compile(
    rf"(?<=[\s.;!?%)\]])(?=(?:\*\*|__|\*)?(?:{_CAPITALISED})(?:\*\*|__|\*)?\s{{0,2}}(?:\([^()\n]{{0,40}}\)\s?)?[:：])"
)


def split_inline(text: str) -> str:
    """The text with a line of its own for each "Results:" that stands in the middle of one."""
    return "\n".join(_split(text.split("\n")))


def _split(lines: list[str]) -> Iterator[str]:
    for line in lines:
        if len(line) > MAX_LINE_CHARS or line.count("|") > 1:
            yield line
            continue
        parts = _INLINE.split(line)
        # "Our Results:" is one heading: what stands before must be more than its surroundings.
        while len(parts) > 1 and len(parts[0].split()) < 3 and headed(f"{parts[0]}{parts[1]}") is not None:
            parts[:2] = [parts[0] + parts[1]]
        yield from parts
