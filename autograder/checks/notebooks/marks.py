"""Which epoch and which step a printed line is about, and the line without them."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_EPOCH = 100_000


@dataclass(frozen=True, slots=True)
class Marks:
    """``rest`` is the line without the numbers that say where in the training it was printed."""

    epoch: int | None
    step: int | None
    rest: str
    part: bool = False  # a part of an epoch: what is averaged here goes on


# Each ends in a number, followed by no further digits of it: "Epoch 0.5" is none.
_NO_MORE = r"(?!\d)(?!\.\d*[1-9])(?:\.0*)?"
_TOTAL = r"(?:\s?(?:/|of|out of)\s?\d{1,7})?"
_EPOCH = re.compile(
    r"(?<![A-Za-z])(?:epochs?|ep|epoca|轮次)(?:\s?(?:no\.?|number|num|idx|id))?['\":=#\[(\s_-]{0,6}(\d{1,6})"
    + _NO_MORE
    + _TOTAL
    + r"['\])]?",
    re.IGNORECASE,
)
_PLURAL = re.compile(r"epochs", re.IGNORECASE)
_STEP = re.compile(
    r"(?<![A-Za-z])(?:(?:global|train|training)?[\s_]?(?:step|iter|iteration|batch|mini-?batch|minibatch)"
    r"(?:[\s_](?:id|idx|no|number|index))?)['\":=#\[(\s_-]{0,6}(\d{1,9})" + _NO_MORE + _TOTAL + r"[\])]?",
    re.IGNORECASE,
)
_PROGRESS = re.compile(
    r"[\[(]\s{0,8}(\d{1,9})\s?/\s?(\d{1,9})\s?(?:\(\s?\d{1,3}(?:\.\d{1,4})?\s?%\s?\))?\s?[\])]"
)
_PAIR = re.compile(r"\s{0,8}\[\s{0,8}(\d{1,6})\s?,\s{0,8}(\d{1,9})\s?\]")
# Keras: "1875/1875 [=====] - 8s 4ms/step - loss: ...", "313/313 - 1s - loss: ..."; and "12/100: loss ..."
_STARTING = re.compile(
    r"\s{0,8}(\d{1,9})\s?/\s?(\d{1,9})(?=\s|:|,|$)\s?(\[[=>.\s]{0,60}\]|[━─]{1,60}|-(?=\s))?"
)
_NAMED = re.compile(r"(?:acc|loss|err)[^\d,;|]*$", re.IGNORECASE)
_CLOCK = re.compile(
    r"(?<![\w.])\d{1,4}:\d\d(?::\d\d)?(?:\.\d{1,6})?(?![\w.])"
    r"|\d{4}-\d\d-\d\d"
    r"|(?<![\w.,])\d{1,6}(?:\.\d{1,6})?\s?(?:ms|us|µs|s|sec|secs|seconds|min|mins|minutes|it)"
    r"(?:/\w{1,12}|(?![\w/]))"
)


def marks_of(text: str) -> Marks:
    """Read the marks off a line that `lines` gave."""
    epoch = step = None
    part = False
    paired = _PAIR.match(text)
    if paired:
        return Marks(int(paired[1]), int(paired[2]), text[paired.end() :], part=True)
    if (starting := _STARTING.match(text)) and (starting[3] or not _is_counts(text, starting)):
        step = int(starting[1]) if starting[3] else None
        part = starting[1] != starting[2]
        text = text[starting.end() :]
    found = _EPOCH.search(text)
    if found and not (_PLURAL.match(found[0]) and "/" not in found[0]):
        epoch = int(found[1])
        text = f"{text[: found.start()]}{_in_place(text[: found.start()])}{text[found.end() :]}"
    text, again = _taken(_STEP, text)
    step = again if again is not None else step
    text, again = _progress(text)
    part = part or (step is not None and not (starting and starting[3]))
    if again is not None:
        step, part = again, True
    return Marks(epoch if epoch is None or epoch <= MOST_EPOCH else None, step, _CLOCK.sub(" ", text), part)


def _is_counts(text: str, starting: re.Match[str]) -> bool:
    """``723/1000 correct``: what the line begins with is its result."""
    return (
        re.match(r"\s?\(?\s?[\w.]{0,8}\s?%?\)?\s{0,4}(?:correct|right|accura)", text[starting.end() :])
        is not None
    )


def _in_place(before: str) -> str:
    """What an epoch leaves behind: a new clause, but for "accuracy after epoch 3: 0.98"."""
    return " epoch " if _NAMED.search(before[-60:]) else " , "


def _taken(pattern: re.Pattern[str], text: str) -> tuple[str, int | None]:
    found = pattern.search(text)
    if not found:
        return text, None
    return f"{text[: found.start()]} , {text[found.end() :]}", int(found[1])


def _progress(text: str) -> tuple[str, int | None]:
    """``[25600/60000 (43%)]`` behind the epoch or at the line's end; never the counts behind an accuracy."""
    found = _PROGRESS.search(text)
    if not found:
        return text, None
    before = text[max(found.start() - 30, 0) : found.start()].rstrip()
    square = found[0].startswith("[")
    if not square or before.endswith("%") or re.search(r"(?:acc\w*|correct)\W{0,3}$", before, re.IGNORECASE):
        return text, None
    return f"{text[: found.start()]} , {text[found.end() :]}", int(found[1])
