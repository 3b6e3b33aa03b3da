"""A free text as lines without Markdown, and as labels with what stands behind, below or beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autograder.checks.notebooks.prose import plain_text
from autograder.text import MAX_LINES, clean

MAX_CHARS = 200_000
_MOST_LINES = 4_000
_MOST_LINE_CHARS = 2_000
_LABEL_CHARS = 100
_MOST_CELLS = 20  # of a row
_FEWEST_LABELS = 2  # that make a row the head of a table of them

_MARKS = re.compile(
    r"^(?:[\s>]|(?:Q|A|Question|Ans(?:wer)?)\s?[:)](?=\s)|[-*+•–·](?=\s)|\d{1,3}[.)](?=\s)|"
    r"\(?[a-h0-9]{1,2}\)(?=\s)|\[[ xX]\](?=\s))*"
)
_ARROW = re.compile(r"^(\s*)(?:[-=]>|[→•◦▪‣·–—])\s+")  # before a point, where Markdown has a dash
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s*(?![#\s])")
_RULE = re.compile(r"^\s*[-=_*~+|:\s]{2,}$")
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_COMMENT = re.compile(r"<!--.{0,20000}?-->", re.DOTALL)
_AUTOLINK = re.compile(r"<((?:mailto:)?[^<>\s]{1,80}@[^<>\s]{1,80})>")
_MAIL_LINK = re.compile(r"\[([^\[\]]{1,100})\]\(mailto:([^()\s]{1,100})\)")
_SEPARATOR = re.compile(r"\s*(?:[:：=\t]|\s[-–—]+>?\s|->|→)\s*")
_BREAK = re.compile(
    r"[ \t]*<(?:br\s{0,3}/?|/(?:p|li|h[1-6]|div|tr)|/?[uo]l)>[ \t]*(\n?)|(?P<item><li>)[ \t]*", re.IGNORECASE
)
_BRACKETS = re.compile(r"\([^()]{0,80}\)")

_WHO = (
    r"(?:(?:what(?:'s|\sis)|my|your|our|the|student'?s?|full|given|first|last|family|preferred|author'?s?|submitted|"
    r"partner'?s?|and|&|/|,|\+)\s*)*"
)
NAME = re.compile(
    rf"{_WHO}(?:names?|(?:team|group)\s?members?|members?|authors?|students?|by|surname|lastname|firstname|"
    r"nombre|nome|nom|naam|vorname|nachname|имя|姓名|名字|氏名|名前|이름|성명)(?:\s*\d)?"
)
EMAIL = re.compile(
    rf"{_WHO}(?:(?:gt|gatech|georgia\stech|school|contact|university|college)\s*)*"
    r"(?:e[\s-]?mails?|mail|contact|correo|courriel|邮箱|邮件|이메일)(?:\s*(?:address(?:es)?|ids?))?(?:\s*\d)?"
)
OTHER = re.compile(  # that stands beside them and is nothing that was tried
    r"(?:my\s|your\s|student'?s?\s|gt\s?|user\s?|buzzcard\s)*(?:ids?|username|user|number|account|date|"
    r"course|section|class|semester|term|team(?:\sname)?|group(?:\sname)?|homework|assignment|question)"
)
_KNOWN = (NAME, EMAIL, OTHER)
_ACCURACY = re.compile(
    r"(?:\b|(?<=[a-z])(?-i:(?=A)))acc(?:s|u?racy|u?racies|urracy)?\b|\baccuary\b|\btop-?1\b|准确率|正确率"
    # as others say it; "precision" with no accent is English, and something else
    r"|\b(?:test|validierungs)?genauigkeit\b|\bexactitude?\b|\bprecisión\b|\bprécision\b|\baccuratezza\b|"
    r"\bacurácia\b|\bточность\b|準確率|精度|正解率|정확도",
    re.IGNORECASE,
)
_PART = re.compile(r"(?:test|val(?:idation)?|dev)(?:\s(?:set|data))?", re.IGNORECASE)
_NEXT_LABEL = re.compile(
    r"(?:[,;|/]|\s{2,}|\.)\s*(?=(?:[A-Za-z'’-]{1,15}\s?){1,3}[:：=])"
    r"|\s+(?=(?:e[\s-]?mail|id|gt\s?id)\b\s?[:：=])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text, without its Markdown; ``number`` counts from 1."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A label, in small letters, and what stands behind, below or beside it.

    ``said`` is the label as it was written, ``lines`` the numbers of its lines and of its value's.
    """

    label: str
    value: str
    said: str
    lines: tuple[int, ...]


def speaks_of_accuracy(text: str) -> bool:
    return _ACCURACY.search(text.replace("_", " ")) is not None


def accuracies_in(text: str) -> list[re.Match[str]]:
    """Where a text says the word."""
    return list(_ACCURACY.finditer(text))


def tamed(text: str) -> str:
    """The text without what could steer a reader, and without HTML's comments; its lines stay in place."""
    lines = re.split(r"\r\n|\r|\n", text[:MAX_CHARS])[:_MOST_LINES]
    size = MAX_LINES - 10  # `clean` keeps no more of one text
    parts = ("\n".join(lines[at : at + size]) for at in range(0, len(lines), size))
    lines = [_ARROW.sub(r"\1- ", line) for line in lines]
    safe = "\n".join(clean(part, len(part) + 1_000, line_limit=_MOST_LINE_CHARS) for part in parts)
    return _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), _BREAK.sub(_broken, safe))


def _broken(found: re.Match[str]) -> str:
    return "\n- " if found["item"] else "\n"


def plain_lines(raw: Sequence[str]) -> list[Line]:
    """Each line without its marks; rules and fences are empty."""
    return [Line(number, _plain(line)) for number, line in enumerate(raw, 1)]


def _plain(line: str) -> str:
    if _FENCE.match(line) or _RULE.match(line):
        return ""
    with_addresses = _MAIL_LINK.sub(r"\1 \2", _AUTOLINK.sub(r" \1 ", line))  # which are no tags of HTML
    text = plain_text(_HEADING.sub("", _MARKS.sub("", with_addresses)))
    return text.strip(" |").replace("mailto:", "")


# --- labels ------------------------------------------------------------------------------------------


def entries_of(raw: Sequence[str], lines: Sequence[Line]) -> list[Entry]:
    """All labels of a text with their values."""
    heads = list(_table_entries(raw))
    known = {number for entry in heads for number in entry.lines}
    rest = [line for line in lines if line.number not in known]
    return [part for entry in (*heads, *_line_entries(rest)) for part in _parted(entry)]


def _line_entries(lines: Sequence[Line]) -> Iterator[Entry]:
    """Labels with values on one line, or with the value on the next that isn't empty."""
    waiting: Line | None = None
    for line in lines:
        if not line.text:
            continue
        said, value = _halves(line.text)
        if waiting is not None:
            below = not (said and value) and not _is_label(line.text)
            below = below or bool(value and _PART.fullmatch(said) and speaks_of_accuracy(waiting.text))
            numbers = (waiting.number, line.number) if below else (waiting.number,)
            yield Entry(_normal(waiting.text), line.text if below else "", waiting.text, numbers)
            waiting = None
            if below:
                continue
        if said and value:
            yield Entry(_normal(said), value, said, (line.number,))
        elif _is_label(line.text):
            waiting = line
    if waiting is not None:
        yield Entry(_normal(waiting.text), "", waiting.text, (waiting.number,))


def _halves(text: str) -> tuple[str, str]:
    """Such as "Name" and "Jane Doe"; cells of a table are parted by a bar."""
    first, bar, behind = text.partition(" | ")
    if bar and not _SEPARATOR.search(first):
        return first[:_LABEL_CHARS], behind.strip(" |*_")
    found = _SEPARATOR.search(text)
    if found is None or not 0 < found.start() <= _LABEL_CHARS:
        return "", ""
    return text[: found.start()], text[found.end() :].strip(" |*_")


def _is_label(text: str) -> bool:
    """Whether a line is the label of what is asked for, and nothing else."""
    label = _normal(text)
    if NAME.fullmatch(label) or EMAIL.fullmatch(label):
        return True
    short = len(label.split()) <= 8 and not text.endswith(".")
    return short and speaks_of_accuracy(label) and not re.search(r"\d(?!0)", label)


def _normal(label: str) -> str:
    bare = _BRACKETS.sub(" ", label).replace("_", " ")
    return " ".join(bare.strip(" \t:：=*#|-–—.?{},`\"'").split()).lower()


def _parted(entry: Entry) -> Iterator[Entry]:
    """ "Jane Doe, ID: jdoe3" is two."""
    while (found := _NEXT_LABEL.search(entry.value)) is not None:
        said, rest = _halves(entry.value[found.end() :])
        label = _normal(said)
        if not any(known.fullmatch(label) for known in _KNOWN) and not speaks_of_accuracy(label):
            break
        yield Entry(entry.label, entry.value[: found.start()].strip(), entry.said, entry.lines)
        entry = Entry(label, rest, said, entry.lines)
    yield entry


# --- tables ------------------------------------------------------------------------------------------


def table_cells(raw: Sequence[str]) -> Iterator[Line]:
    """The cells of tables, each as a line with the heads of its row and its column."""
    for _, number, heads, cells in _rows(raw):
        for at, (head, cell) in enumerate(zip(heads, cells, strict=False)):
            row = f"{cells[0]} " if at else ""
            yield Line(number, f"{row}{head}: {cell}")


def _table_entries(raw: Sequence[str]) -> Iterator[Entry]:
    """Of a table whose head has several of the labels that are asked for."""
    for head_at, number, heads, cells in _rows(raw):
        labels = [_normal(head) for head in heads]
        whose = sum(bool(NAME.fullmatch(one) or EMAIL.fullmatch(one)) for one in labels)
        if not whose or whose + sum(map(speaks_of_accuracy, labels)) < _FEWEST_LABELS:
            continue
        for label, head, cell in zip(labels, heads, cells, strict=False):
            yield Entry(label, cell, head, (head_at, number))


def _rows(raw: Sequence[str]) -> Iterator[tuple[int, int, list[str], list[str]]]:
    """The numbers of a head and of each row below it, the head's cells and the row's."""
    heads: list[str] = []
    head_at = 0
    for number, line in enumerate(raw, 1):
        if "|" not in line:
            heads = []
        elif not _RULE.match(line):
            inner = line.strip().removeprefix("|").removesuffix("|")
            cells = [plain_text(_AUTOLINK.sub(r" \1 ", cell)) for cell in inner.split("|")[:_MOST_CELLS]]
            if heads:
                yield head_at, number, heads, cells
            else:
                heads, head_at = cells, number
