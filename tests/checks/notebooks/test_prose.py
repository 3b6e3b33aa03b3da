"""Markdown becomes blocks, links, citations and quantities; answers are found in many settings."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checks.notebooks.prose import (
    Block,
    count_words,
    find_citations,
    find_links,
    find_quantities,
    markdown_blocks,
    plain_text,
    read_prose,
    read_text,
    sentences,
)
from autograder.checks.notebooks.questions import Answer, Question, Status, find_answers
from autograder.loaders.notebook import Cell, Notebook

RATE = "The loss jumps about and finally diverges to infinity."
LINEAR = "Two linear layers in a row are only one."
DIGITS = "Mostly 4 and 9, and 3 and 5."
QUESTIONS = (
    Question("rate", "What happens when the learning rate is too large?", ("1",), "Your answer here.", 5),
    Question("linear", "Why do we need a non-linearity?", ("2",), "", 3),
    Question("digits", "Which digits are confused most often?", ("3", "confus"), "Double-click to edit", 3),
)


def notebook(*cells: str | tuple[str, str]) -> Notebook:
    """A notebook; a cell is Markdown unless its kind is given."""
    made = [cell if isinstance(cell, tuple) else ("markdown", cell) for cell in cells]
    return Notebook(tuple(Cell(at, kind, source) for at, (kind, source) in enumerate(made, start=1)))


def code(source: str) -> tuple[str, str]:
    return "code", source


def answers(*cells: str | tuple[str, str]) -> dict[str, Answer]:
    return {answer.key: answer for answer in find_answers(notebook(*cells), QUESTIONS)}


def test_a_notebook_s_prose() -> None:
    prose = read_prose(
        notebook(
            "# Title\n\nSome *text* with [a link](https://example.org/a_(b)) and `code`.\n\n- one\n"
            "- two\n\n> quoted",
            code("# a comment is no prose"),
            "| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nx = 1\n```\n<h2>Sub</h2>\n\n"
            "See [1], He et al., 2016. Sources:\n\n![plot](a.png)",
        )
    )
    assert [(block.kind, block.text, block.cell) for block in prose.blocks] == [
        ("heading", "Title", 1),
        ("paragraph", "Some text with a link and code.", 1),
        ("item", "one", 1),
        ("item", "two", 1),
        ("quote", "quoted", 1),
        ("table", "a | b", 3),
        ("table", "1 | 2", 3),
        ("code", "x = 1", 3),
        ("heading", "Sub", 3),
        ("paragraph", "See [1], He et al., 2016. Sources:", 3),
        ("paragraph", "plot", 3),
    ]
    assert prose.links == ("https://example.org/a_(b)",)
    assert prose.citations == ("[1]", "He et al., 2016")
    assert [heading.text for heading in prose.headings] == ["Title", "Sub"]
    assert prose.cites_sources


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("see https://arxiv.org/abs/1512.03385.", ("https://arxiv.org/abs/1512.03385",)),
        ("(https://example.org/x)", ("https://example.org/x",)),
        ("<https://example.org/x>", ("https://example.org/x",)),
        (
            "[a](https://example.org/x), [b](https://example.org/y)",
            ("https://example.org/x", "https://example.org/y"),
        ),
        ('<a href="http://example.org">x</a>', ("http://example.org",)),
        ("www.example.org and www.example.org", ("www.example.org",)),
        ("https://en.example.org/wiki/A_(b)", ("https://en.example.org/wiki/A_(b)",)),
        ("no link: example", ()),
    ],
)
def test_links(text: str, links: tuple[str, ...]) -> None:
    assert find_links(text) == links


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ("arXiv:1512.03385", ("arXiv:1512.03385",)),
        ("doi: 10.1109/CVPR.2016.90", ("doi: 10.1109/CVPR.2016.90",)),
        ("as in [3] and [4, 5]", ("[3]", "[4, 5]")),
        ("Sources:\n- my friend", ("Sources:",)),
        ("## References\n1. a book", ("## References",)),
        ("(LeCun et al. 1998)", ("LeCun et al. 1998",)),
        ("Kingma & Ba, 2015", ("Kingma & Ba, 2015",)),
        ("x[3] and a[0]", ()),
        ("Adam and Eve", ()),
        ("[a](b)", ()),
    ],
)
def test_citations(text: str, cited: tuple[str, ...]) -> None:
    assert find_citations(text) == cited


def test_quantities() -> None:
    found = find_quantities(
        "98.5 % after 3 epochs with 7.7k parameters, 1,234,567 weights, 0.5 alone, +0.4 points"
    )
    assert [(one.value, one.unit) for one in found] == [
        (98.5, "%"),
        (3, "epochs"),
        (7700, "parameters"),
        (1234567, "weights"),
        (0.4, "points"),
    ]


def test_plain_text_and_sentences() -> None:
    assert (
        plain_text("**Bold** _it_ a*b*c `x_y` <b>t</b> &lt; \\* snake_case 2*3")
        == "Bold it a*b*c x_y t < * snake_case 2*3"
    )
    assert sentences("We got 98.5 %. It is e.g. good. Fine! see Fig. 3\nnew line\nAnother") == [
        "We got 98.5 %.",
        "It is e.g. good.",
        "Fine! see Fig. 3 new line",
        "Another",
    ]
    assert count_words("a well-known 98.5 % fact, isn't it?") == 6
    assert read_text("<!-- hidden -->\n<!-- two\nlines -->shown").text == "shown"


FULL = {
    "headings": (
        f"## 1. What happens when the learning rate is too large?\n\n{RATE}",
        f"## 2. Why do we need a non-linearity?\n{LINEAR}",
        "## 3. Which digits are confused most often?",
        DIGITS,
    ),
    "numbered headings": (
        f"### Question 1\n{RATE}",
        f"### Question 2\n\n{LINEAR}",
        f"### Question 3:\n{DIGITS}",
    ),
    "Q1:": (f"Q1: {RATE}\n\nQ2: {LINEAR}\n\nQ3: {DIGITS}",),
    "bold": (f"**Q1.** {RATE}", f"**Question 2**\n\n{LINEAR}", f"**3.** {DIGITS}"),
    "a list": (f"1. {RATE}\n2. {LINEAR}\n3. {DIGITS}",),
    "brackets": (f"1) {RATE}", f"2) {LINEAR}", f"3) {DIGITS}"),
    "the question's own words": (
        f"What happens when the learning rate is too large?\n\n{RATE}",
        f"*Why do we need a non-linearity?* {LINEAR}",
        f"**Which digits are confused most often?**\n\n- {DIGITS}",
    ),
    "answers by number, questions elsewhere": (
        "# Questions\n1. What happens when the learning rate is too large?\n"
        "2. Why do we need a non-linearity?\n"
        "3. Which digits are confused most often?",
        f"# Answers\n\n**Answer 1:** {RATE}\n\n**Answer 2:** {LINEAR}\n\n**Answer 3:** {DIGITS}",
    ),
    "A1": (f"A1: {RATE}\n\nA2. {LINEAR}\n\nA3 - {DIGITS}",),
    "quotes": (f"### Q1\n> {RATE}", f"### Q2\n> {LINEAR}", f"### Q3\n> {DIGITS}"),
    "raw cells": ("### Q1", ("raw", RATE), "### Q2", ("raw", LINEAR), "### Q3", ("raw", DIGITS)),
    "labels": (f"### Q1\n**Answer:** {RATE}", f"### Q2\nAnswer: {LINEAR}", f"### Q3\nA: {DIGITS}"),
    "the template left above": (
        f"### Question 1\nYour answer here.\n\n{RATE}",
        f"### Question 2\n*Your answer:* {LINEAR}",
        f"### Question 3\n_Double-click to edit_\n\n{DIGITS}",
    ),
    "code between": (
        "### Q1",
        code("plot()"),
        RATE,
        "### Q2",
        code("y"),
        LINEAR,
        "### Q3",
        code("z"),
        DIGITS,
    ),
    "comments": (
        code(f"# Q1: {RATE}\nx = 1"),
        code(f"# Question 2\n# {LINEAR}"),
        code(f'"""Q3: {DIGITS}"""'),
    ),
    "HTML": (
        f"<h3>Question 1</h3>\n\n<p>{RATE}</p>",
        f"<h3>Question 2</h3>\n\n{LINEAR}",
        f"<b>Question 3</b> {DIGITS}",
    ),
    "a heading of its own words": (f"# 1\n{RATE}", f"# Exercise 2: ReLU\n{LINEAR}", f"# Confusion\n{DIGITS}"),
    "shouted": (f"### QUESTION 1\n{RATE}", f"### QUESTION #2\n{LINEAR}", f"### QUESTION NO. 3\n{DIGITS}"),
}


@pytest.mark.parametrize("cells", FULL.values(), ids=FULL.keys())
def test_answers_are_found_however_they_are_set_out(cells: tuple[str | tuple[str, str], ...]) -> None:
    found = answers(*cells)
    assert {key: answer.status for key, answer in found.items()} == dict.fromkeys(found, Status.ANSWERED)
    assert {key: answer.text for key, answer in found.items()} == {
        "rate": RATE,
        "linear": LINEAR,
        "digits": DIGITS,
    }


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        (("### Question 1",), Status.EMPTY),
        (("### Question 1", ""), Status.EMPTY),
        (("### Question 1\n\n### Question 2\n" + LINEAR,), Status.EMPTY),
        (("### Question 1\n<!-- the answer goes here -->",), Status.EMPTY),
        (("### Question 1\nYour answer here.",), Status.TEMPLATE),
        (("### Question 1\n**Your answer:**",), Status.TEMPLATE),
        (("### Question 1\nTODO",), Status.TEMPLATE),
        (("### Question 1\n...",), Status.TEMPLATE),
        (("### Question 1\n[write your answer here]",), Status.TEMPLATE),
        (("### Question 1\nType your answer here.",), Status.TEMPLATE),
        (("### Question 1\nAnswer:",), Status.TEMPLATE),
        (("### Question 1\n_________",), Status.EMPTY),
        (("### Question 1\nWhat happens when the learning rate is too large?",), Status.TEMPLATE),
        (("**Q1: What happens when the learning rate is too large?**",), Status.EMPTY),
        (("### Question 1\nIt diverges.",), Status.SHORT),
        (("### Something else\n" + RATE,), Status.MISSING),
        (("Q2: What a large learning rate does, and what happens is too much",), Status.MISSING),
        ((), Status.MISSING),
    ],
)
def test_what_is_no_answer(cells: tuple[str, ...], status: Status) -> None:
    assert answers(*cells)["rate"].status is status


def test_an_answer_ends_with_its_section() -> None:
    found = answers(f"## Question 1\n{RATE}\n### Detail\nMore of it.\n## Conclusion\nThat was all.")
    assert found["rate"].text == f"{RATE}\n\nDetail\n\nMore of it."


def test_an_answer_says_where_it_is_and_what_it_cites() -> None:
    found = answers("### Q1", RATE, "It fell by 5 % (see https://example.org).")["rate"]
    assert (found.where, found.words, found.links) == ((2, 3), 16, ("https://example.org",))
    assert [(one.value, one.unit) for one in found.quantities] == [(5, "%")]
    assert found.given


def test_of_two_places_the_one_with_an_answer_counts() -> None:
    found = answers("### Question 1\nYour answer here.", "### Question 1\n" + RATE)
    assert (found["rate"].status, found["rate"].where) == (Status.ANSWERED, (2,))


HOSTILE = {
    "brackets": "[" * 200_000,
    "images": "![a](" * 40_000,
    "quotes": ">" * 200_000,
    "lists": "- " * 100_000,
    "deep lists": "\n".join(" " * (2 * n) + "- a" for n in range(440)),
    "stars": "*a " * 66_000,
    "marks": "_" * 200_000,
    "ticks": "`" * 200_000,
    "tags": "<a " * 66_000,
    "comments": "<!--" * 50_000,
    "entities": "&" * 200_000,
    "lines": "\n" * 200_000,
    "spaces": " " * 200_000,
    "numbers": "1,111" * 40_000,
    "addresses": "http://" * 28_000,
    "closing brackets": "https://a/" + ")" * 190_000,
    "table": "|a" * 100_000 + "\n" + "|-" * 100_000,
    "rows": "|a|b|\n|-|-|\n" + "|x|y|\n" * 33_000,
    "names": "A et al " * 25_000,
    "placeholders": "your answer " * 16_000,
    "questions": "Question 1\n\n" * 16_000,
    "headings": "# Question 1\n" * 15_000,
    "strings": '"""' * 60_000,
    "hashes": "# Q1: a\n" * 25_000,
    "ends": "e.g. A. " * 25_000,
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_text_takes_long(source: str) -> None:
    start = time.process_time()
    read_prose(notebook(source))
    find_answers(notebook(source, code(source)), QUESTIONS)
    assert time.process_time() - start < 10


@settings(max_examples=150, deadline=None)
@given(
    st.text(max_size=400)
    | st.lists(
        st.sampled_from(["# ", "\n", "1. ", "Q1", "**", "> ", "|", "-", "a", "```", "<b>", "[1]"])
    ).map("".join)
)
def test_no_text_crashes(source: str) -> None:
    prose = read_prose(notebook(source))
    assert prose.words >= 0
    assert all(isinstance(block, Block) for block in markdown_blocks(source, 1))
    assert len(find_answers(notebook(source, code(source), ("raw", source)), QUESTIONS)) == len(QUESTIONS)
