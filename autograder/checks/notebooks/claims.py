"""Numbers that a text claims about the run, and whether the run says the same.

What doesn't agree is listed for a human, with both quotations. A number is held to the digits that it was
given with; what a text says about other people's work, about a goal, or about an earlier try, is not held
against the run.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from autograder.checks.notebooks.prose import Block, parse_number, sentences
from autograder.text import clean

MAX_CLAIMS = 500
_LONGEST_SENTENCE = 2_000
_SHOWN = 6  # values of the run in one message


class Kind(Enum):
    """What a claim is about."""

    ACCURACY = "accuracy"  # in percent; of the first guess, where nothing else is said
    TOP5 = "top-5 accuracy"  # in percent
    LOSS = "loss"
    EPOCHS = "epochs"
    PARAMETERS = "parameters"
    LEARNING_RATE = "learning rate"
    BATCH_SIZE = "batch size"


_SHARES = (Kind.ACCURACY, Kind.TOP5)


class Hedge(Enum):
    """How firmly a number is said."""

    NONE = ""
    ABOUT = "about"
    OVER = "over"
    UNDER = "under"


@dataclass(frozen=True, slots=True)
class Claim:
    """A number in prose; ``step`` is the place of its last digit, ``epoch`` the one that it is said of.

    ``about_others`` is set where the sentence is about a paper, a goal, a guess or an earlier try.
    """

    kind: Kind
    value: float
    step: float
    sentence: str
    cell: int = 0
    split: str = ""  # "train", "test", or not said
    epoch: int | None = None
    hedge: Hedge = Hedge.NONE
    about_others: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """A number that the run shows; accuracies in percent."""

    value: float
    where: str
    split: str = ""
    epoch: int | None = None


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known about the run, from its outputs or its source. An empty tuple: nothing is known."""

    accuracies: tuple[Known, ...] = ()
    top5: tuple[Known, ...] = ()
    losses: tuple[Known, ...] = ()
    epochs: tuple[Known, ...] = ()
    parameters: tuple[Known, ...] = ()
    learning_rates: tuple[Known, ...] = ()
    batch_sizes: tuple[Known, ...] = ()

    def of(self, kind: Kind) -> tuple[Known, ...]:
        return {
            Kind.ACCURACY: self.accuracies,
            Kind.TOP5: self.top5,
            Kind.LOSS: self.losses,
            Kind.EPOCHS: self.epochs,
            Kind.PARAMETERS: self.parameters,
            Kind.LEARNING_RATE: self.learning_rates,
            Kind.BATCH_SIZE: self.batch_sizes,
        }[kind]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A claim that nothing in the run agrees with, and what the run says instead."""

    claim: Claim
    known: tuple[Known, ...]

    def describe(self) -> str:
        seen = "; ".join(f"{known.value:g} ({known.where})" for known in self.known[:_SHOWN])
        at = f" in epoch {self.claim.epoch}" if self.claim.epoch is not None else ""
        said = f"{self.claim.kind.value} {self.claim.value:g}{at}"
        return f"“{self.claim.sentence}” says {said}; the run says {seen}."


_NUM = (
    r"(?:(?:\d{1,3}(?:,\d{3})+|\d{1,12})(?:\.\d{1,10})?|\.\d{1,10})"
    r"(?:e[-+−]?\d{1,2}|\s?[×x*]\s?10\^?\{?[-−]\d{1,2}\}?)?"
)
_START = r"(?<![\w.,/^])"
_BETWEEN = r"\s{0,3}(?:\([^()]{0,30}\)\s{0,2})?(?:rates?\s{1,2})?(?:(?:of|is|was|to|at|=|:|≈|~|with|reached|reaches|about|around|roughly|approximately|nearly|almost|over|only|just|be|equal(?:s|ed)?|set|went|goes|fell|falls|dropped|rose|got|gets|down|up|as|low|high|than|above|below|under|more|less|from)\s{0,3}){0,5}(?<![\d.])"  # noqa: E501
_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            Kind.LEARNING_RATE,
            rf"\b(?:learning[\s-]?rate|lr|step\s?size)\b(?:\s[a-z]{{1,20}})?{_BETWEEN}(?P<n>{_NUM})(?!\s?%)",
        ),
        (
            Kind.LEARNING_RATE,
            rf"{_START}(?P<n>{_NUM})\s(?:as|for)\s(?:the\s|a\s|our\s|my\s)?(?:initial\s)?(?:learning[\s-]?rate|lr)\b",
        ),
        (Kind.BATCH_SIZE, rf"\b(?:mini[\s-]?)?batch[\s-]?size\b{_BETWEEN}(?P<n>{_NUM})"),
        (Kind.BATCH_SIZE, rf"\b(?:mini[\s-]?)?batches\sof\s(?:size\s)?(?P<n>{_NUM})"),
        (
            Kind.BATCH_SIZE,
            rf"{_START}(?P<n>{_NUM})\s(?:images|samples|examples)\s(?:per|in\s(?:a|each|every))\s(?:mini[\s-]?)?batch\b",
        ),
        (
            Kind.PARAMETERS,
            rf"{_START}(?P<n>{_NUM})\s?(?P<scale>k|m|million|thousand)?\s?(?:trainable\s|learnable\s|total\s)?(?:param(?:eter)?s|weights)\b",
        ),
        (
            Kind.PARAMETERS,
            rf"\b(?:number\sof\s(?:trainable\s|learnable\s)?param(?:eter)?s|parameter\scount|#\s?params?)\b{_BETWEEN}(?P<n>{_NUM})\s?(?P<scale>k\b|m\b|million|thousand)?",
        ),
        (Kind.LOSS, rf"\bloss\b{_BETWEEN}(?P<n>{_NUM})(?!\s?%)"),
        (Kind.EPOCHS, rf"{_START}(?P<n>\d{{1,5}})[\s-]?epochs?\b"),
        (Kind.ACCURACY, rf"{_START}(?P<n>{_NUM})\s?(?:%|percent\b|per\scent\b)"),
        (Kind.ACCURACY, rf"\b(?:acc(?:uracy)?|acc@1|top-1)\b{_BETWEEN}(?P<n>{_NUM})"),
        (Kind.ACCURACY, rf"{_START}(?P<n>\d{{2}}\.\d{{1,4}})(?=\s(?:in|at|after|on)\s)"),
    )
)
_ABOUT_ACCURACY = re.compile(
    r"\bacc(?:uracy)?\b|\bacc@|top-?1\b|\bcorrect|classif|recogni[sz]|\b(?:reach|achiev|obtain|hit|got|get|scor)\w*\b|\bepoch|"
    r"\bon\sthe\s(?:test|training|validation|held)|\btest\s(?:set|images)|generali[sz]",
    re.IGNORECASE,
)
_NOT_ACCURACY = re.compile(
    r"dropout|drop(?:ped|s|ping)?\sout|\bof\sthe\s(?:data|images|training|neurons|units|weights|time|parameters)|\bsplit|improv|gain|increas|faster|"
    r"\bby\s*$|\berror\b|probab|confiden|reduc|slower|speed|\bless\b|\bmore\b\s*$|width|momentum|decay|\bGPU|memory",
    re.IGNORECASE,
)
_EPOCH = re.compile(
    r"\b(?:in|at|after|within|by|from|of|during)?\s?(?:the\s)?epoch\s?(?:number\s|no\.?\s|#)?(\d{1,4})\b|\b(?:after|within|in|by)\s(?:only\s|just\s|about\s)?(\d{1,4})\sepochs?\b|\b(\d{1,4})(?:st|nd|rd|th)\sepoch\b",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"\bpapers?\b|\bauthors?\b|\bet\sal\b|state[\s-]of[\s-]the[\s-]art|\bsota\b|\bliterature\b|\breported\b|according\sto|\btargets?\b|\bgoals?\b|"
    r"\bshould\b|\bwould\b|\bcould\b|\bmight\b|\bexpect\w*|\baim\w*|\bif\s(?:we|i|you|one|the)\b|\bhope\w*|\btypical\w*|\bin\sgeneral\b|\bby\sdefault\b|"
    r"\bleaderboard\b|\bhumans?\b|\bbaseline\b|\bguess\w*|\brandom(?:ly)?\s(?:chance|guess)|\btutorials?\b|\bassignment\b|\brequire\w*|\bneeds?\sto\b|"
    r"\bbenchmark\w*|\bpublished\b|\barticle\b|\bblog\b|\bimagenet\b|\bresnet-?\d+\w*\s(?:reach|achiev|get)\w*|\bcan\sreach\b|\bpeople\b|\bothers\b|"
    r"\btry\b|\bnext\stime\b|\bin\sfuture\b|\bfuture\swork\b|\bwant\w*\b|\bmust\b|\bpossible\sto\b|\bsuppose\b|\bfor\sexample\b|\be\.g\.|\bplan\w*\b|\bwill\b",
    re.IGNORECASE,
)
_EARLIER = re.compile(
    r"\bfirst\s(?:i|we|try|attempt|tried|version|model)|\bpreviously\b|\bearlier\b|\binitially\b|\bat\sfirst\b|\bbefore\sthat\b|\bwhen\s(?:i|we)\s(?:tried|used|set)|"
    r"\bi\salso\stried|\bwe\salso\stried|\bi\stried\b|\bwe\stried\b|\banother\s(?:run|try|model)|\bprevious\s(?:run|model|try|attempt)|\bold\s(?:model|version)|\binstead\sof\b|\bwithout\s(?:augment|dropout|batch)",
    re.IGNORECASE,
)
_HEDGES = tuple(
    (hedge, re.compile(rf"(?:{words})\s?$", re.IGNORECASE))
    for hedge, words in (
        (
            Hedge.ABOUT,
            r"\babout|\baround|~|≈|\broughly|\bapprox(?:imately|\.)?|\bcirca|\bca\.?|\bsome|\bclose\sto|"
            r"\bnear(?:ly)?|\balmost|±",
        ),
        (
            Hedge.OVER,
            r"\bover|\bmore\sthan|\babove|\bat\sleast|\bbeyond|\bexceed(?:s|ed|ing)?|\bgreater\sthan|"
            r"\bhigher\sthan|>=?|≥|\bbetter\sthan|\bpast",
        ),
        (
            Hedge.UNDER,
            r"\bunder|\bless\sthan|\bbelow|\bat\smost|\bup\sto|\bfewer\sthan|<=?|≤|\blower\sthan|"
            r"\bsmaller\sthan|\bno\smore\sthan",
        ),
    )
)
_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6}
_TENS = re.compile(r"\s?[×x*]\s?10\^?\{?")


def read_claims(blocks: Sequence[Block]) -> tuple[Claim, ...]:
    """The numbers that the blocks' sentences claim; headings, code and tables claim nothing."""
    found: dict[Claim, None] = {}
    for block in blocks:
        if block.kind in ("heading", "code", "table", "cell"):
            continue
        for sentence in sentences(block.text):
            for claim in _claims_in(sentence[:_LONGEST_SENTENCE]):
                found.setdefault(replace(claim, cell=block.cell))
                if len(found) >= MAX_CLAIMS:
                    return tuple(found)
    return tuple(found)


def _claims_in(sentence: str) -> Iterator[Claim]:
    if not any(char.isdigit() for char in sentence) or sentence.endswith("?"):
        return
    others = bool(_OTHERS.search(sentence) or _EARLIER.search(sentence))
    taken: list[tuple[int, int]] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(sentence):
            span = match.span("n")
            if any(start < span[1] and span[0] < end for start, end in taken):
                continue
            if kind is Kind.ACCURACY and not _is_accuracy(sentence, match):
                continue
            if kind is Kind.EPOCHS and _is_when(sentence, span[0]):
                taken.append(span)
                continue
            ranked = _ranked(sentence, *span) if kind is Kind.ACCURACY else kind
            if ranked is None:
                taken.append(span)
                continue
            claim = _claim(ranked, match, sentence, others)
            if claim is not None:
                taken.append(span)
                yield claim


def _is_accuracy(sentence: str, match: re.Match[str]) -> bool:
    start, end = match.span("n")
    around = sentence[max(0, start - 60) : end + 40]
    nearby = sentence[max(0, start - 30) : start]
    if re.match(
        r"\s{0,2}-?(?:epochs?|seconds?|s\b|minutes?|layers?|images?|steps?|times|parameters|points?\b)",
        sentence[end:],
        re.IGNORECASE,
    ):
        return False
    if _NOT_ACCURACY.search(nearby) or re.match(
        r"\s?(?:%|percent)?\s(?:of\sthe\s(?:data|images|training)|faster|dropout|more|less|error|better|improvement|points?)",
        sentence[end:],
        re.IGNORECASE,
    ):
        return False
    return _ABOUT_ACCURACY.search(around) is not None


def _ranked(sentence: str, start: int, end: int) -> Kind | None:
    """Which accuracy it is, of one guess or of five; None where two are named, and which is whose is open.

    The words since the number before tell, else those right behind it.
    """
    *others, before = _NUMBER_BEFORE.split(sentence[max(0, start - 90) : start])
    if others:  # "92.1% top-1 accuracy and 99.4% …": what stands right behind a number is its own
        before = _NEXT_PART.split(before)[-1]
    behind = _NEXT_PART.split(_OWN_MARK.sub("", sentence[end : end + 60], count=1))[0]
    for part in (before,) if _NAMED.search(before) else (before, behind):
        first, fifth = _TOP1.search(part) is not None, _TOP5.search(part) is not None
        if first and fifth:
            return None
        if first or fifth:
            return Kind.TOP5 if fifth else Kind.ACCURACY
    several = _TOP1.search(sentence) and _TOP5.search(sentence) and re.search(r"\brespectively\b", sentence)
    return None if several else Kind.ACCURACY


_TOP1 = re.compile(r"\btop[\s-]?(?:1|one)\b|\bacc(?:uracy)?\s?@\s?1\b|\bfirst\sguess", re.IGNORECASE)
_TOP5 = re.compile(
    r"\btop[\s-]?(?:5|five|k)\b|\bacc(?:uracy)?\s?@\s?5\b|\b(?:five|5)\s(?:best|guesses|most\slikely|likeliest)\b",
    re.IGNORECASE,
)
_NUMBER_BEFORE = re.compile(r"(?<![\w.@-])\d+\.\d+|(?<![\w.@-])\d+(?=\s?%)")
_NEXT_PART = re.compile(r"[,;]|\b(?:and|but|while|with)\b|(?<![\w.@-])\d+\.\d+")
_NAMED = re.compile(r"\bacc(?:uracy)?\b", re.IGNORECASE)
_OWN_MARK = re.compile(r"^\s?(?:%|percent\b)", re.IGNORECASE)


def _is_when(sentence: str, start: int) -> bool:
    """Whether "after 3 epochs" says when something else was so, not how long the training took."""
    before = sentence[max(0, start - 20) : start]
    when = re.search(
        r"\b(?:after|within|in|by|every|per|last|first|next|each|of)\s(?:the\s)?(?:only\s|just\s|about\s|first\s|last\s|another\s)?$",
        before,
        re.IGNORECASE,
    )
    return when is not None


def _claim(kind: Kind, match: re.Match[str], sentence: str, others: bool) -> Claim | None:
    text = _TENS.sub("e", match["n"]).replace("}", "").replace("−", "-")
    value = parse_number(text)
    if not math.isfinite(value):
        return None
    step = _last_digit(text)
    scale = _SCALES.get((match.groupdict().get("scale") or "").casefold(), 1.0)
    value, step = value * scale, step * scale
    start, end = match.span("n")
    if kind in _SHARES:
        percent = re.match(r"\s?(?:%|percent|per\scent)", sentence[end : end + 12], re.IGNORECASE)
        if not percent and value <= 1:
            if "." not in text:
                return None
            value, step = value * 100, step * 100
        if not 0 <= value <= 100:
            return None
    if kind is Kind.PARAMETERS and value < 10:
        return None
    return Claim(
        kind,
        round(value, 10),
        step,
        clean(sentence, 400),
        split=_split(sentence, start, end),
        epoch=_epoch(sentence, start) if kind in (*_SHARES, Kind.LOSS) else None,
        hedge=_hedge(sentence[max(0, start - 25) : start], sentence[end : end + 12]),
        about_others=others,
    )


def _last_digit(text: str) -> float:
    digits, _, exponent = text.casefold().partition("e")
    places = len(digits.partition(".")[2])
    power = int(exponent) if exponent else 0
    if places == 0:
        bare = digits.replace(",", "")
        zeros = len(bare) - len(bare.rstrip("0")) if len(bare) > 3 else 0
        return float(10.0 ** min(zeros + power, 30))
    return float(10.0 ** max(min(power - places, 30), -30))


def _split(sentence: str, start: int, end: int) -> str:
    """Which split's number it is: the nearest word that says so, those before it first."""
    best, distance = "", 61
    for match in re.finditer(
        r"\b(test|held[\s-]out|unseen|train(?:ing)?|validation|valid|val)\b(?!\s(?:for|a\s|the\smodel|loop|with))",
        sentence,
        re.IGNORECASE,
    ):
        away = start - match.end() if match.end() <= start else match.start() - end + 15
        if 0 <= away < distance:
            distance = away
            best = match[1].casefold()
    if best.startswith("tr"):
        return "train"
    return "test" if best else ""


def _epoch(sentence: str, start: int) -> int | None:
    found = [(abs(match.start() - start), match) for match in _EPOCH.finditer(sentence)]
    if not found:
        return None
    match = min(found, key=lambda one: one[0])[1]
    return int(match[1] or match[2] or match[3])


def _hedge(before: str, after: str) -> Hedge:
    for hedge, pattern in _HEDGES:
        if pattern.search(before):
            return hedge
    if re.match(r"\s?(?:%|percent)?\s?(?:\+|or\sso\b)", after, re.IGNORECASE):
        return Hedge.OVER if "+" in after[:4] else Hedge.ABOUT
    return Hedge.NONE


def contradictions(claims: Sequence[Claim], facts: RunFacts) -> tuple[Contradiction, ...]:
    """The claims about the run that nothing in it agrees with. Where nothing is known, nothing is said."""
    found = []
    for claim in claims:
        known = _comparable(claim, facts.of(claim.kind))
        if claim.about_others or not known:
            continue
        if not any(_agrees(claim, one.value) for one in known):
            nearest = sorted(known, key=lambda one: abs(one.value - claim.value))
            found.append(Contradiction(claim, tuple(nearest[:_SHOWN])))
    return tuple(found)


def _comparable(claim: Claim, known: Sequence[Known]) -> list[Known]:
    """The values that the claim can be held against: of its split and epoch, where it says them."""
    chosen = [one for one in known if math.isfinite(one.value)]
    if claim.split:
        chosen = [one for one in chosen if one.split in (claim.split, "")]
    if claim.epoch is None:
        return chosen
    counted = {one.epoch for one in chosen if one.epoch is not None}
    epochs = {claim.epoch}
    if 0 in counted:
        epochs.add(claim.epoch - 1)  # a log that counts from 0, a text that counts from 1
    there = [one for one in chosen if one.epoch in epochs]
    return there or ([] if claim.epoch in counted else chosen)


def _agrees(claim: Claim, value: float) -> bool:
    step, tiny = claim.step, 1e-9 * max(abs(value), 1e-3)
    match claim.hedge:
        case Hedge.OVER:
            return value >= claim.value - tiny
        case Hedge.UNDER:
            return value <= claim.value + tiny
        case Hedge.ABOUT:
            loose = 1.0 if claim.kind in _SHARES else 0.1 * abs(claim.value)
            return abs(value - claim.value) <= max(loose, step) + 1e-9
    # Rounded or cut off, both are usual: 99.418 is 99.42 or 99.41.
    return abs(value - claim.value) <= step / 2 + tiny or 0 <= value - claim.value < step - tiny
