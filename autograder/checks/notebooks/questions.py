"""Finds the answers to a homework's questions in a notebook, however the student has set them out.

A question is found by its number or its words in a heading, a bold line, a list, or a paragraph; in comments
only where Markdown has nothing. Its answer is what follows, to the next question or the section's end. What
the handout itself had there, and placeholders, don't count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from autograder.checks.notebooks.prose import (
    MAX_ALL_CHARS,
    MAX_CELL_CHARS,
    Block,
    Quantity,
    comment_blocks,
    count_words,
    find_citations,
    find_links,
    find_quantities,
    markdown_blocks,
    sentences,
)
from autograder.loaders.notebook import Notebook
from autograder.text import clean

MAX_ANSWER_CHARS = 50_000


@dataclass(frozen=True, slots=True)
class Question:
    """A question of the handout.

    ``headings`` are its numbers ("3", "2.1", "b"), or regular expressions for a heading above its answer;
    ``template`` is the text that the handout had where the answer belongs.
    """

    key: str
    title: str
    headings: tuple[str, ...] = ()
    template: str = ""
    min_words: int = 1


class Status(Enum):
    """What stands where the answer belongs."""

    ANSWERED = "answered"
    SHORT = "short"
    TEMPLATE = "template"  # only what the handout had, or a placeholder
    EMPTY = "empty"
    MISSING = "missing"  # the question itself isn't there


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found for one question; ``where`` are the cells, ``how`` says by what it was found."""

    key: str
    status: Status
    text: str = ""
    words: int = 0
    where: tuple[int, ...] = ()
    how: str = ""
    links: tuple[str, ...] = ()
    citations: tuple[str, ...] = ()
    quantities: tuple[Quantity, ...] = ()

    @property
    def given(self) -> bool:
        return self.status is Status.ANSWERED


_NUMBERED = re.compile(r"\d{1,3}(?:\.\d{1,3})*[a-z]?|[a-z]|[ivx]{1,5}", re.IGNORECASE)
_LABEL = re.compile(
    r"\s*[(\[]?(?:(?P<word>questions?|question\s+no|q|exercise|ex|problem|task|part|aufgabe|frage|answer|ans|a|antwort|"
    r"analysis)\b[\s.:#_-]{0,3}(?:no\.?|number|nr\.?|question)?\s{0,2}|(?P<tight>[qa])(?=\d))?"
    r"(?P<number>\d{1,3}(?:\.\d{1,3}){0,3}[a-z]?|[a-z](?=[\s).:\]])|[ivx]{1,5}(?=[).:\]]))(?P<end>[\s).:\]–—-]{1,6}|$)",
    re.IGNORECASE,
)
_ANSWER_LABEL = re.compile(
    r"^[\s>*_#-]*(?:(?:my|the|your|our)\s+)?(?:answers?|ans|a|response|solution|antwort|reply)\b"
    r"(?:\s*\d{1,3}(?:\.\d{1,3})*)?\s*(?:[:.)–—-]+|$)\s*",
    re.IGNORECASE | re.MULTILINE,
)
_PLACEHOLDER = re.compile(
    r"[<\[({_*]{0,10}\b(?:please\s+)?(?:(?:write|type|put|insert|enter|add|fill\s+in|place|give|provide|replace\s+this\s+with)\s+)?"
    r"(?:your|the|an|my)\s+(?:(?:own|short|written)\s+)?(?:answers?|text|response|solution|explanation|code|analysis|comments?|thoughts)"
    r"(?:\s+(?:goes|go|comes|in)?\s*(?:here|below|this\s+cell))+[>\])}_*.!:…]*"
    r"|\byour\s+answer\b[>\])}_*.!:…]*|\b(?:TODO|TBD|FIXME|XXX+)\b[:.]*|\bto\s+be\s+(?:done|answered|filled\s+in)\b"
    r"|\b(?:double[- ]click\s+(?:\([^)]{0,20}\)\s*)?(?:to\s+edit|here)|answer\s+here|"
    r"(?:insert|type|write|fill\s+in)\s+(?:text\s+)?here|"
    r"type\s+\*?markdown\*?\s+and\s+latex|fill\s+me\s+in|lorem\s+ipsum)\b[^\n]{0,60}"
    r"|^\W{0,6}(?:n/?a|none|-+|_+|\.{2,}|…+|\?+|answers?|idk)\W{0,6}$|\.{3,}|…|_{3,}",
    re.IGNORECASE | re.MULTILINE,
)
_STOP = frozenset(
    "the a an of in on to is are and or for do does did you your it its with how what why which this that "
    "be".split()
)
_TOKEN = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A block that a question was found in; ``strength`` tells how surely."""

    at: int
    strength: int
    how: str


def find_answers(notebook: Notebook, questions: Sequence[Question]) -> tuple[Answer, ...]:
    """The answer to each question, in the order of the questions."""
    blocks = list(_all_blocks(notebook))
    anchors = [list(_anchors(question, blocks)) for question in questions]
    chosen: list[Answer] = []
    for order, question in enumerate(questions):
        others = {
            anchor.at
            for other, found in enumerate(anchors)
            if other != order
            for anchor in found
            if anchor.strength >= 2
        }
        chosen.append(_best(question, blocks, anchors[order], others))
    taken = {anchor.at for found in anchors for anchor in found if anchor.strength >= 2}
    return tuple(
        _further_down(question, blocks, found, taken) or answer
        if answer.status in (Status.EMPTY, Status.TEMPLATE)
        else answer
        for question, found, answer in zip(questions, anchors, chosen, strict=True)
    )


def _further_down(
    question: Question, blocks: Sequence[Block], anchors: Sequence[_Anchor], taken: set[int]
) -> Answer | None:
    """The answer of the same number in a list below a list of questions, if there is one."""
    for anchor in anchors:
        own = blocks[anchor.at]
        number = _number_of(own)
        last = max(at for at in taken | {anchor.at} if blocks[at].cell == own.cell)
        near = [
            at
            for at in range(last + 1, len(blocks))
            if blocks[at].cell <= own.cell + _ANSWERS_WITHIN and at not in taken
        ]
        for at in near if number else ():
            if _number_of(blocks[at]) != number or blocks[at].text.rstrip().endswith("?"):
                continue
            text = _beyond_question(question, blocks[at])
            if kept := _kept(question, text):
                return _given(question, [(kept, blocks[at].cell)], "the same number further down")
    return None


_TELLING = frozenset(("paragraph", "item", "quote", "table"))
_ANSWERS_WITHIN = 2  # cells below a list of questions


def _number_of(block: Block) -> str:
    label = _LABEL.match(block.text[:100])
    if block.label:
        return block.label.casefold()
    return label["number"].casefold() if label and (label["end"].strip() or label["word"]) else ""


def _all_blocks(notebook: Notebook) -> Iterator[Block]:
    room = MAX_ALL_CHARS
    for cell in notebook.cells:
        source = cell.source[: min(MAX_CELL_CHARS, max(room, 0))]
        room -= len(source)
        if cell.kind == "code":
            yield Block("cell", "", cell.number)
            yield from comment_blocks(cell)
        else:
            yield from markdown_blocks(source, cell.number)


def _anchors(question: Question, blocks: Sequence[Block]) -> Iterator[_Anchor]:
    numbers = {one.casefold() for one in question.headings if _NUMBERED.fullmatch(one)}
    patterns = [re.compile(one, re.IGNORECASE) for one in question.headings if not _NUMBERED.fullmatch(one)]
    asked = _tokens(question.title)
    for at, block in enumerate(blocks):
        if block.kind in ("cell", "code") or not block.text:
            continue
        strength, how = _strength(block, numbers, patterns, asked)
        if strength:
            yield _Anchor(at, strength - (block.kind == "comment"), how)


def _strength(
    block: Block, numbers: set[str], patterns: Sequence[re.Pattern[str]], asked: frozenset[str]
) -> tuple[int, str]:
    """How surely the block is the question: its own words tell most, a bare number in a list least."""
    head = block.text[:600]
    titled = block.kind == "heading" or block.is_strong
    words = 4 if len(asked) >= 2 and _share(asked, head) >= 0.75 else 0
    if not words and len(asked) == 1 and titled and _share(asked, head) == 1:
        words = 3
    label = _LABEL.match(head)
    number = 0
    if label and label["number"].casefold() in numbers:
        named = bool(label["word"] or label["tight"])
        number = 3 if named else 2 if titled else 1
        if label["number"].isalpha() and not named and not titled:
            number = 0  # "a ..." is a word more often than a number
    elif block.label and block.label.casefold() in numbers:
        number = 1
    line = head[:300] if titled or len(head) < 120 else opening_question(head)
    lines = [one for one in (line, _bold_label(block)) if one]
    pattern = 3 if any(one.search(line) for one in patterns for line in lines) else 0
    if label and numbers and label["number"].casefold() not in numbers and (label["word"] or label["tight"]):
        return 0, ""  # it is another question, whatever words they share
    how = "its words" if words else "its number" if number else "its heading"
    return words + number + pattern, how


def _bold_label(block: Block) -> str:
    """``**Shapes:** the images are …``: what stands in bold before the answer."""
    found = _BOLD.match(block.raw)
    return found[1].strip(" .:–—-") if found else ""


_BOLD = re.compile(r"\s*(?:\*\*|__)([^*_\n]{2,120})(?:\*\*|__)[\s:.–—-]")


def opening_question(text: str) -> str:
    """The question that a block begins with, with its answer behind it; "" where it begins with none."""
    first = next(iter(sentences(_ASKED.sub("", text[:400]))), "")
    return first if first.endswith("?") and len(first) <= _LONGEST_QUESTION else ""


_ASKED = re.compile(r"^\s*(?:q|question)\s*[:.)–—-]+\s*", re.IGNORECASE)
_LONGEST_QUESTION = 240


def _tokens(text: str) -> frozenset[str]:
    return frozenset(word for word in _TOKEN.findall(text.casefold()) if word not in _STOP)


def _share(asked: frozenset[str], text: str) -> float:
    return len(asked & _tokens(text)) / len(asked) if asked else 0.0


def _best(
    question: Question, blocks: Sequence[Block], anchors: Sequence[_Anchor], others: set[int]
) -> Answer:
    """Of the places where the question stands, the surest one that has an answer."""
    if not anchors:
        return Answer(question.key, Status.MISSING)
    strongest = max(anchor.strength for anchor in anchors)
    likely = [anchor for anchor in anchors if anchor.strength >= min(strongest, 3)][:50]
    answers = [_answer(question, blocks, anchor, others) for anchor in likely]
    order = list(Status)
    return min(answers, key=lambda answer: (order.index(answer.status), -answer.words))


def _answer(question: Question, blocks: Sequence[Block], anchor: _Anchor, others: set[int]) -> Answer:
    own = blocks[anchor.at]
    parts: list[tuple[str, int]] = [(_beyond_question(question, own), own.cell)]
    comments: list[tuple[str, int]] = []
    crossed, parts_begun = 0, False
    for at in range(anchor.at + 1, len(blocks)):
        block = blocks[at]
        below = block.kind == own.kind == "heading" and block.level > own.level
        if (at in others and (parts_begun or not below)) or _ends_section(own, block):
            break
        parts_begun = parts_begun or block.kind in _TELLING
        if block.kind == "cell":
            crossed += 1
            if crossed > 2 or any(_kept(question, text) for text, _ in parts):
                break
        elif block.kind == "comment":
            comments.append((block.text, block.cell))
        else:
            parts.append((block.text, block.cell))
    parts = _from_label(parts)
    written = [(kept, cell) for text, cell in parts if (kept := _kept(question, text))]
    how = anchor.how
    if not written:
        written = [(kept, cell) for text, cell in comments if (kept := _kept(question, text))]
        how = "a comment in code"
    if not written:
        untouched = any(text.strip() for text, _ in parts)
        return Answer(
            question.key, Status.TEMPLATE if untouched else Status.EMPTY, where=(own.cell,), how=anchor.how
        )
    return _given(question, written, how)


def _from_label(parts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """From "Your answer:" on, where that stands: what is above it is the question's own text."""
    for at, (text, cell) in enumerate(parts):
        label = _YOUR_ANSWER.search(text)
        if label is not None:
            return [(text[label.start() :], cell), *parts[at + 1 :]]
    return parts


_YOUR_ANSWER = re.compile(
    r"^[\s>*_#-]*(?:(?:my|the|your|our)\s+)?(?:answer|ans|response|antwort)\s*[:–—]|"
    r"^[\s>*_#-]*(?:my|your)\s+answer\s*$",
    re.IGNORECASE | re.MULTILINE,
)


def _given(question: Question, written: Sequence[tuple[str, int]], how: str) -> Answer:
    text = "\n\n".join(part for part, _ in written)[:MAX_ANSWER_CHARS]
    words = count_words(text)
    enough = words >= question.min_words and words > 0
    return Answer(
        question.key,
        Status.ANSWERED if enough else Status.SHORT,
        text=clean(text, MAX_ANSWER_CHARS),
        words=words,
        where=tuple(dict.fromkeys(cell for _, cell in written)),
        how=how,
        links=find_links(text),
        citations=find_citations(text),
        quantities=find_quantities(text),
    )


def _ends_section(anchor: Block, block: Block) -> bool:
    if block.kind == "heading":
        return anchor.kind != "heading" or block.level <= anchor.level
    label = _LABEL.match(block.text[:200])
    if label is None or (label["word"] is None and label["tight"] is None):
        return bool(anchor.label and block.label and block.kind == "item" and block.label != anchor.label)
    # "Question 4" that the manifest doesn't list ends an answer too; "Answer 3" belongs to question 3.
    return not (label["word"] or label["tight"] or "").casefold().startswith("a")


def _beyond_question(question: Question, block: Block) -> str:
    """What the block that holds the question says besides it: an answer on the same line."""
    if block.kind == "heading":
        return ""
    text = block.text
    label = _LABEL.match(text)
    if label:
        answers = (label["word"] or label["tight"] or "").casefold().startswith("a")
        text = text[label.end() :]
        if answers:
            return text
    asked = _tokens(question.title)
    strong = re.match(r"\s*(?:\*\*|__)([^*_]{1,400})(?:\*\*|__)", block.raw)
    if strong and text.startswith(strong[1].strip()[-20:]) is False and block.is_strong:
        head = re.sub(r"\W+", " ", strong[1]).split()
        text = _without_start(block.text, head)
    kept = []
    for sentence in sentences(text):
        if sentence.endswith("?"):
            continue
        found = _tokens(sentence)
        if asked and found and len(found & asked) / len(found) >= 0.8 and len(found) <= len(asked) + 3:
            continue
        kept.append(sentence)
    return "\n".join(kept)


def _without_start(text: str, words: Sequence[str]) -> str:
    at = 0
    for word in words:
        found = text.find(word, at)
        if found < 0 or found - at > 20:
            return text
        at = found + len(word)
    return text[at:].lstrip(" .:)*_-–—")


def without_placeholders(text: str) -> str:
    """The text without what a handout puts where an answer belongs, such as "TODO" or "your answer here"."""
    return _PLACEHOLDER.sub(" ", text)


def _kept(question: Question, text: str) -> str:
    """The part of a text that is the student's own: no placeholder, no label, nothing of the handout's."""
    text = _PLACEHOLDER.sub(" ", _ANSWER_LABEL.sub("", text[:MAX_ANSWER_CHARS]))
    handout = _squeezed(f"{question.template}\n{question.title}")
    kept = []
    for sentence in sentences(text):
        squeezed = _squeezed(sentence)
        if squeezed and squeezed not in handout:
            kept.append(sentence)
    return "\n".join(kept)


def _squeezed(text: str) -> str:
    return " ".join(_TOKEN.findall(text.casefold()))
