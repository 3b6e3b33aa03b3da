"""The prose of a notebook: its Markdown as blocks of plain text, with links, citations and quantities.

Only the block structure is parsed by the Markdown library. What stands within a line is tidied here by a few
expressions that run in linear time, because a student's text can be anything, and 200 kB of open brackets
must not take minutes. A text beyond `MAX_CELL_CHARS` is cut there.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from autograder.loaders.notebook import Cell, Notebook
from autograder.text import clean

MAX_CELL_CHARS = 200_000
MAX_ALL_CHARS = 2_000_000
MAX_FOUND = 500  # links, citations or quantities of one text

_PARSER = MarkdownIt("commonmark", {"maxNesting": 12}).enable("table").disable(["inline", "reference"])
_LONGEST_LINE = 20_000  # the parser is quadratic in some lines' length
_MOST_MARKS = re.compile(
    r"^((?:[ \t]{0,8}(?:>|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t]))){12})[^\n]*", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Block:
    """One block: a "heading", "paragraph", "item" of a list, "quote", "code", "table" row, or "comment".

    ``text`` is plain, ``raw`` as it was written; ``label`` is a list item's own number.
    """

    kind: str
    text: str
    cell: int
    level: int = 0  # of a heading
    raw: str = ""
    label: str = ""

    @property
    def is_strong(self) -> bool:
        """Whether it is a line in bold, which many write for a heading."""
        raw = self.raw.strip()
        return len(raw) < 400 and raw.startswith(("**", "__", "<b>", "<strong>"))


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, such as 99.4 and "%"."""

    value: float
    unit: str
    text: str


@dataclass(frozen=True, slots=True)
class Prose:
    """All that a notebook says in Markdown."""

    blocks: tuple[Block, ...]
    words: int
    links: tuple[str, ...]
    citations: tuple[str, ...]
    headings: tuple[Block, ...]
    quantities: tuple[Quantity, ...]

    @property
    def text(self) -> str:
        return "\n".join(block.text for block in self.blocks)

    @property
    def cites_sources(self) -> bool:
        return bool(self.links or self.citations)


def read_prose(notebook: Notebook) -> Prose:
    """What the notebook's Markdown cells say."""
    blocks: list[Block] = []
    raw: list[str] = []
    room = MAX_ALL_CHARS
    for cell in notebook.cells:
        if cell.kind == "markdown" and room > 0:
            source = cell.source[: min(MAX_CELL_CHARS, room)]
            room -= len(source)
            blocks += markdown_blocks(source, cell.number)
            raw.append(source)
    return _prose(blocks, "\n\n".join(raw))


def read_text(text: str) -> Prose:
    """The same for a text or Markdown file."""
    text = text[:MAX_ALL_CHARS]
    return _prose(list(markdown_blocks(text, 0)), text)


def _prose(blocks: list[Block], raw: str) -> Prose:
    plain = "\n".join(block.text for block in blocks if block.kind != "code")
    return Prose(
        blocks=tuple(blocks),
        words=count_words(plain),
        links=find_links(raw),
        citations=find_citations(raw),
        headings=tuple(block for block in blocks if block.kind == "heading"),
        quantities=find_quantities(plain),
    )


def markdown_blocks(source: str, cell: int) -> list[Block]:
    """The blocks of a Markdown text, in order."""
    source = (
        clean(source, MAX_ALL_CHARS, line_limit=_LONGEST_LINE)
        if len(source) > _LONGEST_LINE
        else _tame(source)
    )
    source = _MOST_MARKS.sub(lambda found: found[1][-100:], source)
    blocks: list[Block] = []
    for text in _pieces(_without_comments(source)):
        try:
            blocks += _blocks(_PARSER.parse(text), cell)
        except (RecursionError, ValueError, IndexError):
            blocks.append(Block("paragraph", plain_text(text), cell, raw=text))
    return blocks


_PIECE_CHARS = 20_000  # parsed at once: where the parser is quadratic, it is so in this


def _pieces(source: str) -> Iterator[str]:
    """The text in pieces of a bounded size, parted at an empty line where there is one."""
    while len(source) > _PIECE_CHARS:
        at = source.rfind("\n\n", _PIECE_CHARS // 2, _PIECE_CHARS)
        at = at if at > 0 else source.rfind("\n", _PIECE_CHARS // 2, _PIECE_CHARS)
        at = at if at > 0 else _PIECE_CHARS
        yield source[:at]
        source = source[at:]
    yield source


def _tame(text: str) -> str:
    return (
        clean(text, max(len(text), 1_000) + 1, line_limit=_LONGEST_LINE)
        if text.count("\n") < 390
        else _lines(text)
    )


def _lines(text: str) -> str:
    """`clean` keeps 400 lines; a long cell has more."""
    lines = text.split("\n")
    parts = ("\n".join(lines[at : at + 300]) for at in range(0, len(lines), 300))
    return "\n".join(clean(part, len(part) + 1_000, line_limit=_LONGEST_LINE) for part in parts)


def _without_comments(text: str) -> str:
    """HTML's comments, which nobody sees, taken out; one that isn't closed stays."""
    kept: list[str] = []
    while (at := text.find("<!--")) >= 0 and (end := text.find("-->", at + 4)) >= 0:
        kept.append(text[:at])
        text = text[end + 3 :]
        if len(kept) > 1_000:
            break
    return "".join([*kept, text])


def _blocks(tokens: list[Token], cell: int) -> Iterator[Block]:
    depth = {"heading": 0, "blockquote": 0, "list_item": 0, "tr": 0}
    label, level = "", 0
    row: list[str] = []
    for token in tokens:
        name = token.type.removesuffix("_open").removesuffix("_close")
        if name in depth:
            depth[name] += token.nesting
        if token.type == "heading_open":
            level = int(token.tag[1:])
        elif token.type == "list_item_open":
            label = token.info
        elif token.type == "tr_close":
            yield Block("table", " | ".join(map(plain_text, row)), cell, raw=" | ".join(row))
            row = []
        elif token.type in ("fence", "code_block"):
            yield Block("code", token.content.rstrip("\n"), cell, raw=token.content)
        elif token.type == "html_block" and (text := plain_text(token.content)):
            large = _html_heading(token.content)
            yield Block("heading" if large else "paragraph", text, cell, large, token.content)
        elif token.type == "inline" and depth["tr"]:
            row.append(token.content)
        elif token.type == "inline":
            kind = next((kind for within, kind in _KINDS if depth[within]), "paragraph")
            large = level if kind == "heading" else 0
            yield Block(kind, plain_text(token.content), cell, large, token.content, label)
            label = ""


_KINDS = (("heading", "heading"), ("blockquote", "quote"), ("list_item", "item"))


def _html_heading(content: str) -> int:
    found = re.match(
        r"\s*(?:<(?:div|center|p|font|span)\b[^>]{0,300}>\s*)?<h([1-6])\b", content[:800], re.IGNORECASE
    )
    return int(found[1]) if found else 0


_TAG = re.compile(r"</?[A-Za-z][^<>]{0,1000}>")
_IMAGE = re.compile(r"!\[([^\[\]]{0,500})\]\((?:[^()\s]|\([^()\s]{0,200}\)){0,3000}(?:\s[^()]{0,300})?\)")
_LINK = re.compile(r"\[([^\[\]]{0,500})\]\((?:[^()\s]|\([^()\s]{0,200}\)){0,3000}(?:\s[^()]{0,300})?\)")
_EMPHASIS = re.compile(
    r"(?<![\w*\\])\*{1,3}(?=\S)|(?<=[^\s\\])\*{1,3}(?![\w*])|(?<![\w\\])_{1,3}(?=\S)|(?<=[^\s\\])_{1,3}(?!\w)|`+|~~"
)
_SPACES = re.compile(r"[ \t\u00a0]+")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")


def plain_text(raw: str) -> str:
    """A line or paragraph without Markdown's and HTML's own marks."""
    text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", raw))
    text = _EMPHASIS.sub("", html.unescape(_TAG.sub(" ", text)))
    return _SPACES.sub(" ", _ESCAPED.sub(r"\1", text)).strip()


_WORD = re.compile(r"[^\W_]+(?:['’.,-][^\W_]+)*")


def count_words(text: str) -> int:
    return sum(1 for _ in _WORD.finditer(text))


_URL = re.compile(r"(?:https?://|www\.)[^\s<>\"'`\]\[{}|\\]{3,2000}", re.IGNORECASE)


def find_links(text: str) -> tuple[str, ...]:
    """The addresses in a text, each once."""
    found: dict[str, None] = {}
    for match in _URL.finditer(text):
        address = match[0].rstrip(".,;:!?*_")
        while address.endswith(")") and address.count("(") < address.count(")"):
            # one closing bracket more than opening ones: it belongs to the sentence, or to Markdown
            address = address[: address.rindex(")")].rstrip(".,;:!?*_")
        head, bracket, _ = address.partition(")")
        if bracket and "(" not in head:
            address = head
        found.setdefault(clean(address, 2_000, line_limit=2_000))
        if len(found) >= MAX_FOUND:
            break
    return tuple(found)


_CITATION = re.compile(
    r"(?P<arxiv>\barxiv[:\s]{0,3}(?:abs/)?\d{4}\.\d{4,5}(?:v\d{1,2})?|\barxiv\.org/(?:abs|pdf)/[\w./-]{4,40})"
    r"|(?P<doi>\b(?:doi[:\s]{0,3})?10\.\d{4,9}/[^\s<>\"'\])]{2,100})"
    r"|(?P<number>(?<![\w\])])\[\d{1,3}(?:[,–-]\s?\d{1,3}){0,8}\](?![(:]))"
    r"|(?P<author>\b[A-Z][\w'’-]{1,30}(?:\s(?:and|&)\s[A-Z][\w'’-]{1,30}|\s+et\.?\s+al\b\.?)[,\s]{0,3}\(?(?:19|20)?\d{0,2}\b)"
    r"|(?P<list>^[ \t#*>_-]{0,10}(?:sources?|references?|bibliography|citations?|credits?|literature|"
    r"acknowledge?ments?|quellen)[ \t*_]{0,4}(?::|$))",
    re.IGNORECASE | re.MULTILINE,
)


def find_citations(text: str) -> tuple[str, ...]:
    """Whatever names a source without an address: arXiv's numbers, DOIs, [1], authors, a list of sources."""
    found: dict[str, None] = {}
    for match in _CITATION.finditer(text):
        if match.lastgroup == "author" and (
            "al" not in match[0].split() and "al." not in match[0] and not match[0][-2:].isdigit()
        ):
            continue
        found.setdefault(clean(" ".join(match[0].split()).strip(" (,"), 200))
        if len(found) >= MAX_FOUND:
            break
    return tuple(one for one in found if one)


_NUMBER = r"(?<![\w.,])[-+−]?(?:\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.\d{1,12})?(?:e[-+]?\d{1,3})?"
_QUANTITY = re.compile(
    rf"(?P<number>{_NUMBER})(?:\s{{0,2}}(?P<scale>k|m|b|million|billion|thousand)\b)?\s{{0,2}}-?"
    r"(?P<unit>%|percent(?:age)?(?:\s+points?)?\b|per\s?cent\b|pp\b|p\.p\.|points?\b|epochs?\b|"
    r"(?:trainable\s+|learnable\s+)?(?:param(?:eter)?s?|weights)\b|"
    r"seconds?\b|secs?\b|s\b|minutes?\b|mins?\b|hours?\b|hrs?\b|h\b|ms\b|images?\b|samples?\b|examples?\b|"
    r"layers?\b|classes\b|pixels?\b|px\b|GB\b|MB\b|KB\b|GiB\b|MiB\b|steps?\b|iterations?\b|batches\b)?",
    re.IGNORECASE,
)
_SCALES = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9}


def find_quantities(text: str) -> tuple[Quantity, ...]:
    """The numbers that have a unit behind them."""
    found: list[Quantity] = []
    for match in _QUANTITY.finditer(text):
        if not match["unit"]:
            continue
        value = parse_number(match["number"]) * _SCALES.get((match["scale"] or "").casefold(), 1.0)
        found.append(Quantity(value, " ".join(match["unit"].casefold().split()), match[0].strip()))
        if len(found) >= MAX_FOUND:
            break
    return tuple(found)


def parse_number(text: str) -> float:
    """The number that a match of `_NUMBER` says; what is too large for one is not finite and stays so."""
    return float(text.replace(",", "").replace("−", "-"))


_SENTENCE_END = re.compile(
    r"(?<=[.!?])(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bal\.)(?<!\bvs\.)(?<!\bapprox\.)(?<!\bFig\.)(?<!\bca\.)[\"')\]]*\s+(?=[\"'(\[]?[^\W_a-z]|$)|\n+"
)


def sentences(text: str) -> list[str]:
    """The text's sentences, roughly; a line ends one too, unless the next goes on in small letters."""
    joined = re.sub(r"(?<=[^\s.!?:|])\n(?=[a-z0-9(])", " ", text)
    return [part.strip() for part in _SENTENCE_END.split(joined) if part and part.strip()]


_HASH = re.compile(r"^[ \t]*#+!?[ \t]?(.*)$")
_QUOTED_PROSE = re.compile(
    r"^[ \t]*[rfbu]{0,2}(\"\"\"|''')((?:(?!\1).){1,20000}?)\1[ \t]*$", re.MULTILINE | re.DOTALL
)


def comment_blocks(cell: Cell) -> list[Block]:
    """What a code cell says in comments, and in strings that stand alone; lines in a row are one block."""
    blocks: list[Block] = []
    lines: list[str] = []
    for line in [*cell.source[:MAX_CELL_CHARS].split("\n"), ""]:
        found = _HASH.match(line[:2_000])
        if found:
            lines.append(found[1])
        elif lines:
            text = clean("\n".join(lines[:200])).strip()
            if text:
                blocks.append(Block("comment", text, cell.number, raw=text))
            lines = []
    if '"""' in cell.source or "'''" in cell.source:
        for match in list(_QUOTED_PROSE.finditer(cell.source[:20_000]))[:20]:
            blocks.append(Block("comment", clean(match[2]).strip(), cell.number, raw=match[2]))
    return blocks
