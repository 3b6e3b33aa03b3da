"""The file that holds a narrative, found among what was handed in, and what each of its parts must have.

That a part is there can be seen from here; whether it is right is for a human, who gets the text with the
sentences that were taken for its parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from autograder.checks.notebooks.narrative import Gain, Narrative, Source, Technique, read_narrative
from autograder.intake import Tree
from autograder.outcome import CheckFailed
from autograder.sheet import Sheet
from autograder.text import quote

TEXTS = (".md", ".txt", ".markdown", ".text", ".mdown", ".rst")
_OTHERS = (".docx", ".doc", ".pdf", ".odt", ".rtf", ".pages", ".tex", ".html", ".htm", ".gdoc")
_NO_NARRATIVES = re.compile(
    r"readme|licen[cs]e|requirements|changelog|notes?_to_grader|environment", re.IGNORECASE
)
_MAX_BYTES = 1 << 20
_ACCEPTED = (
    "Hand it in as plain text or Markdown, such as narrative.md: choose “Download as” or “Save as” there."
)
_LISTS = 6  # techniques; who names so many, and none more than the others, writes about all of them
_ONE_AMONG_MANY = 0.25  # of all mentions, that the one technique has at least
_PAPERS = re.compile(
    r"arxiv|doi|10\.\d{4}|openaccess|openreview|proceedings|papers\.nips|neurips|mlr\.press|aclanthology|ieee|springer|"
    r"acm\.org|semanticscholar|paperswithcode|\.pdf\b|et\.? al",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a narrative may be about: ``overall`` is the gain, in points, of all techniques together."""

    techniques: tuple[Technique, ...]
    article: tuple[str, ...]  # parts of its addresses
    overall: tuple[float, float]

    @staticmethod
    def from_toml(table: Mapping[str, Any]) -> Subject:
        techniques = (
            Technique(one["key"], one["name"], tuple(one["spellings"])) for one in table["technique"]
        )
        low, high = table["overall_gain"]
        return Subject(tuple(techniques), tuple(table["article"]), (low, high))


@dataclass(frozen=True, slots=True)
class Essay:
    """The narrative that was handed in: its file, its text, and what was found in it."""

    path: str
    text: str
    read: Narrative
    subject: Subject
    mentions: tuple[int, ...]  # of each technique in ``read.mentioned``

    @property
    def lists_techniques(self) -> bool:
        """Whether it is about all of them."""
        many = len(self.mentions) >= _LISTS
        return many and self.mentions[0] < _ONE_AMONG_MANY * sum(self.mentions)

    def gain(self, source: Source) -> Gain | None:
        """The gain of this source: one of an unnamed source counts where none other is left for it.

        What the article gains with all its techniques together is not the gain of one.
        """
        own = [one for one in self.read.gains if not self.is_overall(one)]
        named = next((one for one in own if one.source is source), None)
        if named is not None:
            return named
        spare = [one for one in own if one.source is Source.UNKNOWN]
        if source is Source.ARTICLE and not any(one.source is Source.PAPER for one in own):
            spare = spare[1:]  # the first stands for the paper's
        return next(iter(spare), None)

    def is_overall(self, gain: Gain) -> bool:
        low, high = self.subject.overall
        return gain.source is not Source.PAPER and low <= gain.value <= high

    def put_on(self, sheet: Sheet) -> None:
        """The text, and beside it what was taken for what."""
        read, notes = self.read, []
        if read.technique is not None:
            notes.append(f"Technique: {read.technique.name}")
        notes += [f"Paper: {one}" for one in read.papers[:3]]
        notes += [f"Gain ({one.source.value}): {one.value:g} {one.unit}" for one in read.gains[:3]]
        notes += [f"Missing: {one}" for one in read.missing[:3]]
        status = "complete" if read.complete else f"{len(read.missing)} of 5 parts missing"
        sheet.answer("narrative", f"Narrative ({self.path}, {read.words} words)", status, self.text, notes)
        if read.papers and not any(_PAPERS.search(one) for one in read.papers):
            sheet.doubt(f"Is this the technique's paper? {read.papers[0]}", self.path)
        if any(
            one.source is Source.UNKNOWN
            for one in (self.gain(Source.PAPER), self.gain(Source.ARTICLE))
            if one
        ):
            sheet.doubt("The narrative gives a gain and doesn't say whose it is.", self.path)


def find_essay(tree: Tree, named: str | None, subject: Subject) -> Essay:
    """The narrative in the tree; ``named`` is the file that has its name. Raises CheckFailed without one."""
    if named is not None:
        return _essay(tree, named, subject)
    texts = [path for path in tree.files if _suffix(path) in TEXTS and not _NO_NARRATIVES.search(path)]
    read = [_essay(tree, path, subject) for path in texts]
    likely = [one for one in read if one.read.technique is not None or one.read.gains]
    if likely:
        return min(likely, key=lambda one: (len(one.read.missing), -one.read.words, one.path))
    others = [path for path in tree.files if _suffix(path) in _OTHERS]
    if others:
        raise _unreadable(others[0])
    raise CheckFailed(
        "There is no narrative in your submission: a text about one technique out of the article.",
        hint="Hand it in as a file of its own beside your notebook, such as narrative.md.",
    )


def _essay(tree: Tree, path: str, subject: Subject) -> Essay:
    data = (tree.root / path).read_bytes()[:_MAX_BYTES]
    if _suffix(path) not in TEXTS or data.startswith(
        (b"PK\x03\x04", b"%PDF", b"{\\rtf", b"\xd0\xcf\x11\xe0")
    ):
        raise _unreadable(path)
    text = _decoded(data)
    read = read_narrative(text, subject.techniques, subject.article)
    mentions = tuple(_count(text, technique) for technique in read.mentioned)
    return Essay(path, text, read, subject, mentions)


def _unreadable(path: str) -> CheckFailed:
    return CheckFailed(
        f"Your narrative seems to be {quote(path)}. Only {' and '.join(TEXTS[:2])} files are accepted.",
        hint=_ACCEPTED,
    )


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _count(text: str, technique: Technique) -> int:
    spellings = sorted({technique.name, *technique.spellings}, key=len, reverse=True)
    joined = "|".join(r"[\s_-]*".join(map(re.escape, spelling.split())) for spelling in spellings)
    return len(re.findall(rf"\b(?:{joined})", text, re.IGNORECASE))


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.casefold()


# --- its parts ------------------------------------------------------------------------------------------


def require_technique(essay: Essay, fewest_words: int) -> str:
    """What to note; raises CheckFailed where the narrative isn't about one technique of the article."""
    read = essay.read
    if read.technique is None:
        names = ", ".join(technique.name for technique in essay.subject.techniques)
        raise CheckFailed(
            f"{quote(essay.path)} names none of the article's techniques.", hint=f"Name one of them: {names}."
        )
    if essay.lists_techniques:
        raise CheckFailed(
            f"{quote(essay.path)} names {len(read.mentioned)} techniques, none much more than the others.",
            hint="Choose one of them, and write what it does and why it helps.",
        )
    if read.words < fewest_words:
        raise CheckFailed(
            f"{quote(essay.path)} has {read.words} words, too few to say what the technique does and why.",
            hint=f"Write at least {fewest_words}.",
        )
    return f"Taken as the technique: {read.technique.name}."


def require_link(essay: Essay) -> str:
    """The same for the paper."""
    if not essay.read.papers:
        raise CheckFailed(
            f"{quote(essay.path)} links no paper; the article's own address is none.",
            hint="Add the address of the technique's paper, such as https://arxiv.org/abs/….",
        )
    return f"Taken as the paper: {essay.read.papers[0]}."


def require_gain(essay: Essay, source: Source) -> str:
    """The same for the gain of this source."""
    gain = essay.gain(source)
    if gain is not None:
        return f"Taken as the gain: {gain.value:g} {gain.unit}, in “{gain.sentence}”."
    whose = (
        "the paper's authors report" if source is Source.PAPER else "the article reports for this technique"
    )
    overall = next((one for one in essay.read.gains if essay.is_overall(one)), None)
    aside = ""
    if source is Source.ARTICLE and overall is not None:
        aside = f" {overall.value:g} {overall.unit} is what it gains with all its techniques together."
    raise CheckFailed(
        f"{quote(essay.path)} doesn't say which gain in accuracy {whose}, or not with its unit.{aside}",
        hint="As in “the authors report a gain of 1.2 percentage points”, or “in the article, top-1 accuracy "
        "rises from 70.1 % to 71.3 %”.",
    )


def require_comparison(essay: Essay) -> str:
    """The same for the comparison."""
    if not essay.read.comparison:
        raise CheckFailed(
            f"{quote(essay.path)} doesn't compare the paper's gain with the article's.",
            hint="Add a sentence that says which of the two is larger, and why that may be.",
        )
    return f"Taken as the comparison: “{essay.read.comparison}”"
