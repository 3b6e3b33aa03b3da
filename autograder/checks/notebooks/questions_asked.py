"""The questions of an assignment, and what a notebook has for each.

A course's wording changes from year to year, and some students put a question their own way. So where a
question of the manifest isn't found in a notebook, an answer to another question that stands there counts in
its place, and staff are told which. Where the question is there, nothing stands in for its answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from autograder.checks.notebooks.prose import Block, count_words, read_prose
from autograder.checks.notebooks.questions import Answer, Question, Status, find_answers, opening_question
from autograder.loaders.notebook import Notebook
from autograder.manifest import Prompt
from autograder.outcome import CheckFailed
from autograder.text import quote

_MOST_OWN = 40  # questions of a notebook's own that are looked at
_MOST_QUESTION_CHARS = 300
_NUMBERED = re.compile(r"\W*(?:questions?|q|exercise|problem|task|part|analysis)\W*\d", re.IGNORECASE)
_ALIKE = 0.6  # of an answer's words: then it is the same text, found twice


@dataclass(frozen=True, slots=True)
class Asked:
    """One of the manifest's questions and its answer; ``instead`` is the notebook's own question, where it is
    another one's answer that counts."""

    prompt: Prompt
    answer: Answer
    instead: str = ""


def read_asked(notebook: Notebook, prompts: Sequence[Prompt]) -> tuple[Asked, ...]:
    """What stands for each question, in the manifest's order."""
    questions = [_question(prompt) for prompt in prompts]
    answers = find_answers(notebook, questions)
    if all(answer.status is not Status.MISSING for answer in answers):
        return tuple(map(Asked, prompts, answers))
    answers, spare = _with_own(notebook, questions)
    asked = []
    for prompt, answer in zip(prompts, answers, strict=True):
        stands_in = None
        if answer.status is Status.MISSING:
            stands_in = next((one for one in spare if one[1].words >= prompt.min_words), None)
        if stands_in is None:
            asked.append(Asked(prompt, answer))
        else:
            spare.remove(stands_in)
            asked.append(Asked(prompt, replace(stands_in[1], key=prompt.key), instead=stands_in[0]))
    return tuple(asked)


def _question(prompt: Prompt) -> Question:
    return Question(prompt.key, prompt.title, tuple(prompt.headings), prompt.template, prompt.min_words)


def _with_own(
    notebook: Notebook, questions: Sequence[Question]
) -> tuple[tuple[Answer, ...], list[tuple[str, Answer]]]:
    """The answers, each ended by the notebook's own questions too, and those that answer these alone."""
    own = [Question(f"own {at}", title) for at, title in enumerate(_titles(notebook))]
    every = find_answers(notebook, [*questions, *own])
    answers = every[: len(questions)]
    taken = [frozenset(_words(answer.text)) for answer in answers if answer.text]
    found = []
    for question, answer in zip(own, every[len(questions) :], strict=True):
        said = frozenset(_words(answer.text))
        if not answer.given or any(len(said & other) >= _ALIKE * len(said) for other in taken):
            continue
        taken.append(said)
        found.append((question.title, answer))
    return answers, found


def _words(text: str) -> Iterator[str]:
    return (match[0].casefold() for match in re.finditer(r"\w+", text))


def _titles(notebook: Notebook) -> list[str]:
    """What stands in the notebook's Markdown like a question."""
    titles = dict.fromkeys(asked for block in read_prose(notebook).blocks if (asked := _asks(block)))
    return list(titles)[:_MOST_OWN]


def _asks(block: Block) -> str:
    """The question that a block is, or that it begins with: its answer may stand right behind it."""
    text = block.text.strip()
    if block.kind in ("code", "table", "quote"):
        return ""
    titled = block.kind == "heading" or block.is_strong
    whole = text.endswith("?") or (titled and _NUMBERED.match(text) is not None)
    asked = text if whole and len(text) <= _MOST_QUESTION_CHARS else opening_question(text)
    return asked if count_words(asked) >= 2 else ""


def require_answer(asked: Asked) -> str:
    """What to note; raises CheckFailed where the question isn't answered."""
    answer, title = asked.answer, quote(asked.prompt.title)
    cells = ", ".join(f"cell {cell}" for cell in answer.where)
    at = f" ({cells})" if cells else ""
    match answer.status:
        case Status.ANSWERED if asked.instead:
            return f"{title} isn't in your notebook; your answer to {quote(asked.instead)} counts for it."
        case Status.ANSWERED:
            return (
                f"Your answer of {answer.words} words was found{at}. What it is worth, the course staff read."
            )
        case Status.MISSING:
            raise CheckFailed(
                f"No answer to {title} was found, nor another question that is answered in its place.",
                hint="Write the question as a heading in a Markdown cell, and your answer below it.",
            )
        case Status.TEMPLATE:
            problem = f"Below {title}{at} stands only what the handout has there, or a placeholder."
        case Status.EMPTY:
            problem = f"Nothing stands below {title}{at}."
        case Status.SHORT:
            few = f"{answer.words} word{'' if answer.words == 1 else 's'}"
            problem = f"Your answer to {title}{at} has {few}, which is too few for an answer."
    raise CheckFailed(
        problem, hint=f"Answer it in a sentence or two: {asked.prompt.min_words} words at least."
    )
