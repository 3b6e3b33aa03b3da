"""The reports: all of it is there, in words, for the right reader, and a student's text stays text."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from autograder.document import ResultsDocument
from autograder.outcome import Evidence, Outcome, Verdict
from autograder.report import html, terminal
from autograder.results import DeclaredTest, ResultsStore, RunInfo
from autograder.summary import Mark, points, summarise

VERIFIED = Evidence.VERIFIED
TEMPLATE = Path(__file__).parent.parent / "autograder" / "templates" / "report.html.j2"

Pairs = list[tuple[DeclaredTest, Verdict | None]]


def document_of(out: Path, pairs: Pairs, *, notes: tuple[str, ...] = ()) -> ResultsDocument:
    tests = [test for test, _ in pairs]
    offered = [math.fsum(t.max_score for t in tests if t.extra_credit is extra) for extra in (False, True)]
    run = RunInfo(
        "Homework <1>",
        offered[0],
        7,
        {"numpy": "2.4.6"},
        "privdrop",
        {"wall_s": 20.0},
        extra_credit=offered[1],
        notes=notes,
    )
    store = ResultsStore(out, tests, run)
    for test, verdict in pairs:
        if verdict:
            store.settle(test.key, verdict)
    if store.pending or store.faults:
        return store.document()
    return ResultsDocument.model_validate_json(store.finish().read_bytes())


def on_terminal(document: ResultsDocument, *, for_student: bool = False, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", newline="")
    terminal(document, Console(file=file, width=80, legacy_windows=False), for_student=for_student)
    file.flush()
    buffer = file.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(encoding)


def case(number: str, name: str, max_score: float = 1.0, **changes: object) -> DeclaredTest:
    fields = {"question": f"Question {number}", "evidence_needed": VERIFIED, **changes}
    return DeclaredTest(f"{number}/{name}", number, name, max_score, **fields)  # type: ignore[arg-type]


def passed(points: float = 1.0, text: str = "") -> Verdict:
    return Verdict(Outcome.PASSED, points, text, evidence=VERIFIED)


def failed(text: str = "", staff: str = "") -> Verdict:
    return Verdict(Outcome.FAILED, 0, text, staff, VERIFIED)


MIXED: Pairs = [
    (case("9.10", "the tenth"), passed()),
    (case("9.2", "stride 2"), failed("Take the stride from conv_param.")),
    (case("9.2", "pad 0"), Verdict(Outcome.ERROR, 0, "It raised IndexError.", evidence=VERIFIED)),
    (case("9.2", "pad 3"), Verdict(Outcome.PASSED, 0.5, "Half of it.", evidence=VERIFIED)),
    (case("9.3", "skipped"), Verdict(Outcome.SKIPPED, 0, "There is no such function.")),
    (case("9.4", "Challenge", 5, graded=False), Verdict(Outcome.SKIPPED, 0, "Staff will.")),
    (case("9.4", "Bonus", 5, graded=False, extra_credit=True), Verdict(Outcome.SKIPPED, 0, "Staff will.")),
]


@pytest.fixture
def mixed(tmp_path: Path) -> ResultsDocument:
    return document_of(tmp_path, MIXED, notes=("Left out: __MACOSX.",))


@pytest.mark.parametrize("render", [html, on_terminal])
def test_everything_is_in_the_report(mixed: ResultsDocument, render: object) -> None:
    text = " ".join(render(mixed).split())  # type: ignore[operator]
    for expected in [
        *("Question 9.10", "the tenth", "stride 2", "pad 0", "pad 3", "skipped"),
        *("Passed", "Not right", "Broke", "Partly right", "Not run", "Not graded yet"),
        *("Take the stride from conv_param.", "It raised IndexError.", "Half of it.", "Staff will."),
        *("0.5 / 3", "5 + 5 extra to come", "verified", "Left out: __MACOSX."),
        "Start with question 9.2, “pad 0”",  # what broke, before what is only wrong
    ]:
        assert expected in text
    assert text.count("Staff will.") == 1  # one message for both of its tests


def test_the_score_stands_first_and_last_on_the_terminal(mixed: ResultsDocument) -> None:
    lines = [line.rstrip() for line in on_terminal(mixed).splitlines()]
    headline = "1.5 of 5 points graded here; 5 more are not graded yet."
    assert lines[1:3] == ["Homework <1>", headline]
    assert lines.count(headline) == 2


def test_questions_stand_in_the_homeworks_order(mixed: ResultsDocument) -> None:
    summary = summarise(mixed, title=None, for_student=False)
    assert [group.number for group in summary.groups] == ["9.2", "9.3", "9.4", "9.10"]


def test_what_wants_attention_stands_first_in_its_question(tmp_path: Path) -> None:
    pairs: Pairs = [(case("1", "right"), passed()), (case("1", "wrong"), failed("Mend it."))]
    (group,) = summarise(document_of(tmp_path, pairs), title=None, for_student=False).groups
    assert [row.mark for row in group.rows] == [Mark.FAILED, Mark.PASSED]


def test_tests_that_ended_alike_become_one_row(tmp_path: Path) -> None:
    pairs: Pairs = [(case("1", f"case {n}"), failed("No module named torch.")) for n in range(30)]
    pairs += [(case("2", f"good {n}"), passed()) for n in range(3)]
    first, second = summarise(document_of(tmp_path, pairs), title=None, for_student=False).groups
    assert [(row.title, row.max_score) for row in first.rows] == [("30 tests", 30)]
    assert [row.title for row in second.rows] == ["good 0", "good 1", "good 2"]
    page = html(document_of(tmp_path, pairs))
    assert page.count("No module named torch.") == 1
    assert all(f"<li>case {n}</li>" in page for n in range(30))


HIDDEN: Pairs = [
    (case("1", "seen"), passed()),
    (case("1", "unseen", visibility="hidden"), failed("wrong", staff="dx was 3.25")),
    (case("1", "later", visibility="after_due_date"), failed("wrong too")),
]


@pytest.mark.parametrize("render", [html, on_terminal])
def test_a_student_sees_what_gradescope_would_show(tmp_path: Path, render: object) -> None:
    document = document_of(tmp_path, HIDDEN)
    student = render(document, for_student=True)  # type: ignore[operator]
    assert "seen" in student
    for secret in ("unseen", "later\n", "3.25", "wrong", "1 of 3"):
        assert secret not in student
    assert "The total is not shown, because some tests are hidden." in student
    staff = " ".join(render(document).split())  # type: ignore[operator]
    for expected in ("unseen", "dx was 3.25", "after due date", "1 of 3"):
        assert expected in staff or expected.replace("1 of 3", "of 3 points") in staff


@pytest.mark.parametrize(
    ("verdict", "headline", "step"),
    [
        (None, "No score: this grading has not ended.", "Grade the submission again."),
        (Verdict(Outcome.FAULT), "No score: this grading has not ended.", "Staff: the autograder broke"),
        (passed(), "1 of 1 points graded here.", "Every test that is shown here passed."),
        (Verdict(Outcome.SKIPPED), "0 of 1 points graded here.", "Some tests were not run."),
    ],
)
def test_the_report_says_what_to_do_next(
    tmp_path: Path, verdict: Verdict | None, headline: str, step: str
) -> None:
    text = " ".join(on_terminal(document_of(tmp_path, [(case("1", "a"), verdict)])).split())
    assert headline in text
    assert step in text


@pytest.mark.parametrize("render", [on_terminal, html])
def test_extra_credit_is_told_as_such(render: Callable[..., str], tmp_path: Path) -> None:
    pairs: Pairs = [(case("1", "a"), passed()), (case("2", "b", 2.0, extra_credit=True), passed(2.0))]
    text = re.sub(r"<[^>]+>", " ", render(document_of(tmp_path, pairs)))
    assert "3 of 1 points graded here, 2 of them extra credit" in " ".join(text.split())


MARKUP = "[bold red]not bold[/] [link=http://x]y[/link] :boom: <script>alert(1)</script> & \" '"


def test_a_students_text_is_no_markup(tmp_path: Path) -> None:
    document = document_of(tmp_path, [(case("1", "a [/] <b>name</b>"), failed(MARKUP))], notes=(MARKUP,))
    shown = " ".join(on_terminal(document).split())
    assert shown.count("[bold red]not bold[/] [link=http://x]y[/link] :boom: <script>alert(1)</script>") == 2
    assert "a [/] <b>name</b>" in shown
    page = html(document)
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &#34; &#39;") == 2
    assert "a [/] &lt;b&gt;name&lt;/b&gt;" in page


def test_a_terminal_without_unicode_gets_ascii(mixed: ResultsDocument) -> None:
    text = on_terminal(mixed, encoding="ascii")
    assert "x Not right" in text
    assert '"pad 0"' in text


@pytest.mark.parametrize("width", [44, 60, 200])
def test_no_width_swallows_a_word(mixed: ResultsDocument, width: int) -> None:
    console = Console(file=io.StringIO(), width=width, legacy_windows=False)
    terminal(mixed, console)
    file = console.file
    assert isinstance(file, io.StringIO)
    words = file.getvalue().split()
    for expected in ("tenth", "Partly", "conv_param.", "IndexError.", "verified", "__MACOSX."):
        assert expected in words


def test_a_long_message_is_folded_on_the_page(tmp_path: Path) -> None:
    long = "It raised IndexError.\n\n" + "\n".join(f"  line {n}" for n in range(40))
    page = html(document_of(tmp_path, [(case("1", "a"), failed(long))]))
    lead, rest = page.split("<summary>Show the rest</summary>")
    assert "It raised IndexError." in lead
    assert '<p class="text code">  line 0\n' in lead
    assert "  line 39</p>" in rest


class _Page(HTMLParser):
    """The tags of a page, which must be well nested, and what they refer to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def assert_harmless(page: str) -> _Page:
    parsed = _Page(page)
    assert parsed.open == []
    assert not {"script", "img", "iframe", "link", "a", "object", "form", "svg", "base"} & set(parsed.seen)
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name in ("src", "href")]
    return parsed


def test_the_page_is_one_file_without_scripts(mixed: ResultsDocument) -> None:
    page = html(mixed)
    parsed = assert_harmless(page)
    assert "default-src 'none'" in page
    assert "url(" not in page
    assert "@import" not in page
    assert parsed.seen.count("h1") == 1
    assert parsed.seen.count("h2") == 1 + 4  # what to do next, and the questions
    assert ("lang", "en") in parsed.attributes
    assert "<title>Homework &lt;1&gt;: results</title>" in page
    labelled = [value for name, value in parsed.attributes if name == "aria-labelledby"]
    assert set(labelled) <= {value for name, value in parsed.attributes if name == "id"}


@given(text=st.text(st.characters(exclude_categories=()), max_size=120))
def test_no_text_breaks_out_of_the_page(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    pairs: Pairs = [
        (case("1", text), failed(text + "</p><script>" + text)),
        (case("2", text), passed(1, text)),
    ]
    document = document_of(tmp_path_factory.mktemp("out"), pairs, notes=(text,))
    assert_harmless(html(document, title=text))
    on_terminal(document)
    on_terminal(document, encoding="ascii")


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_can_be_read_on_its_ground(scheme: int) -> None:
    css = re.findall(r":root \{(.*?)\}", TEMPLATE.read_text(encoding="utf-8"), re.S)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", css))
    pairs = [(name, f"{name}-bg") for name in ("passed", "failed", "broke", "partly", "waiting", "fault")]
    pairs += [(name, ground) for name in ("text", "soft", "link") for ground in ("page", "card", "well")]
    for name, ground in pairs:
        assert _contrast(colours[name], colours[ground]) >= 4.5, (name, ground)  # WCAG AA


def test_every_mark_has_its_own_symbol_and_word() -> None:
    assert len({mark.symbol for mark in Mark}) == len({mark.word for mark in Mark}) == len(Mark)
    template = TEMPLATE.read_text(encoding="utf-8")
    assert all(f".{mark.name.lower()}" in template for mark in Mark)


@pytest.mark.parametrize(
    ("value", "shown"), [(1.0, "1"), (0.75, "0.75"), (3 / 28, "0.107"), (0.0, "0"), (100, "100")]
)
def test_points_are_written_as_people_do(value: float, shown: str) -> None:
    assert points(value) == shown
