"""Reads a short text about one technique of an article: what it names, links, reports and compares.

It is a check that nothing is missing, not that it is right: each thing found comes with the sentence that
says it, for a human to judge. The techniques and how they are spelt are the manifest's; so are the article's
addresses, which are no link to a paper.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from autograder.checks.notebooks.prose import (
    find_citations,
    find_links,
    markdown_blocks,
    parse_number,
    sentences,
)
from autograder.text import clean

MAX_CHARS = 200_000
MAX_GAINS = 50
_QUOTED_CHARS = 500
_LONGEST_SENTENCE = 3_000


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique of the article, and how people spell it; blanks stand for any hyphen or none."""

    key: str
    name: str
    spellings: tuple[str, ...]


class Source(Enum):
    """Whose figure it is."""

    PAPER = "paper"
    ARTICLE = "article"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Gain:
    """A gain in accuracy that the text reports, in points; ``unit`` as it was written."""

    value: float
    unit: str
    source: Source
    sentence: str


@dataclass(frozen=True, slots=True)
class Narrative:
    """What was found, each with its sentence; ``missing`` names what was not."""

    technique: Technique | None
    technique_sentence: str
    mentioned: tuple[Technique, ...]  # all that are named, the most often first
    papers: tuple[str, ...]  # links and citations
    gains: tuple[Gain, ...]
    comparison: str
    words: int
    missing: tuple[str, ...]

    def gain(self, source: Source) -> Gain | None:
        return next((gain for gain in self.gains if gain.source is source), None)

    @property
    def complete(self) -> bool:
        return not self.missing


_UNIT = (
    r"%\s{0,2}(?:points?\b|pts?\b)?|percent(?:age)?(?:[\s-]{1,2}points?)?\b|per\s?cent\b|p\.?p\.?(?!\w)|pts?\b|"
    r"points?\b|(?:top|acc(?:uracy)?)\s?[-@]?\s?[15]\b|acc(?:uracy)?\b"
)
_BARE = r"(?:\d{1,3}(?:\.\d{1,4})?|\.\d{1,4})"
_NUMBER = re.compile(
    rf"(?<![\w.,@\[-])(?P<sign>[+±~≈−-]?)\s?(?P<number>{_BARE})(?!\d|\.\d|,\d{{3}}|\])(?:\s{{0,2}}-?(?P<unit>{_UNIT}))?(?!\w)",
    re.IGNORECASE,
)
_FROM_TO = re.compile(
    rf"(?<![\w.])(?P<low>{_BARE})(?:\s?(?P<unit1>{_UNIT}))?\s{{0,3}}(?:\([^()]{{0,40}}\)\s{{0,3}})?(?:to|→|-+>|=>|up\s+to|vs\.?|versus)\s{{0,3}}"
    rf"(?P<high>{_BARE})(?:\s{{0,2}}(?P<unit2>{_UNIT}))?",
    re.IGNORECASE,
)
_GAIN = re.compile(
    r"\b(?:gain\w*|improv\w+|increas\w+|boost\w*|rais\w+|lift\w*|better|higher|rise\w*|rose|add(?:s|ed|ing)?|benefit\w*|"
    r"jump\w*|went\s+up|goes\s+up|up\s+(?:by|from)|grew|more|plus|contribut\w+|brought|brings?|yield\w*|"
    r"got|gets?|saw|sees?|seen|observ\w+|achiev\w+|obtain\w+|differ\w*|found|measur\w+|drop\w*|decreas\w+|wors\w+|reduc\w+|effect|delta|extra|gives?|gave|reports?|reported|from|"
    r"by|verbesser\w+)\b|\+\s?\d",
    re.IGNORECASE,
)
_TARGET = re.compile(r"top[\s-]?[15]\b|acc@[15]|accura|\bacc\b|point|%|percent|(?<![a-z])pp\b", re.IGNORECASE)
_OTHER_UNIT = re.compile(
    r"\s{0,2}-?(?:epochs?|layers?|gpus?|times|x\b|×|images?|px|pixels?|years?|classes|steps?|iterations?|models?|million|"
    r"billion|minutes?|hours?|days?|parameters?|samples?|crops?|repetitions?|runs?|seeds?|data\s?sets?)",
    re.IGNORECASE,
)
_SETTING = re.compile(
    r"(?:probability|alpha|α|beta|epsilon|ε|smoothing|rate|lr|decay|momentum|factor|equation|section|table|fig(?:ure)?|"
    r"size|resolution|version|step|epochs?|λ|lambda|p|ratio|value|weight|year|in|since|ref)\s{0,2}(?:of|to|=|:|is|was|\.|from)?\s{0,2}$",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"\b(?:error|loss)\b", re.IGNORECASE)
_PAPER = re.compile(
    r"\b(?:papers?|authors?|et\s+al|originally|original\s+(?:work|publication|study|results?)|they\s+report\w*|researchers?|"
    r"publication|in\s+their\s+(?:work|experiments?)|arxiv)\b",
    re.IGNORECASE,
)
_ARTICLE = re.compile(
    r"\b(?:articles?|blog(?:[\s-]?posts?)?|torch\s?vision(?:'s)?|pytorch(?:'s)?|recipe|posts?|vryniotis|(?:new|sota)\s+weights|"
    r"training\s+(?:recipe|primitives))\b",
    re.IGNORECASE,
)
_COMPARES = re.compile(
    r"\b(?:compar\w+|than|whereas|while|similar\w*|larger|smaller|less|lower|higher|both|differ\w*|agree\w*|consistent|"
    r"contrast|versus|vs|same|match\w*|in\s+line|close|however|but|half|twice|double|exceed\w*|more|likewise|though|"
    r"although|only|bigger|greater|modest|relative\s+to|unlike|equal\w*|comparable|times|third|quarter|fifth|sixth|"
    r"tenth|fraction|each\s+other|as\s+(?:much|large|big|high|good|well)|agrees?)\b",
    re.IGNORECASE,
)

_BESIDE = re.compile(
    r"\b(?:compar\w+|than|same\s+as|similar\s+to|in\s+contrast|larger|smaller|"
    r"(?:half|twice|double|times|third|quarter|fifth|sixth|tenth|fraction)\s(?:of|the|as|what)|"
    r"as\s(?:much|large|big|high|good)\sas)\b",
    re.IGNORECASE,
)
_BOTH = re.compile(
    r"\b(?:both|the\s+two)\s+(?:\w+\s+){0,2}(?:gains?|improvements?|numbers?|figures?|results?|values?|agree)\b|"
    r"\b(?:far|close|different|near|apart|differ)\b[^.]{0,20}\beach\s+other\b|"
    r"\bthe\s+(?:first|former)\b.{1,60}\bthe\s+(?:second|latter)\b",
    re.IGNORECASE,
)


def read_narrative(
    text: str, techniques: Sequence[Technique], article_addresses: Sequence[str] = ()
) -> Narrative:
    """What the text has of what it should have; ``article_addresses`` are parts of its own address."""
    text = text[:MAX_CHARS]
    blocks = [block for block in markdown_blocks(text, 0) if block.kind != "code"]
    lines = [
        (line[:_LONGEST_SENTENCE], block.kind == "heading")
        for block in blocks
        for line in sentences(block.text)
    ]
    spoken = [line for line, _ in lines]
    mentioned = _mentioned("\n".join(spoken), techniques)
    technique = mentioned[0] if mentioned else None
    gains = tuple(_gains(lines))
    papers = _papers(text, article_addresses)
    comparison = _comparison(spoken, gains)
    sentence = _first_naming(spoken, technique) if technique else ""
    return Narrative(
        technique=technique,
        technique_sentence=sentence,
        mentioned=mentioned,
        papers=papers,
        gains=gains,
        comparison=comparison,
        words=sum(len(line.split()) for line in spoken),
        missing=_missing(technique, papers, gains, comparison),
    )


def _spelt(technique: Technique) -> re.Pattern[str]:
    spellings = (
        r"[\s_‐-–-]{0,3}".join(re.escape(word) for word in re.split(r"[\s_-]+", spelling.strip()))
        for spelling in (technique.name, *technique.spellings)
        if spelling.strip()
    )
    return re.compile(
        r"(?<!\w)(?:" + "|".join(sorted(spellings, key=len, reverse=True)) + r")(?:s|es)?(?!\w)",
        re.IGNORECASE,
    )


def _mentioned(text: str, techniques: Sequence[Technique]) -> tuple[Technique, ...]:
    """The techniques that are named; one named first or in the title wins among those named as often."""
    counted = []
    for order, technique in enumerate(techniques):
        found = [match.start() for match in _spelt(technique).finditer(text)]
        if found:
            counted.append((-len(found), found[0], order, technique))
    return tuple(technique for *_, technique in sorted(counted, key=lambda one: one[:3]))


def _first_naming(spoken: Sequence[str], technique: Technique) -> str:
    pattern = _spelt(technique)
    return next((_quoted(sentence) for sentence in spoken if pattern.search(sentence)), "")


def _papers(text: str, article_addresses: Sequence[str]) -> tuple[str, ...]:
    own = [address.casefold() for address in article_addresses]
    links = [link for link in find_links(text) if not any(address in link.casefold() for address in own)]
    cited = [
        one
        for one in find_citations(text)
        if not one.rstrip(":").isalpha() and not any(one in link for link in links)
    ]
    return tuple(dict.fromkeys([*links, *cited]))


def _gains(lines: Sequence[tuple[str, bool]]) -> Iterator[Gain]:
    """The gains, each with whose it is: the nearest word that says so, or the last one before it."""
    said, count = Source.UNKNOWN, 0
    for sentence, is_heading in lines:
        cues = _cues(sentence)
        if not is_heading:
            for at, value, unit in _gains_in(sentence):
                yield Gain(value, unit, _whose(at, cues, sentence, said), _quoted(sentence))
                count += 1
                if count >= MAX_GAINS:
                    return
        if cues:
            said = cues[-1][1]


_ADDRESS = re.compile(r"https?://\S{1,2000}|\barxiv\.org/\S{1,200}", re.IGNORECASE)


_ITS_AUTHORS = re.compile(  # whose figures are the article's
    r"\b(?:article|blog|post|torch\s?vision|pytorch)(?:[’']s)?\s(authors?|researchers?)\b", re.IGNORECASE
)
_OF_ARTICLE = re.compile(
    r"\b(authors?)\sof\s(?:the|this)\s(?:pytorch\s|torchvision\s)?(?:article|blog|post)", re.IGNORECASE
)


def _cues(sentence: str) -> list[tuple[int, Source]]:
    sentence = _ADDRESS.sub(lambda found: " " * len(found[0]), sentence)  # arxiv.org names nobody's figure
    sentence = _ITS_AUTHORS.sub(lambda found: found[0][: -len(found[1])] + " " * len(found[1]), sentence)
    sentence = _OF_ARTICLE.sub(lambda found: " " * len(found[1]) + found[0][len(found[1]) :], sentence)
    found = [(match.start(), Source.PAPER) for match in _PAPER.finditer(sentence)]
    found += [(match.start(), Source.ARTICLE) for match in _ARTICLE.finditer(sentence)]
    return sorted(found, key=lambda cue: cue[0])


_BOUNDARY = re.compile(
    r"[;,:]|\b(?:while|whereas|but|and|compared|versus|vs|than|against)\b|\||\(", re.IGNORECASE
)


def _whose(at: int, cues: Sequence[tuple[int, Source]], sentence: str, said: Source) -> Source:
    if not cues:
        return said
    bounds = [match.start() for match in _BOUNDARY.finditer(sentence)]
    start = max((bound for bound in bounds if bound < at), default=0)
    end = min((bound for bound in bounds if bound > at), default=len(sentence))
    here = [cue for cue in cues if start <= cue[0] < end]
    if not here and len({source for _, source in cues}) == 1:
        return cues[0][1]
    nearest = min(here or cues, key=lambda cue: abs(cue[0] - at) + (0 if here or cue[0] < at else 60))
    return nearest[1]


def _gains_in(sentence: str) -> Iterator[tuple[int, float, str]]:
    """Position, value in points, and unit of each gain that a sentence reports."""
    listed = _cues(sentence) and ("|" in sentence or ":" in sentence)  # a row of a table, a line of a list
    if not (listed or _GAIN.search(sentence)) or not _TARGET.search(sentence):
        return
    spans: list[tuple[int, int]] = []
    for match in _FROM_TO.finditer(sentence):
        low, high = parse_number(match["low"]), parse_number(match["high"])
        unit = match["unit2"] or match["unit1"] or _near_unit(sentence)
        if 10 <= low <= 100 and 10 <= high <= 100 and abs(high - low) < 30 and unit:
            spans.append(match.span())
            yield match.start(), round(high - low, 4), _tidy(unit)
    shared = next((m["unit"] for m in _NUMBER.finditer(sentence) if m["unit"]), "")
    for match in _NUMBER.finditer(sentence):
        if any(start <= match.start() < end for start, end in spans):
            continue
        gain = _single(sentence, match, shared)
        if gain is not None:
            yield gain


def _single(sentence: str, match: re.Match[str], shared: str) -> tuple[int, float, str] | None:
    unit, value = match["unit"] or "", parse_number(match["number"])
    before, after = sentence[max(0, match.start() - 40) : match.start("number")], sentence[match.end() :]
    if value >= 30 or (not unit and (_OTHER_UNIT.match(after) or "." not in match["number"])):
        return None  # the accuracy itself, a year, a count
    if not unit:
        named = _METRIC.search(before) or _METRIC.search(after[:24])
        unit = shared or (named[0] if named else "")
    if not unit or (_SETTING.search(before.rstrip("+±~≈−- ")) and not match["unit"]):
        return None
    if _RELATIVE.search(after[:12]) and "%" not in unit:
        return None
    sign = -1.0 if match["sign"] in ("−", "-") and before.rstrip("−-")[-1:].isspace() else 1.0
    return match.start(), sign * value, _tidy(unit)


# "Acc@1 goes up by 0.33", "+0.34 for Acc@1": the metric's name is the unit; "accuracy" alone leaves it open.
_METRIC = re.compile(r"\bacc(?:uracy)?\s?@\s?[15]\b|\btop[\s-]?[15]\b", re.IGNORECASE)


def _near_unit(sentence: str) -> str:
    found = re.search(
        r"top[\s-]?[15]\b|acc(?:uracy)?\s?@\s?[15]|%|percent\w*|accuracy", sentence, re.IGNORECASE
    )
    return found[0] if found else ""


def _tidy(unit: str) -> str:
    return " ".join(unit.casefold().rstrip(".").split())


def _comparison(spoken: Sequence[str], gains: Sequence[Gain]) -> str:
    """The sentence that sets the paper's and the article's figures beside each other."""
    for sentence in spoken:
        sources = {source for _, source in _cues(sentence)}
        both_gains = {gain.source for gain in gains if gain.sentence == _quoted(sentence)} >= {
            Source.PAPER,
            Source.ARTICLE,
        }
        if (len(sources) == 2 or both_gains) and _COMPARES.search(sentence):
            return _quoted(sentence)
    known = {gain.source for gain in gains} >= {Source.PAPER, Source.ARTICLE}
    for sentence in spoken:  # "That is less than the article's": one side is named, the other is "that"
        if known and _cues(sentence) and _BESIDE.search(sentence):
            return _quoted(sentence)
    return next((_quoted(sentence) for sentence in spoken if _BOTH.search(sentence)), "")


def _missing(
    technique: Technique | None, papers: Sequence[str], gains: Sequence[Gain], comparison: str
) -> tuple[str, ...]:
    sources = {gain.source for gain in gains}
    unnamed = sum(gain.source is Source.UNKNOWN for gain in gains)
    missing = []
    if technique is None:
        missing.append("the name of one of the article's techniques")
    if not papers:
        missing.append("a link to the paper (an address, an arXiv number, a DOI or a reference)")
    if Source.PAPER not in sources:
        extra = "; a gain is given, but not whose it is" if unnamed else ""
        missing.append(f"the gain that the paper's authors report, with its unit{extra}")
    if Source.ARTICLE not in sources:
        extra = "; a gain is given, but not whose it is" if unnamed else ""
        missing.append(f"the gain that the article reports, with its unit{extra}")
    if not comparison:
        missing.append("a sentence that compares the paper's gain with the article's")
    return tuple(missing)


def _quoted(sentence: str) -> str:
    return clean(sentence, _QUOTED_CHARS)
