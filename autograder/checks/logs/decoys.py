"""A README that shows somebody else's training: a paper's table, a repository's results."""

from __future__ import annotations

import re

from autograder.checks.logs.printed import Printed

NEAR_LINES = 15
_OTHERS = re.compile(
    r"\b(?:original|official|upstream|reference|their|the authors?'?s?|published|somebody"
    r"|someone|other people)\b"
    r"[^\n]{0,60}\b(?:run|results?|log|training|repo|repository|implementation|paper|table|numbers|curve|code)\b"
    r"|\b(?:taken|copied|reproduced|quoted|reported|results?|log|table"
    r"|numbers)\b[^\n]{0,40}\b(?:from|by|in|of) "
    r"(?:the )?(?:paper|https?:|official|authors?|original|torchvision|timm|pytorch)"
    r"|\bfor (?:comparison|reference)\b|\bexample (?:log|output)\b|\bexpected output\b|\bnot "
    r"(?:mine|ours|my run|our run)\b",
    re.IGNORECASE,
)
_OURS = re.compile(
    r"\b(?:my|our|we|i)\b[^\n]{0,40}\b(?:results?|run|training|trained|log|model|epochs?)\b", re.IGNORECASE
)


def is_of_others(printed: Printed) -> bool:
    """Whether all that the text has of epochs stands below words that say it is another's."""
    lines = [entry.line for entry in printed.entries if entry.values]
    if not lines:
        return False
    start = min(lines)
    above = [text for number, text in printed.texts if start - NEAR_LINES <= number < start]
    for text in reversed(above):
        if _OURS.search(text):
            return False
        if _OTHERS.search(text):
            return True
    return False
