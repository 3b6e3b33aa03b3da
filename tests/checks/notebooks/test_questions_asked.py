"""The manifest's questions, in its words or in others; and the narrative, under whatever name."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from autograder.assignment import IntakeLimits, load_assignment
from autograder.checks.notebooks.narrative import Source
from autograder.checks.notebooks.narrative_file import Subject, find_essay, require_gain, require_technique
from autograder.checks.notebooks.questions import Status
from autograder.checks.notebooks.questions_asked import read_asked, require_answer
from autograder.intake import Tree, take_in
from autograder.loaders.notebook import Cell, Notebook
from autograder.outcome import CheckFailed

FOLDER = Path(__file__).parents[3] / "graders" / "calvin_mnist"
PROMPTS = load_assignment(FOLDER).prompts
SUBJECT = Subject.from_toml(tomllib.loads((FOLDER / "techniques.toml").read_text()))
LONG = "Twelve words stand here so that this is long enough for any of them."


def statuses(*markdown: str) -> dict[str, Status]:
    cells = tuple(Cell(at, "markdown", text) for at, text in enumerate(markdown, start=1))
    return {one.prompt.key: one.answer.status for one in read_asked(Notebook(cells), PROMPTS)}


@pytest.mark.parametrize(
    ("key", "heading"),
    [
        ("shapes", "## Shape of the data"),
        ("shapes", "**What are the dimensions of the weights?**"),
        ("loss", "### Why do we use cross-entropy loss?"),
        ("loss", "## Question 2: Loss function"),
        ("settings", "## Effect of the learning rate and batch size"),
        ("settings", "**How did you choose your hyperparameters?**"),
        ("top5", "## Top-5 accuracy"),
        ("top5", "### What is top 5 accuracy good for?"),
        ("confused", "## Common mistakes"),
        ("confused", "**Which digits are the hardest?**"),
    ],
)
def test_headings_in_other_words_are_found(key: str, heading: str) -> None:
    assert statuses(heading, LONG)[key] is Status.ANSWERED


def test_a_sentence_in_an_answer_is_no_question() -> None:
    found = statuses(
        "## What does top-5 accuracy tell?", f"The loss falls quickly. {LONG} The shapes are fine."
    )
    assert found == dict.fromkeys(("shapes", "loss", "settings", "confused"), Status.MISSING) | {
        "top5": Status.ANSWERED
    }


def test_an_empty_answer_isnt_filled_by_another() -> None:
    cells = (Cell(1, "markdown", f"## What does the loss measure?\n\n## Why is the sky blue?\n\n{LONG}"),)
    asked = {one.prompt.key: one for one in read_asked(Notebook(cells), PROMPTS)}
    assert asked["loss"].answer.status is Status.EMPTY
    with pytest.raises(CheckFailed, match="Nothing stands below"):
        require_answer(asked["loss"])
    assert [one.instead for one in asked.values() if one.instead] == ["Why is the sky blue?"]


def tree(tmp_path: Path, **files: bytes) -> Tree:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "scratch").mkdir()
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return take_in(folder, tmp_path / "scratch", IntakeLimits(), frozenset())


TEXT = (
    "Mixup blends two images. In the paper (arXiv:1710.09412) the authors report a gain of 1.5 percentage "
    "points. In the article the gain is 0.1 percentage points, which is less than the paper's."
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_the_narrative_is_found_under_any_name(tmp_path: Path, encoding: str) -> None:
    files = tree(
        tmp_path, mixup__txt=TEXT.encode(encoding), README__md=b"How to run it", requirements__txt=b"torch"
    )
    essay = find_essay(files, None, SUBJECT)
    assert essay.path == "mixup.txt"
    assert essay.read.complete
    assert "1.5" in require_gain(essay, Source.PAPER)
    with pytest.raises(CheckFailed, match="too few"):
        require_technique(essay, 60)


@pytest.mark.parametrize(
    ("name", "data"),
    [("narrative__docx", b"PK\x03\x04"), ("narrative__md", b"%PDF-1.7"), ("essay__pdf", b"%PDF-1.7")],
)
def test_other_formats_are_refused_with_what_is_accepted(tmp_path: Path, name: str, data: bytes) -> None:
    path = name.replace("__", ".")
    named = path if path.startswith("narrative") else None
    with pytest.raises(CheckFailed, match=r"Only \.md and \.txt files are accepted"):
        find_essay(tree(tmp_path, **{name: data}), named, SUBJECT)


def test_the_gain_of_all_techniques_is_not_that_of_one(tmp_path: Path) -> None:
    text = TEXT.replace("0.1 percentage points", "4.7 percentage points")
    essay = find_essay(tree(tmp_path, narrative__md=text.encode()), "narrative.md", SUBJECT)
    with pytest.raises(CheckFailed, match="all its techniques together"):
        require_gain(essay, Source.ARTICLE)


def words(*markdown: str) -> dict[str, int]:
    cells = tuple(Cell(at, "markdown", text) for at, text in enumerate(markdown, start=1))
    return {one.prompt.key: one.answer.words for one in read_asked(Notebook(cells), PROMPTS)}


def test_answers_right_behind_their_questions() -> None:
    found = statuses(
        "**What shapes do the data have?** Each batch is sixty-four by seven hundred and eighty-four.\n\n"
        "3. *How did the learning rate influence it?*\n   At ten the numbers exploded, at one they jumped, "
        "and below a hundredth hardly anything happened for a very long time, so that nobody would wait.",
        "**Why does the loss begin at about 2.3?** *All digits seem equally likely at first to it.*\n\n"
        "Q: What would larger pictures change?\nA: More weights would be learned from the same few examples.",
        "**Confused digits.** Fours are taken for nines whenever somebody closes them at the top.",
    )
    assert set(found.values()) == {Status.ANSWERED}


def test_answers_in_a_list_below_a_list_of_questions() -> None:
    questions = "\n".join(f"{at}. {prompt.title}" for at, prompt in enumerate(PROMPTS, start=1))
    answers = "\n".join(f"{at}. {LONG} It is the answer {at}." for at, _ in enumerate(PROMPTS, start=1))
    assert set(statuses(questions, answers).values()) == {Status.ANSWERED}
    assert set(statuses(questions).values()) == {Status.EMPTY}
    assert set(statuses(questions, "# More", "# And more", answers).values()) == {Status.EMPTY}


def test_the_handouts_text_above_the_answer_is_no_answer() -> None:
    asked = f"### Question 1\nLook at the tensors. {LONG}\n\n**Your answer:** "
    assert set(statuses(f"{asked}_TODO_").values()) == {Status.MISSING}
    assert set(statuses(asked).values()) == {Status.MISSING}
    answered = words(f"{asked}Eight words are here, as many as needed.")
    assert sorted(answered.values())[-1] == 8


def test_a_heading_below_a_question_belongs_to_it() -> None:
    assert statuses(f"## Top-5 accuracy\n### What is it good for?\n{LONG}")["top5"] is Status.ANSWERED
