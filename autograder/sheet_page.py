"""The reading sheet as one HTML page that needs nothing else.

As in the report, a student's text is shown as the characters that it is. What differs: pictures, which are
new from their pixels (sheet_picture.py) and stand in the page itself, and links, which show where they lead
and are followed only by who means to.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from autograder.document import ResultsDocument
from autograder.outcome import Evidence
from autograder.pages import template
from autograder.report import headline
from autograder.sandbox.notebook import CellEnd
from autograder.sheet import Sheet, flat
from autograder.sheet_picture import Shrunk
from autograder.sheet_run import RunNotes
from autograder.summary import points, summarise

_SUBMISSION = 120  # characters of its name

# Visible ASCII alone: no letter in a link looks like another one, and no character of it is unseen.
_LINK = re.compile(r"https?://[A-Za-z0-9][!#-;=?-_a-z~]*", re.IGNORECASE)
_MAX_LINK = 400  # characters; a longer one stays text
_MAX_LINKS = 60  # of one text
_CLOSING = {")": "(", "]": "["}


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text; ``link`` is where it leads, or nothing."""

    text: str
    link: str = ""


def render(
    sheet: Sheet,
    document: ResultsDocument,
    submission: str,
    runs: Sequence[RunNotes] = (),
    versions: Mapping[str, str] | None = None,
) -> str:
    """The page. ``versions`` are those of the environment that the notebooks ran in, if it isn't our own."""
    summary = summarise(document, title=None, for_student=False)
    return template("reading.html.j2").render(
        sheet=sheet,
        summary=summary,
        headline=headline(summary),
        submission=flat(submission, _SUBMISSION),
        runs=runs,
        versions=versions or {},
        machine=_machine(document),
        pieces=pieces,
        points=points,
        data_uri=_data_uri,
        ran=CellEnd.RAN,
        kinds=Evidence,
    )


def _machine(document: ResultsDocument) -> str:
    told, sandbox = document.extra_data.versions, document.extra_data.sandbox
    processors = f"{told['processors']} processors" if "processors" in told else ""
    return ", ".join(filter(None, [told.get("system", ""), processors, f"sandbox {sandbox}"]))


def pieces(text: str) -> list[Piece]:
    """The text with its links told apart."""
    return list(_pieces(text))


def _pieces(text: str) -> Iterator[Piece]:
    end = links = 0
    for found in _LINK.finditer(text):
        link = _trimmed(found[0])
        goes_on = text[found.end() : found.end() + 1].isalnum()  # in letters that aren't taken: half a link
        if goes_on or not _is_plain(link) or links == _MAX_LINKS:
            continue
        if found.start() > end:
            yield Piece(text[end : found.start()])
        yield Piece(link, link)
        end, links = found.start() + len(link), links + 1
    if end < len(text):
        yield Piece(text[end:])


def _trimmed(link: str) -> str:
    """Without what ends the sentence or the Markdown around it."""
    while link:
        last = link[-1]
        unopened = last in _CLOSING and link.count(last) > link.count(_CLOSING[last])
        if not unopened and last not in ".,:;!?'*_":
            break
        link = link[:-1]
    return link


def _is_plain(link: str) -> bool:
    """Whether the link leads where it seems to: "https://university.edu@elsewhere" doesn't."""
    host = re.split(r"[/?#\\]", link.partition("://")[2])[0]
    return len(link) <= _MAX_LINK and "." in host and "@" not in host and "\\" not in link


def _data_uri(shown: Shrunk) -> str:
    return f"data:image/png;base64,{base64.b64encode(shown.png).decode('ascii')}"
