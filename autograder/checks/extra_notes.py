"""What a student tells of the own model in extra.md: name, e-mail, best accuracy, and what was tried.

The file has no fixed form: labels with colons, headings with a line below them, tables, or a letter. So each
line is freed of its Markdown and joined with the label above it; then each thing is looked for in every form
that people use. What a template leaves to be filled in is no answer. What is missing is asked for, in a
sentence each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from autograder.checks.extra_accuracy import Claim, find_claim
from autograder.checks.extra_lines import (
    EMAIL,
    MAX_CHARS,
    NAME,
    OTHER,
    Entry,
    Line,
    entries_of,
    plain_lines,
    speaks_of_accuracy,
    table_cells,
    tamed,
)
from autograder.checks.notebooks.prose import Block, markdown_blocks
from autograder.outcome import CheckFailed
from autograder.text import cut_line, one_line, quote

MAX_TRIED = 60
_ITEM_CHARS = 300
_NAME_CHARS = _LABEL_CHARS = 100
_FEWEST_WORDS = 3  # of a paragraph that says what was tried
_MOST_LABEL_WORDS = 8
_MOST_VALUE_WORDS = 6  # behind a label; more of them are a sentence

_ADDRESS = re.compile(
    r"(?<![\w.+'%-])([\w.+'%-]{1,64}|\{[\w.,\s+-]{1,120}\})@([\w-]{1,63}(?:\.[\w-]{1,63}){1,6})"
)
_AT = r"(?:[\[({<]\s?(?:at|@)\s?[\])}>]|\s(?:at|AT|@)\s|@\s|\s@)"
_DOT = r"\s{0,2}(?:[\[({<]\s?(?:dot|\.)\s?[\])}>]|\s(?:dot|DOT)\s|\.)\s{0,2}"
_HIDDEN = re.compile(
    rf"(?<![\w.+-])(?P<user>[\w.+-]{{2,64}})\s{{0,2}}(?P<at>{_AT})\s{{0,2}}"
    rf"(?P<domain>[\w-]{{1,63}}(?:{_DOT}[\w-]{{2,63}}){{1,5}})"
)
_PLACEHOLDER = re.compile(
    r"\W*(?:0*[.,]?0*\s?%?|x{1,3}[.,]?x{0,3}\s?%?|todo|tbd|tba|fixme|n/?a|none|nothing|null|yyy*|abc|"
    r"lorem ipsum.*|"
    r"fill (?:in|me|this|out).*|your\b.{0,60}|name|e-?mail(?: address)?|accuracy|(?:first|last) name|"
    r"(?:first|given)[ _-]?name(?: and)? (?:last|family)[ _-]?name|"
    r"(?:insert|enter|put|write|type|add|replace|list|explain|describe)\b[^:]{0,60}"
    r"\b(?:here|name|e-?mail|accuracy|tried|this)\b[^:]*)?\W*"
    r"|\s*(?:<[^<>@]{0,200}>|\[[^\[\]@]{0,200}\]|\{[^{}@]{0,200}\})\s*|[\s._…-]*",
    re.IGNORECASE,
)
_NOBODY = re.compile(
    r"(?:your|name|e-?mail|user(?:name)?|x{2,}|gt-?id|gtusername|first\.?last|id|someone)[\w.]{0,20}@",
    re.IGNORECASE,
)
_CAPITAL = (  # two to nine words; names begin with a capital, or with a letter of a script that has none
    r"(?:[^\W\d_a-zß-öø-ÿ][\w'’.-]{0,40}\s+){1,4}(?:(?:de|la|van|von|der|den|bin|al|el|di|da|dos|le)\s+){0,3}"
    r"[^\W\d_a-zß-öø-ÿ][\w'’.-]{0,40}"
)
_ALONE = re.compile(_CAPITAL)
_INTRODUCED = re.compile(
    r"\b(?i:my\s(?:full\s)?name\sis|(?:submitted|written|done|made|prepared)\sby|i\s?am|i['’]m|this\sis)\s+"
    rf"(?P<name>{_CAPITAL})|^(?i:name|by)\s+(?P<bare>{_CAPITAL})\s*$"
)
_NO_PERSON = re.compile(
    r"\b(?:accuracy|model|network|challenge|cifar\S*|homework|hw\d*|question|q\d\S*|extra|best|deep|learning|"
    r"architecture|results?|experiments?|report|georgia|tech|university|write-?up|credit|neural|convolution\w*|"
    r"training|test|kernel|what|list|batch|data|adam|sgd|final|notes?|introduction|structure|approach|assignment|"
    r"fall|spring|cs|dropout|optimi[sz]er|loss|layers?|conv\w*|relu|pool\w*|augment\w*|rate|normali[sz]ation)\b",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\([^()]{0,80}\)|<[^<>]{0,80}>")
_BEHIND_NAME = re.compile(r"\b(?:gt\s?id|id|e-?mail)\b.*|[,;|]\s?[a-z]{2,15}\d{1,4}$", re.IGNORECASE)
_PART_OF_NAME = re.compile(r"(?:my\s|your\s)?(?:first|last|given|family|sur)")
_TRIED = re.compile(r"\b(?:tried|tries|descriptions?|approach(?:es)?|notes?|experiments?)\b", re.IGNORECASE)
_LEADS_IN = re.compile(r"[^.!?]{0,120}[:：]\s*")
_NO_LETTERS = re.compile(r"^[^\w]+|[^\w.]+$")  # such as a picture of an envelope
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(r"[^\W_][\w'’.-]*")
_LETTERS = re.compile(r"[^\W\d_][\w'’.-]*")
_DOMAIN_ENDS = (".edu", ".com")  # that make "jane at x.edu" an address, and not a sentence


@dataclass(frozen=True, slots=True)
class ExtraNotes:
    """What was found; "" and None where it wasn't. ``problems`` asks for what is missing, in sentences.

    ``template``: the file is there as it was given out, with nothing filled in.
    """

    name: str
    email: str
    accuracy: Claim | None
    tried: tuple[str, ...]
    template: bool
    problems: tuple[str, ...]

    def describe(self) -> str:
        """What was found, for a note."""
        accuracy = self.accuracy.describe() if self.accuracy is not None else "none"
        items = f"{len(self.tried)} item{'s' * (len(self.tried) != 1)}"
        return (
            f"Found: name {self.name or 'none'}, e-mail {self.email or 'none'}, best accuracy {accuracy}, "
            f"{items} on what was tried."
        )


def read_extra(text: str, file: str = "extra.md") -> ExtraNotes:
    """The notes of a text; ``file`` is what sentences call it."""
    shown, text = one_line(file), tamed(_without_json(text))
    wanted = "your name, your e-mail, your best accuracy, and a list of what you tried"
    if not text.strip():
        return ExtraNotes("", "", None, (), False, (f"{shown} is empty: write {wanted} into it.",))
    reader = _Reader(text, shown)
    template = reader.unfilled and not (reader.name or reader.email or reader.accuracy or reader.tried)
    problems = tuple(reader.problems())
    if template:
        problems = (f"{shown} is as it was given out: fill in {wanted}.",)
    return ExtraNotes(reader.name, reader.email, reader.accuracy, reader.tried, template, problems)


def _without_json(text: str) -> str:
    """An object of JSON as lines, a label each; other text as it is."""
    if not text.lstrip().startswith("{") or len(text) > MAX_CHARS:
        return text
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    listed = ((key, value if isinstance(value, list) else [value]) for key, value in found.items())
    return "\n".join(f"{key}: {', '.join(map(str, values))}" for key, values in listed)


def require_extra(notes: ExtraNotes) -> str:
    """What to note; raises CheckFailed where something is missing."""
    if notes.problems:
        raise CheckFailed("\n".join(notes.problems))
    return notes.describe()


class _Reader:
    """Reads one text, each thing once; ``unfilled``: labels of a template were seen."""

    def __init__(self, text: str, file: str) -> None:
        self._raw, self._file = text.split("\n"), file
        self._taken: set[int] = set()  # lines that say something else than what was tried
        self.unfilled = False
        self._lines = plain_lines(self._raw)
        self._entries = entries_of(self._raw, self._lines)
        list(self._filled(OTHER))
        self.email, self._bad_email = self._find_email(text)
        self.name, self._bad_name = self._find_name()
        self.accuracy, self._bad_accuracy = self._find_accuracy()
        self.tried = tuple(self._find_tried())

    def problems(self) -> Iterator[str]:
        """What is missing, and how to say it."""
        if not self.name:
            why = f"{self._bad_name} is no name" if self._bad_name else f"{self._file} doesn't say your name"
            yield f'{why}: write a line such as "Name: Jane Doe".'
        if not self.email:
            bad = f"{self._bad_email} is no e-mail address"
            why = bad if self._bad_email else f"{self._file} has no e-mail address"
            yield f'{why}: write a line such as "E-mail: jane.doe@example.edu".'
        if self.accuracy is None:
            bad = f"{self._bad_accuracy} is no accuracy"
            why = bad if self._bad_accuracy else f"{self._file} doesn't say your best accuracy"
            yield f'{why}: write a line such as "Best accuracy: 72.3 %", and say of which images it is.'
        if not self.tried:
            yield f"{self._file} doesn't say what you tried: list it, a line each, with what came of it."

    def _filled(self, label: re.Pattern[str]) -> Iterator[Entry]:
        """Entries of this label, but for those that are left to be filled in."""
        for entry in self._entries:
            if label.fullmatch(entry.label):
                self._taken.update(entry.lines)
                if _is_unfilled(entry.value):
                    self.unfilled = True
                else:
                    yield entry

    def _find_email(self, text: str) -> tuple[str, str]:
        """It, or what stands in its place."""
        labelled = [entry.value for entry in self._filled(EMAIL)]
        for value in (*labelled, *(line.text for line in self._lines), text):
            if address := _address_in(value):
                return address, ""
        return "", next(map(quote, labelled), "")

    def _find_name(self) -> tuple[str, str]:
        """Likewise."""
        entries = list(self._filled(NAME))
        names = dict.fromkeys(filter(None, (_as_name(entry.value) for entry in entries)))
        if names:
            parts = all(_PART_OF_NAME.match(entry.label) for entry in entries)
            return cut_line((" " if parts else ", ").join(names), _NAME_CHARS), ""
        name = self._introduced() or self._beside_email()
        return name, "" if name else next((quote(entry.value) for entry in entries), "")

    def _introduced(self) -> str:
        for line in self._lines:
            found = _INTRODUCED.search(line.text)
            name = (found["name"] or found["bare"]) if found is not None else ""
            if name and not _NO_PERSON.search(name):
                return cut_line(name.strip(" .,"), _NAME_CHARS)
        return ""

    def _beside_email(self) -> str:
        """On the line of the e-mail or near it, or at the head of the file."""
        filled = [line for line in self._lines if line.text]
        at = next((i for i, line in enumerate(filled) if self.email and _address_in(line.text)), None)
        near = filled[:2]
        if at is not None:
            near = [filled[at], *filled[max(0, at - 2) : at], *filled[at + 1 : at + 2], *near]
        for line in near:
            if name := _name_alone(line.text):
                self._taken.add(line.number)
                return name
        return _name_alone(filled[at].text.partition(self.email)[0]) if at is not None else ""

    def _find_accuracy(self) -> tuple[Claim | None, str]:
        """Likewise."""
        below = [
            Line(one.lines[-1], f"{one.said}: {one.value}") for one in self._entries if len(one.lines) > 1
        ]
        claim = find_claim([*self._lines, *below, *table_cells(self._raw)])
        bad = ""
        for entry in self._entries:
            if not speaks_of_accuracy(entry.label) or len(entry.label.split()) > _MOST_LABEL_WORDS:
                continue
            if len(_LETTERS.findall(entry.value)) <= _MOST_VALUE_WORDS:
                self._taken.update(entry.lines)
            if _is_unfilled(entry.value):
                self.unfilled = True
            elif not bad and len(entry.value) < _NAME_CHARS:
                bad = quote(entry.value)
        return claim, bad

    def _find_tried(self) -> Iterator[str]:
        """Every point, paragraph and row that is left."""
        for line in self._lines:
            rest = line.text.replace(self.email, "") if self.email else line.text
            if rest != line.text and len(_WORD.findall(rest)) <= 2 * _FEWEST_WORDS:
                self._taken.add(line.number)
        left = ["" if at in self._taken else line for at, line in enumerate(self._raw, 1)]
        said = (block for block in markdown_blocks("\n".join(left), 0) if _says_something(block))
        for _, block in zip(range(MAX_TRIED), said, strict=False):
            yield cut_line(" ".join(block.text.split()), _ITEM_CHARS)


def _says_something(block: Block) -> bool:
    text = " ".join(block.text.split())
    words = len(_WORD.findall(text))
    label, _, value = text.partition(":")
    if _TRIED.search(label[:_LABEL_CHARS]) and _is_unfilled(value or label) and "," not in value:
        return False
    heading = block.kind in ("heading", "comment") or (block.is_strong and words < 2 * _FEWEST_WORDS)
    if heading or not _LETTER.search(text) or _is_unfilled(text) or _LEADS_IN.fullmatch(text):
        return False
    if block.kind in ("item", "table"):  # "Label Smoothing" looks like a name
        return words >= 1
    return not _name_alone(text) and words >= _FEWEST_WORDS


# --- values ------------------------------------------------------------------------------------------


def _is_unfilled(value: str) -> bool:
    """Whether it is what a template leaves to be filled in."""
    value = value.strip().strip("*_`\"'").strip()
    return _PLACEHOLDER.fullmatch(value[:400]) is not None or _NOBODY.match(value) is not None


def _address_in(text: str) -> str:
    for found in _ADDRESS.finditer(text):
        address = found[0].strip("'.").rstrip("-_")
        if not _NOBODY.match(address):
            return one_line(address, 200)
    hidden = _HIDDEN.search(text)
    if hidden is None or _NOBODY.match(f"{hidden['user']}@"):
        return ""
    domain = ".".join(filter(None, re.split(_DOT, hidden["domain"])))
    sure = not hidden["at"].isspace() and hidden["at"].strip().lower() != "at"
    dotted = re.search(r"\bdot\b", hidden["domain"], re.IGNORECASE) is not None
    return f"{hidden['user']}@{domain}" if sure or dotted or domain.endswith(_DOMAIN_ENDS) else ""


def _as_name(value: str) -> str:
    name = one_line(_ADDRESS.sub("", _ASIDE.sub("", value)).strip(" ,;|-–—.()"), _NAME_CHARS)
    return name if _LETTER.search(name) and not _is_unfilled(name) else ""


def _name_alone(text: str) -> str:
    """The name that a line is, an e-mail and a number beside it left out."""
    rest = _BEHIND_NAME.sub("", _ASIDE.sub(" ", _ADDRESS.sub("", text))).strip(" ,;|-–—()[]<>:.")
    rest = _NO_LETTERS.sub("", rest)
    if _is_unfilled(text) or len(rest) > _NAME_CHARS or _NO_PERSON.search(rest) or not _ALONE.fullmatch(rest):
        return ""
    return one_line(rest, _NAME_CHARS)
