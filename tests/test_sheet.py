"""The reading sheet: what was put there is there once and in order, and what a student wrote is harmless."""

from __future__ import annotations

import base64
import io
import math
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from autograder import sheet as sheets
from autograder.document import ResultsDocument
from autograder.outcome import Evidence
from autograder.sandbox.notebook import CellEnd
from autograder.sheet import Sheet
from autograder.sheet_page import Piece, pieces, render
from autograder.sheet_picture import MAX_BYTES, MAX_SIDE, Shrunk, shrink
from autograder.sheet_run import CellLine, RunNotes, UseLine
from tests.loaders.samples import picture
from tests.test_report import case, document_of, passed

CLAIMED, MEASURED, VERIFIED = Evidence
TEMPLATE = Path(sheets.__file__).parent / "templates" / "reading.html.j2"
PAGE_LIMIT = 5_000_000
HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(2)> {{ 7*7 }} &amp; \x1b[31mred\x07 a\u202eb\u2066c"
)


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> ResultsDocument:
    return document_of(tmp_path_factory.mktemp("out"), [(case("1", "it runs", 4.0), passed(3.0))])


@pytest.fixture
def sheet() -> Sheet:
    return Sheet()


# --- what is put on it --------------------------------------------------------------------------------


def test_the_same_label_takes_the_earlier_ones_place(sheet: Sheet) -> None:
    sheet.fact("Accuracy", "97 %", CLAIMED, "cell 3")
    sheet.fact("Epochs", "9", MEASURED)
    sheet.fact("Accuracy", "98 %", MEASURED, "cell 4")
    assert [(fact.label, fact.value, fact.evidence, fact.where) for fact in sheet.facts] == [
        ("Accuracy", "98 %", MEASURED, "cell 4"),
        ("Epochs", "9", MEASURED, ""),
    ]


def test_answers_stand_in_the_order_of_calls(sheet: Sheet) -> None:
    for key in ("b", "a", "c", "b"):
        sheet.answer(key, f"Question {key}", "answered", f"text {key}", [f"note {key}"])
    assert [answer.key for answer in sheet.answers] == ["b", "a", "c"]


def test_nothing_stands_there_twice(sheet: Sheet) -> None:
    for _ in range(2):
        sheet.doubt("0.5 in the text, 10 in the run", "cell 4")
        sheet.picture("Cell 3", picture())
    sheet.doubt("0.5 in the text, 10 in the run", "cell 5")
    assert [doubt.where for doubt in sheet.doubts] == ["cell 4", "cell 5"]
    assert [each.caption for each in sheet.pictures] == ["Cell 3"]


def test_a_test_that_is_run_again_replaces_what_it_put_there(sheet: Sheet) -> None:
    for test, words in (("a", "first"), ("b", "kept"), ("c", "third")):
        sheet.begin(test)
        sheet.doubt(f"{words} took 3.1 s")
        sheet.fact(test, words, MEASURED)
    sheet.begin("a")
    sheet.doubt("first took 3.3 s")
    sheet.begin("c")
    sheet.fact("c", "third again", MEASURED)
    assert [doubt.text for doubt in sheet.doubts] == ["kept took 3.1 s", "first took 3.3 s"]
    assert [fact.value for fact in sheet.facts] == ["kept", "third again"]  # the first says nothing any more


def test_a_sheet_knows_whether_it_is_empty(sheet: Sheet) -> None:
    assert sheet.empty
    sheet.begin("a")
    sheet.doubt("look")
    assert not sheet.empty
    sheet.begin("a")
    assert sheet.empty


def test_text_is_cleaned_on_its_way_in(sheet: Sheet) -> None:
    sheet.fact(HOSTILE, HOSTILE + "\n\nmore", VERIFIED, HOSTILE)
    sheet.answer(HOSTILE, HOSTILE, HOSTILE, f"{HOSTILE}\n$\\frac{{1}}{{2}}$\n", [HOSTILE])
    sheet.doubt(HOSTILE, HOSTILE)
    (fact,), (answer,), (doubt,) = sheet.facts, sheet.answers, sheet.doubts
    texts = [fact.label, fact.value, fact.where, answer.title, answer.status, answer.text, *answer.notes]
    for text in [*texts, doubt.text, doubt.where]:
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)
        assert "red abc"[:4] in text or len(text) <= 60  # the status is cut before it
    assert answer.text.endswith("\n$\\frac{1}{2}$")  # formulas and line breaks stay as they are
    assert "\n" not in fact.label + answer.title + doubt.where


def test_a_paragraph_on_one_line_is_shown_whole(sheet: Sheet) -> None:
    paragraph = "word " * 600
    sheet.answer("a", "A", "answered", paragraph)
    assert sheet.answers[0].text == paragraph


def test_what_finds_no_room_is_counted(sheet: Sheet) -> None:
    for number in range(sheets.MAX_DOUBTS + 7):
        sheet.doubt(f"doubt {number}")
    sheet.doubt("doubt 3")
    assert len(sheet.doubts) == sheets.MAX_DOUBTS
    assert sheet.left_out == 7


def test_a_full_sheet_keeps_the_headings(sheet: Sheet) -> None:
    count = sheets.MAX_TEXT_CHARS // 10_000 + 1
    for number in range(count):
        sheet.answer(str(number), f"Question {number}", "answered", "é" * 10_000)
    assert [bool(answer.text) for answer in sheet.answers] == [True] * (count - 1) + [False]
    assert sheet.answers[-1].title == f"Question {count - 1}"
    assert sheet.answers[-1].notes == ("Left out here, because the sheet is full.",)


# --- pictures -----------------------------------------------------------------------------------------


def png(pixels: np.ndarray, **text: str) -> bytes:
    info, file = PngInfo(), io.BytesIO()
    for key, value in text.items():
        info.add_text(key, value)
    Image.fromarray(pixels).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def test_no_byte_of_a_students_picture_is_kept() -> None:
    data = png(np.full((20, 30, 3), 7, np.uint8), Comment="<script>alert(1)</script>")
    shown = shrink(data + b"<script>", "Cell 3")
    assert isinstance(shown, Shrunk)
    assert b"script" in data
    assert b"script" not in shown.png
    assert (shown.width, shown.height) == (30, 20)
    assert (np.asarray(Image.open(io.BytesIO(shown.png))) == 7).all()


@pytest.mark.parametrize("shape", [(1_500, 2_500, 3), (3, 9_000, 3), (700, 700, 3)])
def test_a_picture_fits_the_page(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)  # nothing that could be packed
    shown = shrink(png(noise), "Cell 3")
    assert isinstance(shown, Shrunk)
    assert len(shown.png) <= MAX_BYTES
    assert max(shown.width, shown.height) <= MAX_SIDE
    assert Image.open(io.BytesIO(shown.png)).size == (shown.width, shown.height)


@pytest.mark.parametrize("data", [b"", b"GIF89a", picture()[:40], b"<svg onload=alert(1)>"])
def test_what_is_no_picture_is_said(sheet: Sheet, data: bytes, document: ResultsDocument) -> None:
    sheet.picture("Cell <3>", data)
    assert sheet.pictures[0].shown is None
    page = render(sheet, document, "doe")
    assert "Not shown: " in page
    assert "<img" not in page


def test_pictures_are_in_the_page_itself(sheet: Sheet, document: ResultsDocument) -> None:
    sheet.picture('Loss "per" epoch', png(np.zeros((4, 5, 3), np.uint8)))
    page = render(sheet, document, "doe")
    (source,) = re.findall(r'<img src="data:image/png;base64,([^"]*)" width="5" height="4"', page)
    assert base64.b64decode(source, validate=True).startswith(b"\x89PNG")
    assert 'alt="Loss &#34;per&#34; epoch"' in page


# --- links --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://pytorch.org/docs.", ["https://pytorch.org/docs"]),
        ("[docs](https://pytorch.org/docs)", ["https://pytorch.org/docs"]),
        ("<https://a.org/b>", ["https://a.org/b"]),
        ("https://en.wikipedia.org/wiki/Loss_(maths)", ["https://en.wikipedia.org/wiki/Loss_(maths)"]),
        (
            "**HTTP://A.org/?q=1&r=2#s**, and http://b.org/x_y",
            ["HTTP://A.org/?q=1&r=2#s", "http://b.org/x_y"],
        ),
        ("javascript:alert(1) data:text/html,x file:///etc/passwd //a.org ftp://a.org", []),
        ("https://university.edu@elsewhere.org/ https://a.org\\@b.org", []),
        ("https://pytorch.org\u0430/b", []),  # a letter that only looks like one of ours
        ("https://de.wikipedia.org/wiki/Gr\u00f6\u00dfe", []),  # half of it would lead elsewhere
        ("\u89c1https://a.org/b\u3002", ["https://a.org/b"]),
        ("http:// https://. http://localhost/x", []),
        (f"https://a.org/{'x' * 500}", []),
    ],
)
def test_links_lead_where_they_seem_to(text: str, links: list[str]) -> None:
    found = pieces(text)
    assert [piece.link for piece in found if piece.link] == links
    assert all(piece.text == piece.link for piece in found if piece.link)
    assert "".join(piece.text for piece in found) == text


@given(st.text(st.sampled_from("htps:/.a@)(]*_\\ \n?&é"), max_size=80))
def test_no_text_is_lost_among_links(text: str) -> None:
    found = pieces(f"https://a.b{text}https://c.de/{text}")
    assert "".join(piece.text for piece in found) == f"https://a.b{text}https://c.de/{text}"
    assert Piece("") not in found


# --- the page -----------------------------------------------------------------------------------------


class _Page(HTMLParser):
    """The tags of a page, which must be well nested, and what they refer to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def assert_harmless(page: str) -> _Page:
    parsed = _Page(page)
    tags = {tag for tag, _ in parsed.tags}
    assert not tags & {"script", "iframe", "link", "object", "embed", "form", "svg", "base", "input", "video"}
    for tag, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("srcdoc", "style")]
        assert "src" not in attributes or (
            tag == "img" and str(attributes["src"]).startswith("data:image/png;")
        )
        assert "href" not in attributes or tag == "a"
    for link in parsed.all("a"):
        assert re.match("https?://", str(link["href"]), re.IGNORECASE)
        assert link["rel"] == "noopener noreferrer nofollow"
    return parsed


RUN = RunNotes(
    name="u6n1.ipynb",
    counts="Run here, and the outputs of this run count.",
    evidence=MEASURED,
    stopped="Your code went past the time limit.",
    seconds=41.26,
    seed=5,
    cells=(
        CellLine(1, "import torch", CellEnd.RAN, 0.5, ""),
        CellLine(3, "fit(<model>)", CellEnd.KILLED, 30.0, "It went past its time."),
        CellLine(4, "plot()", CellEnd.NOT_RUN, 0.0, ""),
    ),
    more_cells=2,
    uses=(UseLine("gpu", ".cuda()", "1, 3"),),
    executed="executed.ipynb",
)


def full(sheet: Sheet) -> Sheet:
    sheet.fact("Test accuracy", "98.6 %", MEASURED, "cell 14")
    sheet.fact("Parameters", "79,510", VERIFIED)
    sheet.answer("1", "Which rate works best?", "answered, 12 words", "0.5, see https://a.org/b.", ["1 link"])
    sheet.answer("2", "Why?", "empty", "")
    sheet.doubt("The text says 0.5; the last run used 10.", "cell 21")
    sheet.picture("Cell 14: loss per epoch", png(np.zeros((4, 5, 3), np.uint8)))
    return sheet


def test_everything_is_on_the_page(sheet: Sheet, document: ResultsDocument) -> None:
    page = render(full(sheet), document, "doe_jane", [RUN], {"torch": "2.13.0"})
    parsed = assert_harmless(page)
    for expected in [
        *("doe_jane", "Reading sheet for staff: Homework <1>", "3 of 4 points graded here."),
        *("For a human to decide No points were taken for these.", "the last run used 10. (cell 21)"),
        *("Test accuracy98.6 % measured", "cell 14", "79,510 verified", "Which rate works best?answered"),
        *("1 link", "Why?empty", "Cell 14: loss per epoch", "Question 1Partly right3 / 4"),
        *(
            "How u6n1.ipynb was run",
            "1 ran, 1 killed, 1 not run, 2 more",
            "41.3 s",
            "torch 2.13.0",
            "Machinesandbox privdrop",
        ),
        *("gpu.cuda()1, 3", "fit(<model>)", "It went past its time.", "executed.ipynb, beside this page"),
        "Your code went past the time limit.",
    ]:
        assert expected in parsed.text
    assert "default-src 'none'" in page
    assert "img-src data:;" in page
    assert page.index("For a human to decide") < page.index(">Answers<") < page.index(">Score<")


def test_the_page_can_be_read_without_seeing_it(sheet: Sheet, document: ResultsDocument) -> None:
    parsed = _Page(render(full(sheet), document, "doe_jane", [RUN]))
    assert len(parsed.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert parsed.all("html") == [{"lang": "en"}]
    assert all(header.get("scope") in ("row", "col") for header in parsed.all("th"))
    assert all(image["alt"] for image in parsed.all("img"))
    names = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(names) == len(set(names))
    assert {attributes.get("aria-labelledby", names[0]) for _, attributes in parsed.tags} <= set(names)


def test_what_is_not_there_leaves_no_heading(sheet: Sheet, document: ResultsDocument) -> None:
    sheet.fact("Epochs", "9", MEASURED)
    text = _Page(render(sheet, document, "doe")).text
    for absent in ("For a human", "Answers", "Plots", "was run", "found no room"):
        assert absent not in text


def test_cells_are_shown_at_once_where_one_ended_badly(sheet: Sheet, document: ResultsDocument) -> None:
    well = RunNotes("a.ipynb", "Run here.", MEASURED, seed=0, cells=RUN.cells[:1])
    assert '<details class="below" open>' in render(sheet, document, "doe", [RUN])
    assert '<details class="below">' in render(sheet, document, "doe", [well])


@settings(max_examples=40)
@given(text=st.text(st.characters(exclude_categories=()), max_size=120))
def test_no_text_breaks_out_of_the_page(text: str, document: ResultsDocument) -> None:
    sheet = Sheet()
    for words in (text, f"{text}</p><script>{text}", f'https://a.org/"onclick={text}'):
        sheet.fact(words, words, CLAIMED, words)
        sheet.answer(words, words, words, words, [words])
        sheet.doubt(words, words)
        sheet.picture(words, picture())
    assert_harmless(render(sheet, document, text, [RUN])).text.encode()


def test_markup_is_shown_as_the_characters_that_it_is(sheet: Sheet, document: ResultsDocument) -> None:
    sheet.answer("1", "A", "answered", HOSTILE)
    page = render(sheet, document, HOSTILE)
    assert (
        "&lt;script&gt;alert(1)&lt;/script&gt; &lt;img src=x onerror=alert(2)&gt; {{ 7*7 }} &amp;amp;" in page
    )
    assert_harmless(page)


def test_the_fullest_sheet_stays_below_the_limit(document: ResultsDocument) -> None:
    sheet = Sheet()
    worst, text, links = '"' * 1_000, '"' * 13_000, "http://a.b&c " * 1_000
    noise = np.random.default_rng(0)
    for number in range(250):
        sheet.fact(f"{number}{worst}", worst, CLAIMED, worst)
        sheet.answer(str(number), worst, worst, text if number % 2 else links, [worst] * 50)
        sheet.doubt(f"{number}{worst}", worst)
    for number in range(20):
        pixels = noise.integers(0, 256, (400, 400, 3), np.uint8)
        sheet.picture(f"{number}{worst}", png(pixels))
    cell, use = CellLine(1, '"' * 80, CellEnd.RAISED, 1.0, '"' * 300), UseLine("g" * 200, '"' * 200, "1" * 60)
    run = RunNotes("n" * 200, '"' * 400, MEASURED, '"' * 300, 1.0, 0, (cell,) * 200, 0, (use,) * 100)
    page = render(sheet, document, worst, [run]).encode()
    assert PAGE_LIMIT / 3 < len(page) < PAGE_LIMIT
    assert sheet.left_out == 2 * 130 + 190 + 4


# --- its colours --------------------------------------------------------------------------------------


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return math.fsum((0.2126 * red, 0.7152 * green, 0.0722 * blue))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_can_be_read_on_its_ground(scheme: int) -> None:
    css = re.findall(r":root \{(.*?)\}", TEMPLATE.read_text(encoding="utf-8"), re.S)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css))
    pairs = [(name, f"{name}-bg") for name in (*(evidence.label for evidence in Evidence), "broke")]
    pairs += [(name, ground) for name in ("text", "soft", "link") for ground in ("page", "card", "well")]
    for name, ground in pairs:
        dark, light = sorted((_luminance(colours[name]), _luminance(colours[ground])))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)  # WCAG AA
